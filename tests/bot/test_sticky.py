"""One text, found again and edited in place."""

from __future__ import annotations

import pytest

from bot.github import GitHub, GitHubError
from bot.sticky import find_own, marker, no_write, own_login, stick

MARK = marker("plan", "", "recipes/*.yaml")


@pytest.fixture
def client(github):
    github.comments[1] = []
    return GitHub(github.url, "octocat/merges", "t", sleep=lambda _seconds: None)


def test_markers_differ_by_scope():
    assert marker("plan", "", "recipes/*.yaml") == MARK
    assert len({MARK, marker("drift", "", "recipes/*.yaml"), marker("plan", "a", "recipes/*.yaml")}) == 3
    assert MARK.startswith("<!-- mergesmith plan ")
    assert MARK.endswith(" -->")
    assert "-->" not in marker("plan", "a --> b").removesuffix(" -->")


def test_created_then_edited(github, client):
    for i in range(150):
        github.say(1, "octocat", f"word {i}")
    assert stick(client, 1, MARK, f"{MARK}\none") is None
    assert stick(client, 1, MARK, f"{MARK}\ntwo") is None
    bodies = [comment["body"] for comment in github.comments[1]]
    assert (len(bodies), bodies[-1]) == (151, f"{MARK}\ntwo")


def test_not_created_if_not_wanted(github, client):
    assert stick(client, 1, MARK, f"{MARK}\none", create=False) is None
    assert github.comments[1] == []


def test_why_not(github, client):
    github.read_only = True
    assert stick(client, 1, MARK, MARK) == (
        "this run's token may not write it, as is usual for a pull request from a fork; elsewhere give the job "
        "`permissions: pull-requests: write`"
    )
    assert no_write(GitHubError("it is down", 502), "issues") == "GitHub did not take it: it is down"


def test_own_login(github, client):
    assert own_login(client) == "github-actions[bot]"
    github.fail("POST", "/graphql", 403)
    assert own_login(client) == "github-actions[bot]"


@pytest.mark.parametrize(
    ("item", "found"),
    [
        ({"body": f"{MARK} x", "user": {"login": "me"}}, True),
        ({"body": f"quoted {MARK}", "user": {"login": "me"}}, False),
        ({"body": f"{MARK} x", "user": {"login": "you"}}, False),
        ({"body": None, "user": None}, False),
    ],
)
def test_find_own(item, found):
    assert (find_own([item], "me", MARK) is item) is found
