"""How far a run is, from what it tells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.events import ShardKept, ShardUploaded, Started, TensorDone
from engine.jobs.values import Progress

if TYPE_CHECKING:
    from engine.events import Event

SOON = 1.0
"""Seconds of work before its speed says anything."""


@dataclass(frozen=True)
class Tally:
    """Sums of a run's events. ``kept`` bytes were there before; ``started`` is the time of ``Started``, in seconds."""

    started: float | None = None
    tensors: int = 0
    tensors_total: int = 0
    shards: int = 0
    shards_total: int = 0
    total: int = 0
    kept: int = 0
    computed: int = 0
    uploaded: int = 0

    def after(self, event: Event, now: float) -> Tally:
        """Count an event."""
        match event:
            case Started():
                return Tally(now, 0, event.tensors, 0, event.shards, event.nbytes)
            case ShardKept():
                return replace(self, kept=self.kept + event.nbytes).with_shard()
            case TensorDone():
                return replace(self, tensors=self.tensors + 1, computed=self.computed + event.nbytes)
            case ShardUploaded():
                return replace(self, uploaded=self.uploaded + event.nbytes).with_shard()
        return self

    def with_shard(self) -> Tally:
        """Count a shard; with the last one all tensors are done, those of kept shards too."""
        shards = self.shards + 1
        return replace(self, shards=shards, tensors=self.tensors_total if shards == self.shards_total else self.tensors)

    @property
    def whole(self) -> bool:
        """Whether every shard is on the Hub, so that only the last commit is missing."""
        return self.shards_total > 0 and self.shards == self.shards_total

    @property
    def share(self) -> float:
        """Share of the whole model that this run has made: half of it for computing, half for uploading."""
        return min((self.computed + self.uploaded) / (2 * self.total), 1.0) if self.total else 0.0

    def left(self, now: float) -> float | None:
        """Seconds left at the speed so far; None while there is none."""
        elapsed = 0.0 if self.started is None else now - self.started
        if elapsed < SOON or not self.share:
            return None
        missing = max(2 * (self.total - self.kept) - self.computed - self.uploaded, 0)
        return missing * elapsed / (self.computed + self.uploaded)

    def progress(self, now: float) -> Progress:
        """Tell how far the run is."""
        done = self.total if self.whole else min(self.kept + self.computed, self.total)
        left = self.left(now)
        rate = None if left is None or self.started is None else self.computed / (now - self.started)
        return Progress(self.tensors, self.tensors_total, self.shards, self.shards_total, done, self.total, rate, left)
