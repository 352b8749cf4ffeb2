"""What is told of jobs: pure functions of all records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.jobs.forecast import Run, left_of, rate_of, starts
from engine.jobs.values import Job, Queue

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from engine.jobs.record import Record
    from engine.jobs.values import Limits


def in_turn(records: Iterable[Record]) -> list[Record]:
    """The jobs that have a turn, in their order."""
    return sorted((record for record in records if record.state == "queued"), key=lambda record: record.facts.number)


def jobs_of(records: Collection[Record], chosen: Iterable[Record], limits: Limits, now: float) -> tuple[Job, ...]:
    """Show the ``chosen`` ones; ``now`` is on the clock that runs are timed by."""
    queued = in_turn(records)
    places = {record.id: place for place, record in enumerate(queued, start=1)}
    begins = dict(zip(places, _starts(records, queued, limits, now)[:-1], strict=True))
    return tuple(_job(record, places.get(record.id), begins.get(record.id), now) for record in chosen)


def _job(record: Record, place: int | None, begins: float | None, now: float) -> Job:
    facts = record.facts
    return Job(
        record.id,
        facts.owner,
        facts.target,
        facts.title,
        record.state,
        facts.created,
        0 if record.runs else place,
        begins,
        record.tally.progress(now),
        record.log,
        record.url,
        record.error,
    )


def queue_of(records: Collection[Record], limits: Limits, now: float) -> Queue:
    """Count, and say when one more job would begin."""
    queued = in_turn(records)
    begins = _starts(records, queued, limits, now)[-1]
    return Queue(sum(record.runs for record in records), len(queued), begins, _rate(records, now))


def _starts(records: Collection[Record], queued: Collection[Record], limits: Limits, now: float) -> list[float | None]:
    rate = _rate(records, now)
    running = [_left(record, rate, now) for record in records if record.runs]
    return starts(running, [record.facts.nbytes for record in queued], limits.running, rate)


def _left(record: Record, rate: float, now: float) -> float | None:
    elapsed = 0.0 if record.began is None else now - record.began
    left = record.tally.left(now)
    return left_of(record.facts.nbytes, elapsed, rate) if left is None else left


def _rate(records: Iterable[Record], now: float) -> float:
    return rate_of(_run(record, now) for record in records)


def _run(record: Record, now: float) -> Run:
    if record.runs and record.began is not None:
        return Run(record.tally.share * record.facts.nbytes, now - record.began)
    return record.run


def forgettable(records: Iterable[Record], limits: Limits, now: float) -> list[Record]:
    """Those that ended, or began to wait for their owner, too long ago (``now``: since 1970), or before too many."""
    resting = [record for record in records if record.ended or (record.state == "waiting" and not record.is_open)]
    oldest = now - limits.days * 86_400
    ended = sorted((record for record in resting if record.ended), key=lambda record: -record.since)
    surplus = {record.id for record in ended[limits.kept :]}
    return [record for record in resting if record.since < oldest or record.id in surplus]
