"""Orders that are refused, with their texts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.jobs.record import Facts, Record
from engine.jobs.refusals import check
from engine.jobs.values import JobRefusedError, Limits, Order

ORDER = Order("alice", "alice/m", "A merge", "abc", "{}", 9)
LIMITS = Limits(per_owner=2, waiting=3, recipe=6, lock=4)


def record(owner: str, target: str, state: str = "queued") -> Record:
    return Record(target, Facts(owner, target, "", 9, False, 1, 0.0), 1, state, 0.0)


def refusal(order: Order = ORDER, *records: Record, token: str = "t") -> str:
    with pytest.raises(JobRefusedError) as refused:
        check(order, token, records, LIMITS)
    return str(refused.value)


def test_who_and_what():
    assert refusal(token="") == "nobody is signed in; sign in, then publish"
    assert refusal(replace(ORDER, owner="")) == "nobody is signed in; sign in, then publish"
    assert refusal(replace(ORDER, target="m\x1b")) == "'m\\\\x1b' is no repo on the Hub; expected NAMESPACE/NAME"


def test_sizes_are_in_bytes():
    check(replace(ORDER, recipe="äöü", lock="1234"), "t", [], LIMITS)
    assert refusal(replace(ORDER, recipe="äöü!")) == (
        "the recipe has 7 bytes; at most 6 are taken here; publish it elsewhere"
    )
    assert refusal(replace(ORDER, lock="12345")).startswith("the lock has 5 bytes; at most 4 are taken here")


def test_one_per_target_of_an_owner():
    for state in ("queued", "running", "waiting", "cancelling"):
        assert refusal(ORDER, record("alice", "Alice/M", state)) == (
            f"your job for Alice/M has not ended ({state}); wait until it has, or cancel it"
        )
    for state in ("done", "failed", "cancelled"):
        check(ORDER, "t", [record("alice", "alice/m", state)], LIMITS)
    check(ORDER, "t", [record("bob", "alice/m")], LIMITS)


def test_so_many_of_an_owner():
    mine = [record("alice", "alice/a", "waiting"), record("alice", "alice/b", "running")]
    assert refusal(ORDER, *mine) == (
        "nobody may have more than 2 unfinished jobs here; wait until one of yours has ended, or cancel it"
    )
    check(ORDER, "t", [mine[0], record("alice", "alice/b", "done"), record("bob", "bob/a")], LIMITS)


def test_so_many_in_all():
    others = [record(name, f"{name}/a") for name in ("bob", "carol", "dave")]
    assert refusal(ORDER, *others) == (
        "3 jobs wait here already, as many as are taken; try again later, or run `mergesmith publish` elsewhere"
    )
    # Those who stay away keep nobody out, nor does what runs.
    check(ORDER, "t", [*others[:2], record("dave", "dave/a", "waiting"), record("erin", "erin/a", "running")], LIMITS)
