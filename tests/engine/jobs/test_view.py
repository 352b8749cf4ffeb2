"""What is told of jobs."""

from __future__ import annotations

from engine.events import Started, TensorDone
from engine.jobs.forecast import Run
from engine.jobs.record import Facts, Record
from engine.jobs.tally import Tally
from engine.jobs.values import Limits, Queue
from engine.jobs.view import forgettable, jobs_of, queue_of

DAY = 86_400


def record(name: str, number: int, state: str, since: float = 0.0, **more) -> Record:
    return Record(name, Facts("alice", f"alice/{name}", name, 5_000, False, number, 0.0), 1, state, since, **more)


# 80 s long, 2,000 of 10,000 bytes in the first 50: 400 s left of it; and 1,000 order bytes in 80 s
HALF = Tally().after(Started(2, 1, 5_000), 30.0).after(TensorDone("a", "s", 2_000), 70.0)
RUNS = record("runs", 1, "running", began=0.0, tally=HALF)
MEASURED = record("old", 0, "done", run=Run(7_000, 720.0))
OTHERS = [record("last", 7, "queued"), record("next", 2, "queued"), record("away", 3, "waiting"), MEASURED]


def test_places_and_starts():
    records = [*OTHERS, RUNS]
    jobs = jobs_of(records, records, Limits(), 80.0)
    # (7,000 + 1,000) bytes in (720 + 80) s: 10 a second, so the next takes 10 + 500 s
    told = {job.id: (job.state, job.place, job.expected_start) for job in jobs}
    assert told == {
        "runs": ("running", 0, None),
        "next": ("queued", 1, 200.0),
        "last": ("queued", 2, 710.0),
        "away": ("waiting", None, None),
        "old": ("done", None, None),
    }
    assert queue_of(records, Limits(), 80.0) == Queue(1, 2, 1220.0, 10.0)


def test_a_silent_run_over_its_time_makes_starts_unknown():
    silent = record("runs", 1, "running", began=0.0)
    assert queue_of([silent, MEASURED, *OTHERS[:1]], Limits(), 10.0).expected_start is not None
    assert queue_of([silent, MEASURED, *OTHERS[:1]], Limits(), 1e6).expected_start is None
    assert jobs_of([silent, OTHERS[0]], [OTHERS[0]], Limits(), 1e6)[0].expected_start is None


def test_an_empty_queue():
    assert queue_of([], Limits(), 0.0) == Queue(0, 0, 0.0, 50e6)


def names(records, **limits) -> list[str]:
    return [found.id for found in forgettable(records, Limits(**limits), 10.0 * DAY)]


def test_what_is_forgotten():
    old, new = 2.9 * DAY, 3.1 * DAY
    records = [
        record("done-old", 1, "done", old),
        record("done-new", 2, "done", new),
        record("away-old", 3, "waiting", old, is_open=False),
        record("away-new", 4, "waiting", new, is_open=False),
        record("away-open", 5, "waiting", old),
        record("queued", 6, "queued", old),
        record("running", 7, "running", old),
    ]
    assert names(records) == ["done-old", "away-old"]
    assert names(records, days=0.0) == ["done-old", "done-new", "away-old", "away-new"]


def test_of_too_many_the_oldest_are_forgotten():
    records = [record(str(n), n, "failed", 9.0 * DAY + since) for n, since in enumerate([3, 1, 4, 2])]
    assert names(records, kept=2) == ["1", "3"]
    assert names([*records, record("away", 9, "waiting", 9.0 * DAY, is_open=False)], kept=4) == []
