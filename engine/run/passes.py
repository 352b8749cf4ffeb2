"""How one tensor is gone through: in spans, one thread each, and in chunks within them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

from engine.run.rounding import DTYPES
from engine.run.sums import BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor

    from engine.plan.plan import Input
    from engine.run.crew import Crew
    from engine.run.inputs import Stored

T = TypeVar("T")
Bounds = tuple[int, int]


@dataclass(frozen=True)
class Span:
    """A run of elements of a tensor: its inputs as they are stored, where they are computed with.

    ``start`` is the first one's flat index.
    """

    start: int
    length: int
    stored: Mapping[Input, Tensor]


class Passes:
    """The spans of a tensor, and its stored inputs, of which only what a span needs is read at a time.

    ``run`` elements stay together, and sums are added in blocks of as many where that is more than one.
    """

    def __init__(
        self,
        inputs: Mapping[Input, Stored],
        workers: Crew,
        spans: Sequence[Bounds],
        chunk: int,
        run: int,
        device: str,
    ) -> None:
        self._inputs, self._workers, self._spans, self.device = inputs, workers, spans, device
        self.chunk = max(run, chunk // run * run)
        self.block = BLOCK if run == 1 else run
        self.size, self.spans = spans[-1][1], len(spans)

    def over(
        self, inputs: Sequence[Input], function: Callable[[Span], T], only: Sequence[int] | None = None
    ) -> Iterator[T]:
        """Run ``function`` over all spans of these inputs, or over some; results come in order."""
        spans = self._spans if only is None else [self._spans[number] for number in only]
        return self._workers.each(self._reading(inputs, function), spans)

    def deal(self, function: Callable[[int], T], items: Sequence[int]) -> Iterator[T]:
        """Run ``function`` for each item; results come in order."""
        return self._workers.each(function, items)

    def run(self, inputs: Sequence[Input], function: Callable[[Span], object]) -> None:
        """Run ``function`` over all spans of these inputs, whatever it gives."""
        self._workers.run(self._reading(inputs, function), self._spans)

    def _reading(self, inputs: Sequence[Input], function: Callable[[Span], T]) -> Callable[[Bounds], T]:
        def read(bounds: Bounds) -> T:
            found = {item: torch.frombuffer(self._inputs[item](*bounds), dtype=DTYPES[item.dtype]) for item in inputs}
            stored = {item: values.to(self.device) for item, values in found.items()}
            return function(Span(bounds[0], bounds[1] - bounds[0], stored))

        return read
