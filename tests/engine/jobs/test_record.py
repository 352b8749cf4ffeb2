"""What a process says and how it ends, and what a job is then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.events import Published, Said, ShardUploaded, Started, TensorDone, json_line
from engine.jobs.forecast import Run
from engine.jobs.record import Facts, Record
from engine.jobs.values import Limits

FACTS = Facts("alice", "alice/m", "A merge", 9_000, False, 3, 1000.0)
RUNNING = Record("id", FACTS, 1, "running", 1001.0, began=50.0)
LIMITS = Limits(lines=3)
EVENTS = [Started(2, 1, 100), TensorDone("a", "s", 60), TensorDone("b", "s", 40), ShardUploaded("s", 100)]


def heard(*lines: str, record: Record = RUNNING) -> Record:
    for line in lines:
        record = record.after(line, 60.0, LIMITS)
    return record


def ended(record: Record, status: int, *, stopping: bool = False) -> Record:
    return record.at_the_end(status, 140.0, LIMITS, stopping=stopping)


def test_the_log_has_the_last_lines_and_no_tensor():
    record = heard("one", *map(json_line, EVENTS), "\x1b[31mred", "z" * 2_000)
    assert record.log == ("s: uploaded", "\\x1b[31mred", "z" * 1_000)
    assert record.tally.tensors == 2


def test_done():
    record = ended(heard(*map(json_line, [*EVENTS, Published("http://hub/alice/m", 8, 120)])), 0)
    assert (record.state, record.url, record.error, record.is_open) == ("done", "http://hub/alice/m", None, False)
    assert record.run == Run(9_000.0, 90.0)


def test_done_already():
    said = Said("http://hub/alice/m/discussions/2 carries this very plan already: nothing to do")
    record = ended(heard(json_line(said)), 0)
    assert (record.state, record.url, record.run) == ("done", "http://hub/alice/m/discussions/2", Run(0.0, 90.0))


def test_failed_with_what_it_said_last():
    record = ended(heard("first", json_line(Said("an event")), "recipe.yaml:1:1: bad", "mergesmith: so"), 2)
    assert (record.state, record.error) == ("failed", "first\nrecipe.yaml:1:1: bad\nmergesmith: so")
    many = ended(heard(*map(str, range(30))), 1)
    assert many.error == "\n".join(map(str, range(10, 30)))
    assert ended(RUNNING, -9).error == "mergesmith ended with status -9 and said nothing"
    assert ended(RUNNING, 1).run == Run(0.0, 0.0)


@pytest.mark.parametrize(
    "said",
    [
        "mergesmith: the token was not accepted (401) while looking up alice/upper at http://hub; set HF_TOKEN",
        "mergesmith: no token while creating alice/m at http://hub; set HF_TOKEN",
    ],
)
def test_what_a_sign_in_mends_waits_for_it(said):
    record = ended(heard(said), 1)
    assert (record.state, record.error) == (
        "waiting",
        "alice/m waits for alice to sign in: the Hub did not accept the last sign-in (401)",
    )


def test_not_allowed_is_a_failure():
    assert ended(heard("mergesmith: not allowed (403) while creating alice/m"), 1).state == "failed"


def test_interrupted_as_we_stop():
    record = ended(heard("mergesmith: interrupted"), 130, stopping=True)
    assert (record.state, record.error) == (
        "waiting",
        "alice/m waits for alice to sign in: the service was restarted, and keeps no tokens",
    )
    assert ended(RUNNING, 0, stopping=True).state == "done"


CANCELLING = replace(RUNNING, state="cancelling")


def test_cancelled():
    for status in (130, -9, 1):
        record = ended(heard("mergesmith: the token was not accepted (401) while x", record=CANCELLING), status)
        assert (record.state, record.error, record.url) == ("cancelled", None, None)
        assert record.log[-1] == (
            "cancelled: alice/m is as it was. What was uploaded waits on a staging branch there, and publishing the "
            "same recipe again goes on from it"
        )
    assert ended(CANCELLING, 130, stopping=True).state == "cancelled"


def test_cancelled_during_the_last_commit():
    record = ended(heard(*map(json_line, EVENTS), record=CANCELLING), 130)
    assert record.state == "cancelled"
    assert record.log[-1] == "cancelled while alice/m was being committed to: look there which of the two came first"


def test_cancelled_too_late():
    record = ended(heard(json_line(Published("http://hub/alice/m", 8, 120)), record=CANCELLING), 0)
    assert (record.state, record.url) == ("done", "http://hub/alice/m")
    assert record.log[-1] == "it was published before it could be cancelled"


def test_withdrawn():
    queued = Record("id", FACTS, 1, "queued", 1000.0)
    assert queued.withdrawn(LIMITS).log == ("cancelled before it began: alice/m is as it was",)
    again = replace(queued, attempt=2, state="waiting", error="x").withdrawn(LIMITS)
    assert (again.state, again.is_open, again.error) == ("cancelled", False, None)
    assert again.log[0].startswith("cancelled: alice/m is as it was. What was uploaded waits")
