"""A mixture at work: what it measures, those below first, and then its values, chunk by chunk.

A mixture over mixtures is computed on the fly: each chunk of the inner ones is made when the outer one takes it, so no
middle model is ever whole. Each mixture measures once, however deep it lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

from engine.errors import TensorError
from engine.methods import METHODS
from engine.methods.contract import Columns, Mix, NoResultError, Rows, Sums
from engine.plan.plan import Mixture
from engine.run.chunks import TensorChunk
from engine.run.cuts import find_cuts
from engine.run.rounding import DTYPES, rounded
from engine.run.streams import stream_key
from engine.run.sums import BLOCK, block_totals, column_totals, total

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from torch import Tensor

    from engine.methods.contract import Blend, Measure, Method
    from engine.plan.plan import Input
    from engine.run.inputs import Stored
    from engine.run.workers import Workers

T = TypeVar("T")
Bounds = tuple[int, int]


@dataclass(frozen=True)
class Span:
    """A run of elements of a tensor: its inputs as they are stored. ``start`` is the first one's flat index."""

    start: int
    length: int
    stored: Mapping[Input, Tensor]


class Passes:
    """How one tensor is gone through: in spans, one thread each, and in chunks within them.

    ``run`` elements stay together, and sums are added in blocks of as many where that is more than one.
    """

    def __init__(
        self, inputs: Mapping[Input, Stored], workers: Workers, spans: Sequence[Bounds], chunk: int, run: int
    ) -> None:
        self._inputs, self._workers, self._spans = inputs, workers, spans
        self.chunk = max(run, chunk // run * run)
        self.block = BLOCK if run == 1 else run
        self.size, self.spans = spans[-1][1], len(spans)

    def over(self, inputs: Sequence[Input], function: Callable[[Span], T], only: int | None = None) -> Iterator[T]:
        """Run ``function`` over all spans of these inputs, or over one alone; results come in order."""

        def read(bounds: Bounds) -> T:
            stored = {item: torch.frombuffer(self._inputs[item](*bounds), dtype=DTYPES[item.dtype]) for item in inputs}
            return function(Span(bounds[0], bounds[1] - bounds[0], stored))

        return self._workers.each(read, self._spans if only is None else [self._spans[only]])


class Mixer:
    """One mixture of a tensor of ``shape``."""

    def __init__(self, mixture: Mixture, shape: tuple[int, ...], passes: Passes) -> None:
        self._mixture, self._passes = mixture, passes
        self._method: Method = METHODS[mixture.method]
        self._operands = [
            Mixer(item, shape, passes) if isinstance(item, Mixture) else item for item in mixture.operands
        ]
        self._inputs = mixture.inputs
        names = (mixture.seed, mixture.stage, mixture.name)
        self._keys = [stream_key(*names, number) for number in range(len(mixture.sources))]
        self._blend = self._measured(
            Mix(
                shape,
                tuple(self._method.source_parameters(**values) for values in mixture.source_parameters),
                self._method.parameters(**mixture.parameters),
                mixture.base is not None,
            )
        )

    def _measured(self, mix: Mix) -> Blend:
        steps = self._method.steps(mix)
        try:
            measure = next(steps)
            while True:
                measure = steps.send(self._measure(measure))
        except StopIteration as stop:
            blend: Blend = stop.value
            return blend
        except NoResultError as reason:
            raise TensorError(f"tensor {self._mixture.name!r}: {reason}") from None

    def _measure(self, measure: Measure) -> object:
        passes = self._passes
        if isinstance(measure, Sums):
            parts = self._sweep(lambda chunks: _block_totals(measure, chunks, passes.block))
            return tuple(total(torch.cat(term)) for term in zip(*parts, strict=True))
        if isinstance(measure, Rows):
            rows = self._sweep(lambda chunks: _joined(map(measure.values, chunks)))
            return _joined(rows)
        if isinstance(measure, Columns):
            run = self._mixture.row
            return column_totals(self._sweep(lambda chunks: column_totals(map(measure.terms, chunks), run)), run)
        return find_cuts(measure, self._sweep, passes.size, passes.spans)

    def _sweep(self, function: Callable[[Iterable[TensorChunk]], T], only: int | None = None) -> Iterator[T]:
        return self._passes.over(self._inputs, lambda span: function(self._chunks(span)), only)

    def blend(self, take: Callable[[Span, Iterator[tuple[int, Tensor]]], None]) -> None:
        """Hand every span to ``take``, from several threads: its chunks' first elements and float64 values."""

        def blended(span: Span) -> None:
            take(span, ((chunk.start, self._blend(chunk)) for chunk in self._chunks(span)))

        for _ in self._passes.over(self._inputs, blended):
            pass

    def _chunks(self, span: Span) -> Iterator[TensorChunk]:
        for begin in range(0, span.length, self._passes.chunk):
            yield self._chunk(span, slice(begin, min(begin + self._passes.chunk, span.length)))

    def _chunk(self, span: Span, part: slice) -> TensorChunk:
        """Float64 values of all operands; task vectors where the method takes those."""
        values = [self._operand(item, span, part) for item in self._operands]
        base = values.pop(0) if self._mixture.base is not None else None
        if base is not None and self._method.inputs.task_vectors:
            values = [value.sub_(base) for value in values]
        return TensorChunk(span.start + part.start, tuple(values), base, self._keys)

    def _operand(self, item: Mixer | Input, span: Span, part: slice) -> Tensor:
        """Make an operand's values, which are the caller's to change."""
        if isinstance(item, Mixer):
            return item._inner(span, part)  # noqa: SLF001 - of the same class
        return span.stored[item][part].to(torch.float64, copy=True)

    def _inner(self, span: Span, part: slice) -> Tensor:
        values = self._blend(self._chunk(span, part))
        return values if self._mixture.dtype is None else rounded(values, self._mixture.dtype).double()


def _block_totals(measure: Sums, chunks: Iterable[TensorChunk], block: int) -> tuple[Tensor, ...]:
    return _joined(tuple(block_totals(term, block) for term in measure.terms(chunk)) for chunk in chunks)


def _joined(parts: Iterable[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(torch.cat(own) for own in zip(*parts, strict=True))
