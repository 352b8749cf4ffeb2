"""What outlives the process: every attempt at a job is one workflow of DBOS, in a SQLite file.

DBOS is one per process, and all of it is in this module. It is told to say nothing but errors; without a key it
connects to nobody. Nothing secret is ever given to it.
"""

from __future__ import annotations

import time
from contextvars import Context
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from dbos import DBOS, DBOSPortableJSONSerializer, SetEnqueueOptions, SetWorkflowID, WorkflowStatusString

from engine.jobs.record import Facts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from dbos import WorkflowStatus

QUEUE = "publishing"
POLL = 0.25
"""Seconds between two looks at the queue."""
FORMAT = "1"
"""Version of what is kept. DBOS takes up only what its own version wrote, and its own choice is a hash of our code."""
CANCELLED = "cancelled"
UNFINISHED = [
    WorkflowStatusString.ENQUEUED.value,
    WorkflowStatusString.PENDING.value,
    WorkflowStatusString.DELAYED.value,
]


@dataclass(frozen=True)
class Attempt:
    """An attempt as it was kept. ``outcome`` is None while it is open, and where it was ``cancelled`` or broke."""

    job: str
    number: int
    facts: Facts
    is_open: bool
    cancelled: bool
    outcome: Mapping[str, Any] | None


class Store:
    """Starts DBOS in ``folder``, going on with every attempt that is open there.

    ``work(job, number)`` carries out an attempt and returns its outcome; it is not called again for an attempt whose
    outcome is kept. ``settle(job, number, outcome)`` follows, at least once. ``running`` attempts run at once.
    """

    def __init__(
        self,
        folder: Path,
        running: int,
        work: Callable[[str, int], dict[str, Any]],
        settle: Callable[[str, int, Mapping[str, Any]], None],
    ) -> None:
        DBOS(
            config={
                "name": "mergesmith",
                "system_database_url": f"sqlite:///{folder / 'jobs.sqlite'}",
                "application_version": FORMAT,
                "executor_id": "jobs",
                "serializer": DBOSPortableJSONSerializer(),
                "log_level": "ERROR",
                "enable_otlp": False,
            }
        )

        @DBOS.workflow(name="publish")
        def publish(job: str, number: int, _facts: dict[str, Any]) -> dict[str, Any]:
            outcome = DBOS.run_step({"name": "run"}, work, job, number)
            # Not a part of this workflow: what it does is not to be recorded, and played again in another order.
            Context().run(settle, job, number, outcome)
            return outcome

        self._publish = publish
        try:
            DBOS.launch()
        except BaseException:
            DBOS.destroy(destroy_registry=True)
            raise
        # Of this process alone: what a killed one ran must not take a place.
        DBOS.register_queue(QUEUE, worker_concurrency=running, polling_interval_sec=POLL, on_conflict="always_update")

    def attempts(self) -> list[Attempt]:
        """Read all attempts, those of a job in their order."""
        found = [_attempt(status) for status in DBOS.list_workflows(name="publish")]
        return sorted(found, key=lambda attempt: (attempt.facts.number, attempt.number))

    def enqueue(self, job: str, number: int, facts: Facts) -> None:
        """Give an attempt its turn: after those of jobs with lower numbers, whenever it comes."""
        with SetWorkflowID(_name(job, number)), SetEnqueueOptions(priority=facts.number):
            DBOS.enqueue_workflow(QUEUE, self._publish, job, number, asdict(facts))

    def withdraw(self, job: str, number: int) -> None:
        """Cancel an attempt on which no process works."""
        DBOS.cancel_workflow(_name(job, number))

    def note_cancelled(self, job: str, number: int) -> None:
        """Keep that a running attempt is being cancelled, should this process not see it end."""
        DBOS.update_workflow_attributes(_name(job, number), {CANCELLED: True})

    def forget(self, job: str, attempts: int) -> None:
        """Remove all that is kept of a job."""
        DBOS.delete_workflows([_name(job, number) for number in range(1, attempts + 1)])

    def close(self, patience: float) -> None:
        """Stop DBOS, after at most so many seconds in which what runs can be kept."""
        until = time.monotonic() + patience
        while time.monotonic() < until and DBOS.list_workflows(status=WorkflowStatusString.PENDING.value):
            time.sleep(0.02)
        DBOS.destroy(destroy_registry=True)


def _name(job: str, number: int) -> str:
    return f"{job}.{number}"


def _facts(kept: Mapping[str, Any]) -> Facts:
    """Read what is kept of a job; what an earlier version kept beside it is left out."""
    return Facts(**{field.name: kept[field.name] for field in fields(Facts)})


def _attempt(status: WorkflowStatus) -> Attempt:
    given: Any = status.input
    job, number, facts = given["args"]
    noted = bool((status.attributes or {}).get(CANCELLED))
    cancelled = noted or status.status == WorkflowStatusString.CANCELLED.value
    return Attempt(job, number, _facts(facts), status.status in UNFINISHED, cancelled, status.output)
