"""The queue of publishes: takes orders, runs them one after the other, and loses none.

Longer than our modules are: every method changes the one table of records, under the one lock.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from engine.jobs.child import Child, arguments, variables
from engine.jobs.kept import outcome_of, records_of, with_outcome
from engine.jobs.record import RESTARTED, STALE, Facts, Record
from engine.jobs.refusals import check
from engine.jobs.store import Store
from engine.jobs.values import Limits
from engine.jobs.view import forgettable, jobs_of, queue_of
from engine.plan.show.words import plain
from engine.publish.work import claim

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from engine.jobs.values import Job, Order, Queue

RECIPE, LOCK = "recipe.yaml", "recipe.lock.json"
LONGEST_TITLE = 200
STOPPING = 3.0
"""Seconds that processes have to leave when this one is asked to."""
_ONE = threading.Lock()
"""DBOS is one per process."""


class Jobs:
    """A durable queue in ``folder``, of publishes to the Hub at ``endpoint``. Any thread may call any method.

    One process has one queue at a time, and a folder one process: ``MergeError`` where another has it. Tokens are kept
    in memory alone, from an order until the owner's last job ends, and given to the process that publishes in its
    environment; ``environment`` is what else that may inherit from. Whoever restarts has none: a job then waits, out of
    the others' way, until its owner is ``signed_in``.

    Jobs begin in the order in which they were taken. Two to the same target never run at once; an owner has one
    unfinished job per target, while another's does not keep anybody from ordering: who may not write there could else
    block those who may.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, endpoint: str, limits: Limits | None = None
    ) -> None:
        self._folder, self._work = folder, folder / "work"
        self._environment, self._endpoint = environment, endpoint
        self._limits = limits or Limits()
        self._changed = threading.Condition()
        self._records: dict[str, Record] = {}
        self._children: dict[str, Child] = {}
        self._tokens: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        """By owner, the hash of a token that the Hub did not accept: handed over again, it wakes nobody."""
        self._stopping = False
        self._undo = ExitStack()

    def __repr__(self) -> str:
        return f"Jobs({str(self._folder)!r}, endpoint={self._endpoint!r})"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # Starting and stopping

    def start(self) -> None:
        """Take up what lies in the folder. Jobs that had not ended wait for their owners to sign in."""
        if not _ONE.acquire(blocking=False):
            raise RuntimeError("this process has a queue already; stop that one first")
        with ExitStack() as undo:
            undo.callback(_ONE.release)
            for folder in (self._folder, self._work):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            refusal = f"{self._folder} is another process's queue; stop that one, or name another folder"
            undo.callback(os.close, claim(self._folder, refusal))
            # What runs at once waits for this lock, until all that is kept is known.
            with self._changed:
                self._stopping = False
                self._store = Store(self._folder, self._limits.running, self._attempt, self._settle)
                undo.callback(self._store.close, STOPPING)
                self._records = records_of(self._store.attempts())
                self._tidy()
            self._undo = undo.pop_all()

    def _tidy(self) -> None:
        """Remove what a killed process had no time to."""
        for folder in self._work.iterdir():
            record = self._records.get(folder.name)
            if record is None or record.ended:
                shutil.rmtree(folder)
        self._sweep()

    def stop(self) -> None:
        """Interrupt what runs, so that it can go on another time, and let go of the folder and of all tokens."""
        with self._changed:
            self._stopping = True
            for child in self._children.values():
                child.interrupt(STOPPING)
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._children, timeout=2 * STOPPING)
        self._undo.close()
        self._tokens.clear()
        self._refused.clear()

    # Asking

    def job(self, ident: str, owner: str) -> Job | None:
        """Show a job to its owner; None where there is none, or it is somebody else's."""
        with self._changed:
            record = self._records.get(ident)
            chosen = [record] if record is not None and record.facts.owner == owner else []
            return next(iter(jobs_of(self._records.values(), chosen, self._limits, time.monotonic())), None)

    def jobs(self, owner: str) -> tuple[Job, ...]:
        """Show an owner's jobs, the newest first."""
        with self._changed:
            mine = [record for record in self._records.values() if record.facts.owner == owner]
            mine.sort(key=lambda record: -record.facts.number)
            return jobs_of(self._records.values(), mine, self._limits, time.monotonic())

    def queue(self) -> Queue:
        """Tell what anybody may know."""
        with self._changed:
            return queue_of(self._records.values(), self._limits, time.monotonic())

    # Ordering

    def submit(self, order: Order, token: str) -> Job:
        """Take an order; ``JobRefusedError`` where it is not taken. Once this returns it is on disk."""
        with self._changed:
            self._sweep()
            check(order, token, self._records.values(), self._limits)
            number = 1 + max((record.facts.number for record in self._records.values()), default=0)
            facts = Facts(
                order.owner,
                order.target,
                plain(order.title)[:LONGEST_TITLE],
                order.nbytes,
                order.create_pr,
                number,
                time.time(),
            )
            record = Record(secrets.token_hex(16), facts, 1, "queued", facts.created)
            folder = self._work / record.id
            (folder / "tmp").mkdir(mode=0o700, parents=True)
            (folder / RECIPE).write_text(order.recipe, encoding="utf-8", newline="")
            (folder / LOCK).write_text(order.lock, encoding="utf-8", newline="")
            self._store.enqueue(record.id, 1, facts)
            self._records[record.id] = record
            self._tokens[order.owner] = token
            return jobs_of(self._records.values(), [record], self._limits, time.monotonic())[0]

    def signed_in(self, owner: str, token: str) -> None:
        """Take an owner's token, where there is something to do with it: jobs that waited for it have a turn again."""
        with self._changed:
            mine = [record for record in self._records.values() if record.facts.owner == owner and not record.ended]
            if not (mine and token) or self._refused.get(owner) == _hash(token):
                return
            self._tokens[owner] = token
            for record in mine:
                if record.state == "waiting":
                    self._resume(record)

    def _resume(self, record: Record) -> None:
        number = record.attempt if record.is_open else record.attempt + 1
        if not record.is_open:
            self._store.enqueue(record.id, number, record.facts)
        self._put(replace(record, attempt=number, is_open=True, state="queued", error=None))

    def cancel(self, ident: str, owner: str) -> bool:
        """Cancel a job; False where there is none of this owner's, or it has ended. What runs takes a moment to end."""
        with self._changed:
            record = self._records.get(ident)
            if record is None or record.facts.owner != owner or record.ended:
                return False
            if record.state == "running":
                self._store.note_cancelled(ident, record.attempt)
                self._put(replace(record, state="cancelling"))
                if ident in self._children:
                    self._children[ident].interrupt(self._limits.grace)
            elif record.state != "cancelling":
                if not record.is_open:  # of what ended nothing more is kept
                    self._resume(record)
                    record = self._records[ident]
                self._store.withdraw(ident, record.attempt)
                self._end(replace(record.withdrawn(self._limits), since=time.time()))
            return True

    # Carrying out: called by DBOS, in threads of its own

    def _attempt(self, ident: str, number: int) -> dict[str, Any]:
        record, token = self._begin(ident, number)
        try:
            if token is not None:
                record = self._run(record, token)
        except Exception as error:  # noqa: BLE001 - the last resort: a job must not look as if it ran for ever
            record = replace(record, state="failed", error=f"mergesmith itself failed: {type(error).__name__}: {error}")
        return outcome_of(replace(record, since=time.time()))

    def _begin(self, ident: str, number: int) -> tuple[Record, str | None]:
        """Wait until nothing else is sent to the target, and give the token, or None where the job is not to run."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or not self._occupied(ident))
            record = self._records[ident]
            token = self._tokens.get(record.facts.owner)
            if record.state == "cancelling":  # before a restart; nobody saw it end
                return record.at_the_end(-1, 0.0, self._limits, stopping=False), None
            if record.ended or record.attempt != number:
                return record, None
            if token is None or self._stopping:
                return record.waiting(STALE if record.facts.owner in self._refused else RESTARTED), None
            record = replace(record, state="running", since=time.time(), began=time.monotonic(), said=())
            return self._put(record), token

    def _occupied(self, ident: str) -> bool:
        record = self._records[ident]
        others = [other for other in self._records.values() if other.runs and other.id != ident]
        return record.state == "queued" and any(o.facts.target.lower() == record.facts.target.lower() for o in others)

    def _run(self, record: Record, token: str) -> Record:
        facts, folder = record.facts, self._work / record.id
        command = arguments(RECIPE, facts.target, create_pr=facts.create_pr)
        environment = variables(self._environment, token, facts.target, self._endpoint, folder / "tmp")
        child = Child(command, environment, folder, token)
        with self._changed:
            self._children[record.id] = child
            if self._stopping or self._records[record.id].state == "cancelling":
                child.interrupt(self._limits.grace)
        for line in child.lines():
            with self._changed:
                self._put(self._records[record.id].after(line, time.monotonic(), self._limits))
        status = child.wait()
        with self._changed:
            record = self._records[record.id].at_the_end(
                status, time.monotonic(), self._limits, stopping=self._stopping
            )
            if record.state == "waiting" and not self._stopping and self._tokens.get(facts.owner) == token:
                self._refused[facts.owner] = _hash(self._tokens.pop(facts.owner))
            del self._children[record.id]
            self._changed.notify_all()
            return record

    def _settle(self, ident: str, number: int, outcome: Mapping[str, Any]) -> None:
        """Show how an attempt ended, now that it is on disk."""
        with self._changed:
            record = self._records.get(ident)
            if record is None or record.ended or record.attempt != number:
                return
            record = with_outcome(record, outcome)
            if record.ended:
                self._end(record)
            elif record.facts.owner in self._tokens and not self._stopping:
                self._resume(record)  # its owner signed in meanwhile
            else:
                self._put(record)
            self._changed.notify_all()

    # The table

    def _put(self, record: Record) -> Record:
        self._records[record.id] = record
        return record

    def _end(self, record: Record) -> None:
        """Put an ended job."""
        self._put(record)
        self._clear(record)
        self._changed.notify_all()

    def _clear(self, record: Record) -> None:
        """Remove a job's folder, and with an owner's last unfinished job the owner's token."""
        shutil.rmtree(self._work / record.id, ignore_errors=True)
        owner = record.facts.owner
        if all(other.ended for other in self._records.values() if other.facts.owner == owner):
            self._tokens.pop(owner, None)
            self._refused.pop(owner, None)

    def _sweep(self) -> None:
        for record in forgettable(self._records.values(), self._limits, time.time()):
            self._store.forget(record.id, record.attempt)
            del self._records[record.id]
            self._clear(record)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
