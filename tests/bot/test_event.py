"""Payloads → events."""

from __future__ import annotations

import pytest

from bot.event import Comment, Manual, MergeGroup, Other, PullRequest, Push, Schedule, parse_event
from bot.failures import SettingsError

HEAD, BASE = "a" * 40, "b" * 40
MAIN = "refs/heads/main"


def test_pull_request(github, events):
    number = github.open_pull(HEAD, BASE, ref="try/it")
    payload = events.pull(github, number, "synchronize")
    expected = PullRequest("synchronize", 1, HEAD, "try/it", "octocat/merges", BASE, merged=False)
    for name in ("pull_request", "pull_request_target"):
        assert parse_event(name, payload, "refs/pull/1/merge", "c" * 40) == expected
    github.merge_pull(number, "c" * 40)
    assert parse_event("pull_request", events.pull(github, number, "closed"), "", "") == PullRequest(
        "closed", 1, HEAD, "try/it", "octocat/merges", BASE, merged=True
    )


def test_pull_request_whose_fork_is_gone(github, events):
    number = github.open_pull(HEAD, BASE, repo=None)
    assert parse_event("pull_request", events.pull(github, number, "opened"), "", "").head_repo == ""


def test_the_rest(events):
    assert parse_event("push", events.push(HEAD), MAIN, HEAD) == Push(MAIN, HEAD, deleted=False, default_branch="main")
    gone = Push("refs/heads/x", "", deleted=True, default_branch="main")
    assert parse_event("push", events.push("0" * 40, "refs/heads/x"), "", BASE) == gone
    assert parse_event("workflow_dispatch", events.manual(), MAIN, HEAD) == Manual(MAIN, HEAD, "main")
    assert parse_event("schedule", events.schedule(), MAIN, HEAD) == Schedule(HEAD)
    group = events.merge_group(BASE, HEAD)
    assert parse_event("merge_group", group, "", HEAD) == MergeGroup("checks_requested", HEAD, BASE, 1)
    group["merge_group"]["head_ref"] = "refs/heads/gh-readonly-queue/main/something-else"
    assert parse_event("merge_group", group, "", HEAD) == MergeGroup("checks_requested", HEAD, BASE, None)
    said = events.comment(3, "/mergesmith plan", "hubot[bot]", on_pull=False)
    assert parse_event("issue_comment", said, MAIN, HEAD) == Comment(
        "created", 3, on_pull=False, body="/mergesmith plan", author="hubot[bot]", by_bot=True, sha=HEAD
    )
    assert parse_event("watch", {}, "", "") == Other("watch")


@pytest.mark.parametrize(
    ("name", "payload", "says"),
    [
        ("pull_request", {}, "KeyError: 'pull_request'"),
        ("pull_request", {"action": "opened", "number": 1, "pull_request": None}, "TypeError"),
        (
            "push",
            {"repository": {"default_branch": "main"}, "ref": MAIN, "after": "main", "deleted": False},
            "no commit",
        ),
        ("merge_group", {"action": "x", "merge_group": {"head_sha": "../x", "base_sha": HEAD}}, "'../x' is no commit"),
    ],
)
def test_undocumented_payload(name, payload, says):
    with pytest.raises(SettingsError) as refusal:
        parse_event(name, payload, MAIN, HEAD)
    text = str(refusal.value)
    assert text.startswith(f"the event {name} has not the payload that GitHub documents (")
    assert says in text
