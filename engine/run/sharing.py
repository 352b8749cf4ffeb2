"""Which process computes which tensor of a shard: large ones all of them together, small ones one each in turn."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.plan.cost import SPAN
from engine.run.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from engine.checkpoints.checkpoint import Checkpoint
    from engine.plan.plan import Input, OutputTensor
    from engine.run.crew import Crew
    from engine.run.processes import Processes

PARTED = 64 * 1024 * 1024
"""Bytes of a shard from which processes gain more than it takes to part them."""


def held_together(tensors: Sequence[OutputTensor]) -> int:
    """Bytes that processes hold together: of the largest tensor that is held, and that they share."""
    held = (tensor.bytes_in for tensor in tensors if tensor.reading == "hold" and _is_shared(tensor))
    return max(held, default=0)


class Sharing:
    """Deals a shard's tensors out: every process comes to the same answer.

    ``workers`` are the leader's own threads. They do all of it where there is no other process, and otherwise what is
    asked of the Hub in passing: connections cannot be shared.
    """

    def __init__(self, crew: Processes, workers: Workers, checkpoints: Sequence[Checkpoint]) -> None:
        self._crew, self._workers, self._checkpoints = crew, workers, checkpoints
        self._alone = Workers(1)
        self._loads = [0] * crew.count

    @contextmanager
    def of(self, tensor: OutputTensor, given: Container[Input]) -> Iterator[Crew | None]:
        """Give who computes ``tensor`` in this process, if anybody; at the end it is done, for the leader at least."""
        if self._crew.count == 1 or self._asks(tensor, given):
            yield self._workers if self._crew.number == 0 else None
        elif _is_shared(tensor):
            yield self._crew
        else:
            number = self._least_busy(tensor.nbytes)
            yield self._alone if self._crew.number == number else None
            self._crew.done_by(number)

    def _asks(self, tensor: OutputTensor, given: Container[Input]) -> bool:
        return any(self._checkpoints[item.model].remote for item in tensor.inputs if item not in given)

    def _least_busy(self, nbytes: int) -> int:
        number = min(range(self._crew.count), key=lambda number: (self._loads[number], -number))
        self._loads[number] += nbytes
        return number


def _is_shared(tensor: OutputTensor) -> bool:
    """Whether it has several spans."""
    return tensor.size > SPAN
