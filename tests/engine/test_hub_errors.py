from __future__ import annotations

import pytest

from engine import hub_errors
from engine.errors import HubError
from engine.hub_errors import Moved, Task

TASK = Task("committing to a/b@main", "https://hub", "a/b", "main")
WHILE = "while committing to a/b@main at https://hub"


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        (None, "a/b"),
        ("main", "a/b@main"),
        ("0123456789abcdef0123456789abcdef01234567", "a/b@0123456789ab"),
        ("x123456789abcdef0123456789abcdef01234567", "a/b@x123456789abcdef0123456789abcdef01234567"),
    ],
)
def test_a_commit_is_written_short(revision: str | None, expected: str) -> None:
    assert hub_errors.at("a/b", revision) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, f"refused (400) {WHILE}: why; see what the Hub says"),
        (401, f"the token was not accepted (401) {WHILE}: why; set HF_TOKEN to a valid token"),
        (403, f"not allowed (403) {WHILE}: why; use a token that may do this"),
        (404, f"not found (404) {WHILE}: why; check the name, and that the token may see it"),
        (409, f"in conflict with what is there (409) {WHILE}: why; look at it, then run again"),
        (412, f"a/b@main moved (412) {WHILE}: why; look at its head, then run again"),
        (429, f"too many requests (429) {WHILE}: why; wait five minutes and run again"),
        (500, f"the Hub failed (500) {WHILE}: why; run again later"),
        (504, f"the Hub failed (504) {WHILE}: why; run again later"),
    ],
)
def test_answers(status: int, expected: str) -> None:
    error = hub_errors.answered(TASK, status, " why.\n")
    assert str(error) == expected
    assert type(error) is (Moved if status == 412 else HubError)


def test_what_the_hub_did_not_say_leaves_no_gap() -> None:
    assert str(hub_errors.answered(TASK, 500, "")) == f"the Hub failed (500) {WHILE}; run again later"


def test_a_branch_that_is_gone() -> None:
    assert str(hub_errors.branch_missing(TASK)) == (
        f"no branch main in a/b (404) {WHILE}; its branches are listed at https://hub/a/b"
    )


def test_other_texts() -> None:
    assert str(hub_errors.no_token(TASK)) == f"no token {WHILE}; set HF_TOKEN"
    assert str(hub_errors.no_token(TASK, "Not here. Set X.")) == f"no token {WHILE}: Not here. Set X"
    assert str(hub_errors.unsigned(TASK, "hub answered 403: no.")) == (
        f"no token {WHILE}: trusted publishing failed: hub answered 403: no; see that the target's settings name this"
        " workflow as a trusted publisher, and that its job has `permissions: id-token: write`; or unset"
        " HF_OIDC_RESOURCE, and set HF_TOKEN"
    )
    assert str(hub_errors.unlike_file(TASK, "came encoded as gzip")) == (
        "committing to a/b@main: came encoded as gzip; something between here and https://hub changes what it passes on"
    )
