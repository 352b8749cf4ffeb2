"""Between a job and what is kept of it on disk."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine.jobs.forecast import Run
from engine.jobs.record import RESTARTED, Record
from engine.jobs.values import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.jobs.store import Attempt


def outcome_of(record: Record) -> dict[str, Any]:
    """Write how an attempt ended, as what JSON holds."""
    run = {"nbytes": record.run.nbytes, "seconds": record.run.seconds}
    kept = {"state": record.state, "since": record.since, "log": list(record.log), "url": record.url}
    return kept | {"error": record.error, "run": run}


def with_outcome(record: Record, outcome: Mapping[str, Any]) -> Record:
    """Read what ``outcome_of`` wrote."""
    values = {name: outcome[name] for name in ("state", "since", "url", "error")}
    return replace(record, is_open=False, log=tuple(outcome["log"]), run=Run(**outcome["run"]), **values)


def records_of(attempts: Iterable[Attempt]) -> dict[str, Record]:
    """Put jobs together from their attempts, of which the last one counts; those that had not ended wait."""
    records = {}
    for kept in attempts:
        record = Record(kept.job, kept.facts, kept.number, "waiting", kept.facts.created, is_open=kept.is_open)
        if kept.outcome is not None:
            record = with_outcome(record, kept.outcome)
        elif kept.is_open:
            record = replace(record, state="cancelling") if kept.cancelled else record.waiting(RESTARTED)
        elif kept.cancelled:
            record = record.withdrawn(Limits())
        else:
            record = replace(record, state="failed", error="mergesmith itself failed")
        records[kept.job] = record
    return records
