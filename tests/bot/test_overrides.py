"""Who set the policy aside, and for what."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bot.overrides import overrides, set_aside
from bot.policy import Policy
from engine.findings import Place, error, warning

DIGEST = "0123456789abcdef" * 4


def comment(body: str, login: str = "octocat", kind: str = "User", *, edited: bool = False) -> dict:
    updated = "2026-08-02T00:00:00Z" if edited else "2026-08-01T00:00:00Z"
    return {
        "body": body,
        "user": {"login": login, "type": kind},
        "created_at": "2026-08-01T00:00:00Z",
        "updated_at": updated,
    }


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (comment(f"/mergesmith override {DIGEST}"), (("octocat", DIGEST),)),
        (comment(f"/mergesmith override {DIGEST[:12]}\nbecause"), (("octocat", DIGEST[:12]),)),
        (comment(f"/mergesmith override {DIGEST[:11]}"), ()),
        (comment("/mergesmith override"), ()),
        (comment(f"please\n/mergesmith override {DIGEST}"), ()),
        (comment(f"/mergesmith override {DIGEST}", edited=True), ()),
        (comment(f"/mergesmith override {DIGEST}", kind="Bot"), ()),
        ({"body": None, "user": None}, ()),
    ],
)
def test_overrides(given, found):
    assert overrides([given]) == found


@dataclass
class Planned:
    digest: str


BREACH = error("policy-size", "too large", "", Place(1, 1))


@pytest.mark.parametrize(
    ("login", "digest", "plan", "level"),
    [
        ("octocat", DIGEST[:12], DIGEST, "warning"),
        ("stranger", DIGEST[:12], DIGEST, "error"),
        ("octocat", DIGEST[:12], "f" * 64, "error"),
    ],
)
def test_set_aside(login, digest, plan, level):
    judge = set_aside(Policy(override=("octocat",)), [(login, digest)])
    (judged,) = judge(Planned(plan), (BREACH,))
    assert judged.level == level
    other = warning("licence", "x", "", Place(1, 1))
    assert judge(Planned(plan), (other,)) == (other,)
