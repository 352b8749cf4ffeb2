"""What is read again of what was kept."""

from __future__ import annotations

import json

import pytest

from engine.jobs.forecast import Run
from engine.jobs.kept import outcome_of, records_of, with_outcome
from engine.jobs.record import Facts, Record
from engine.jobs.store import Attempt

FACTS = Facts("alice", "alice/m", "A merge", 9_000, False, 3, 1000.0)
DONE = Record("id", FACTS, 2, "done", 1100.0, False, None, log=("a", "b"), url="u", error=None, run=Run(9.0, 2.5))


def test_an_outcome_is_json_and_comes_back():
    outcome = json.loads(json.dumps(outcome_of(DONE)))
    assert outcome == {
        "state": "done",
        "since": 1100.0,
        "log": ["a", "b"],
        "url": "u",
        "error": None,
        "run": {"nbytes": 9.0, "seconds": 2.5},
    }
    assert with_outcome(Record("id", FACTS, 2, "running", 1000.0), outcome) == DONE


def kept(number: int, *, is_open=False, cancelled=False, outcome=None) -> Attempt:
    return Attempt("id", number, FACTS, is_open, cancelled, outcome)


WAITED = {
    "state": "waiting",
    "since": 1050.0,
    "log": ["x"],
    "url": None,
    "error": "e",
    "run": {"nbytes": 0, "seconds": 0},
}


@pytest.mark.parametrize(
    ("attempts", "state", "attempt", "is_open"),
    [
        ([kept(1, is_open=True)], "waiting", 1, True),
        ([kept(1, outcome=WAITED)], "waiting", 1, False),
        ([kept(1, outcome=WAITED), kept(2, is_open=True)], "waiting", 2, True),
        ([kept(1, outcome=WAITED), kept(2, outcome=outcome_of(DONE))], "done", 2, False),
        ([kept(1, is_open=True, cancelled=True)], "cancelling", 1, True),
        ([kept(1, cancelled=True, outcome=outcome_of(DONE))], "done", 1, False),
        ([kept(1, outcome=WAITED), kept(2, cancelled=True)], "cancelled", 2, False),
        ([kept(1)], "failed", 1, False),
    ],
)
def test_the_last_attempt_counts(attempts, state, attempt, is_open):
    record = records_of(attempts)["id"]
    assert (record.state, record.attempt, record.is_open) == (state, attempt, is_open)


def test_texts():
    assert records_of([kept(1, is_open=True)])["id"].error == (
        "alice/m waits for alice to sign in: the service was restarted, and keeps no tokens"
    )
    assert records_of([kept(1)])["id"].error == "mergesmith itself failed"
    assert records_of([kept(1, cancelled=True)])["id"].log == ("cancelled before it began: alice/m is as it was",)
