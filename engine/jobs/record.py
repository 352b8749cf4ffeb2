"""What is known of a job, as a value; and how what its process says and does changes it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engine.events import Published, Said, TensorDone, read_line
from engine.jobs.forecast import NO_RUN, Run
from engine.jobs.tally import Tally
from engine.jobs.values import ENDED, State
from engine.plan.show.words import plain
from engine.process import ALREADY_THERE
from engine.terminal import line_of

if TYPE_CHECKING:
    from engine.jobs.values import Limits

LONGEST_LINE = 1_000
LONGEST_ERROR = 20
"""Lines that an error keeps, the last ones."""
REFUSED = re.compile(r"\(401\) while |^(?:mergesmith: )?no token while ", re.MULTILINE)
"""What the engine says of a token that the Hub does not take, or no longer."""
SIGN_IN = "{target} waits for {owner} to sign in: {why}"
RESTARTED = "the service was restarted, and keeps no tokens"
STALE = "the Hub did not accept the last sign-in (401)"
UNTOUCHED = (
    "cancelled: {target} is as it was. What was uploaded waits on a staging branch there, and publishing the same "
    "recipe again goes on from it"
)
WITHDRAWN = "cancelled before it began: {target} is as it was"
AT_THE_END = "cancelled while {target} was being committed to: look there which of the two came first"
TOO_LATE = "it was published before it could be cancelled"


@dataclass(frozen=True)
class Facts:
    """What stays the same of a job; all of it is kept on disk. ``number`` orders the jobs."""

    owner: str
    target: str
    title: str
    nbytes: int
    create_pr: bool
    number: int
    created: float


@dataclass(frozen=True)
class Record:
    """A job, and its last attempt. ``is_open``: that attempt has not ended; ``since``: when the state came (1970).

    ``began`` is when the process started, on a clock of its own; ``said`` are its last lines that were no events.
    """

    id: str
    facts: Facts
    attempt: int
    state: State
    since: float
    is_open: bool = True
    began: float | None = None
    tally: Tally = field(default_factory=Tally)
    log: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    url: str | None = None
    error: str | None = None
    run: Run = NO_RUN

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED

    @property
    def runs(self) -> bool:
        """Whether a process works on it."""
        return self.state in {"running", "cancelling"}

    def after(self, line: str, now: float, limits: Limits) -> Record:
        """Take a line that its process said."""
        event = read_line(line)
        if event is None:
            said = plain(line)[:LONGEST_LINE]
            return replace(self, said=(*self.said, said)[-LONGEST_ERROR:]).logged(said, limits)
        record = replace(self, tally=self.tally.after(event, now))
        if isinstance(event, TensorDone):
            return record
        if isinstance(event, Published):
            record = replace(record, url=event.where)
        elif isinstance(event, Said) and (there := ALREADY_THERE.match(event.text)):
            record = replace(record, url=there[1])
        return record.logged(line_of(event)[:LONGEST_LINE], limits)

    def logged(self, line: str, limits: Limits) -> Record:
        """Add a line to its log."""
        return replace(self, log=(*self.log, line)[-limits.lines :])

    def waiting(self, why: str) -> Record:
        """Let it wait for its owner."""
        told = SIGN_IN.format(target=self.facts.target, owner=self.facts.owner, why=why)
        return replace(self, state="waiting", error=told)

    def withdrawn(self, limits: Limits) -> Record:
        """Cancel it while no process works on it."""
        line = (UNTOUCHED if self.attempt > 1 or self.log else WITHDRAWN).format(target=self.facts.target)
        return replace(self, state="cancelled", is_open=False, url=None, error=None).logged(line, limits)

    def at_the_end(self, status: int, now: float, limits: Limits, *, stopping: bool) -> Record:
        """Say what the exit status of its process means; ``stopping``: we interrupted it, for we stop ourselves."""
        share = self.tally.share
        seconds = 0.0 if self.began is None else now - self.began
        record = replace(self, is_open=False, run=Run(share * self.facts.nbytes, seconds) if status == 0 else self.run)
        error = "\n".join(self.said) or f"mergesmith ended with status {status} and said nothing"
        if status == 0:
            record = replace(record, state="done", error=None)
            return record.logged(TOO_LATE, limits) if self.state == "cancelling" else record
        record = replace(record, url=None)
        if self.state == "cancelling":
            line = (AT_THE_END if self.tally.whole else UNTOUCHED).format(target=self.facts.target)
            return replace(record, state="cancelled", error=None).logged(line, limits)
        if stopping:
            return record.waiting(RESTARTED)
        if REFUSED.search(error):
            return record.waiting(STALE)
        return replace(record, state="failed", error=error)
