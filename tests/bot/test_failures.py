"""Reasons, from errors as the engine itself makes them."""

from __future__ import annotations

import pytest

from bot.failures import REASONS, SettingsError, first_reason, reason_of, reason_of_text
from bot.github import GitHubError
from engine import hub_errors
from engine.errors import HubError, LockError, MergeError, ModelError, RecipeError
from engine.findings import Place, error
from engine.hub_errors import Task
from engine.publish.record import read_record
from engine.publish.replacing import replaced

TASK = Task("committing to alice/x", "https://hub", "alice/x", "main")


def refusal(call, kind):
    with pytest.raises(kind) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        *[(hub_errors.answered(TASK, status, "said"), "permission") for status in (401, 403)],
        *[(hub_errors.answered(TASK, status, "said"), "network") for status in (429, 500, 502, 503, 504)],
        (hub_errors.answered(TASK, 412, "said"), "target-changed"),
        (hub_errors.answered(TASK, 400, "said"), "internal"),
        (hub_errors.unreachable(TASK, "timed out"), "network"),
        (hub_errors.offline(TASK), "network"),
        (hub_errors.no_token(TASK), "permission"),
        (HubError("this token may not write to https://hub/alice/x; use one that may"), "permission"),
        (HubError("https://hub/a/x is not there, and its account, bob, may make no repo in a; use"), "permission"),
        (
            refusal(lambda: replaced({"model.safetensors": None}, {}, (), where="w", force=False), MergeError),
            "target-changed",
        ),
        (refusal(lambda: read_record(b"[]", "w"), MergeError), "target-changed"),
        (OSError(28, "No space left on device"), "disk"),
        (LockError("x.lock.json: stale"), "plan-changed"),
        (RecipeError("x.yaml", [error("id", "message", "", Place(1, 1))]), "bad-recipe"),
        (ModelError("gone"), "bad-recipe"),
        (SettingsError("x"), "settings"),
        (GitHubError("x", 0), "network"),
        (GitHubError("x", 502), "network"),
        (GitHubError("x", 403), "permission"),
        (GitHubError("x", 422), "internal"),
        (ZeroDivisionError("x"), "internal"),
    ],
)
def test_reason_of(error, reason):
    assert reason_of(error) == reason
    assert reason in REASONS


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("a/x.lock.json: the plan changed since it was locked", 2, "plan-changed"),
        ("a/x.yaml:3:1: no method", 2, "bad-recipe"),
        ("a/x.yaml:3:1: a/b is locked at commit 0123456789ab, which https://hub/a/b no longer has", 2, "plan-changed"),
        ("mergesmith: [Errno 28] No space left on device: 'x'", 1, "disk"),
        ("mergesmith: no token while uploading x to y at z; set HF_TOKEN", 1, "permission"),
        ("mergesmith: KeyError: 'x'", 1, "internal"),
        ("", -9, "internal"),
    ],
)
def test_reason_of_text(text, status, reason):
    assert reason_of_text(text, status) == reason


def test_the_first_of_the_list_is_told():
    assert first_reason(["network", None, "bad-recipe"]) == "bad-recipe"
    assert first_reason([None]) is None
