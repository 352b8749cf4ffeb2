"""When a queued job is likely to begin: from how fast jobs ran here, and how much is ahead of it."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FIRST_RATE = 50_000_000.0
"""Bytes read and written a second, before anything was measured here: a 7B merge of two (44 GB) in 15 minutes."""
STARTING = 10.0
"""Seconds that a job takes whatever its size."""
TELLING = 60.0
"""Seconds that a run must have taken to tell how fast this machine is: shorter ones tell how long starting takes."""


@dataclass(frozen=True)
class Run:
    """So many bytes of an order, read and written in so many seconds."""

    nbytes: float
    seconds: float


NO_RUN = Run(0.0, 0.0)


def rate_of(runs: Iterable[Run]) -> float:
    """Bytes a second of all runs that were long enough together, or else ``FIRST_RATE``."""
    telling = [run for run in runs if run.seconds >= TELLING and run.nbytes > 0]
    if not telling:
        return FIRST_RATE
    return sum(run.nbytes for run in telling) / sum(run.seconds for run in telling)


def duration(nbytes: float, rate: float) -> float:
    """Seconds that an order of so many bytes is likely to take."""
    return STARTING + nbytes / rate


def left_of(nbytes: float, elapsed: float, rate: float) -> float | None:
    """Seconds left of a run that has not told how far it is; None once it took longer than was expected."""
    left = duration(nbytes, rate) - elapsed
    return left if left > 0 else None


def starts(running: Sequence[float | None], queued: Sequence[float], slots: int, rate: float) -> list[float | None]:
    """Seconds until each of the queued orders (bytes, in their order) begins, and lastly until one more would.

    ``running`` are the seconds left of each that runs, None where unknown: what depends on that is unknown too.
    """
    free = [math.inf if left is None else left for left in running] + [0.0] * (slots - len(running))
    heapq.heapify(free)
    begins = []
    for nbytes in queued:
        begins.append(free[0])
        heapq.heapreplace(free, free[0] + duration(nbytes, rate))
    return [None if math.isinf(at) else at for at in (*begins, free[0])]
