"""What the queue takes and what it tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from engine.errors import MergesmithError

State = Literal["queued", "running", "waiting", "cancelling", "cancelled", "failed", "done"]
"""``waiting``: for its owner to sign in. The last three are the end."""
ENDED = frozenset({"cancelled", "failed", "done"})


class JobRefusedError(MergesmithError):
    """An order that is not taken."""


@dataclass(frozen=True)
class Order:
    """A publish that ``owner`` asks for: recipe and lock as texts, to the repo ``target``.

    ``nbytes`` are the bytes that it reads and writes, from its plan's cost. Whether the target is
    private stands in the recipe, and in its lock with it. ``create_pr`` brings the model as a pull request.
    """

    owner: str
    target: str
    title: str
    recipe: str = field(repr=False)
    lock: str = field(repr=False)
    nbytes: int
    create_pr: bool = False


@dataclass(frozen=True)
class Limits:
    """How much is taken, run at once, and kept.

    ``running`` at once; ``per_owner`` unfinished of one owner; ``waiting`` for their turn in all; ``recipe`` and
    ``lock`` in bytes. Ended jobs, and those whose owner stays away, are kept for ``days``, at most ``kept`` of them,
    each with its last ``lines`` of log. ``grace``: seconds from an interruption to a kill.
    """

    running: int = 1
    per_owner: int = 3
    waiting: int = 50
    recipe: int = 65_536
    lock: int = 4_194_304
    days: float = 7.0
    kept: int = 200
    lines: int = 200
    grace: float = 10.0


@dataclass(frozen=True)
class Progress:
    """How far a job is. ``nbytes`` are those of the model; ``rate`` in bytes computed a second; ``left`` in seconds.

    A shard is done when it is on the Hub. Totals are 0, and ``rate`` and ``left`` None, until they are known.
    """

    tensors: int = 0
    tensors_total: int = 0
    shards: int = 0
    shards_total: int = 0
    nbytes: int = 0
    nbytes_total: int = 0
    rate: float | None = None
    left: float | None = None


@dataclass(frozen=True)
class Job:
    """A job as its owner sees it now.

    ``created`` in seconds since 1970. ``place``: 0 runs, 1 is next; None neither runs nor has a turn.
    ``expected_start`` in seconds from now, of a queued job; None where that cannot be known. ``url``: what it
    published. ``error``: why it failed, or what it waits for.
    """

    id: str
    owner: str
    target: str
    title: str
    state: State
    created: float
    place: int | None
    expected_start: float | None
    progress: Progress
    log: tuple[str, ...]
    url: str | None
    error: str | None


@dataclass(frozen=True)
class Queue:
    """What anybody may know: how many jobs run and have a turn, and when a new one would begin.

    ``expected_start`` in seconds from now, None where that cannot be known; ``rate`` in bytes, read and written, a
    second.
    """

    running: int
    queued: int
    expected_start: float | None
    rate: float
