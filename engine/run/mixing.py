"""A mixture at work: what it measures, those below first, and then its values, chunk by chunk.

A mixture over mixtures is computed on the fly: each chunk of the inner ones is made when the outer one takes it, so no
middle model is ever whole. Each mixture measures once, however deep it lies.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

import torch

from engine.errors import TensorError
from engine.methods import METHODS
from engine.methods.arithmetic import row_totals
from engine.methods.contract import Columns, Estimated, Mix, NoResultError, Rows, Stored, Sums
from engine.plan.cost import SINGLES
from engine.plan.plan import CPU, Input, Mixture
from engine.run.chunks import Lazy, TensorChunk
from engine.run.cuts import find_cuts
from engine.run.estimates import LARGEST, SINGLE, estimated, settle
from engine.run.rounding import rounded
from engine.run.streams import stream_key
from engine.run.sums import column_totals, folded, total

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor

    from engine.methods.contract import Blend, Measure, Method
    from engine.run.passes import Passes, Span

T = TypeVar("T")


class Mixer:
    """One mixture of a tensor of ``shape``."""

    def __init__(self, mixture: Mixture, shape: tuple[int, ...], passes: Passes) -> None:
        self._mixture, self._passes = mixture, passes
        self._method: Method = METHODS[mixture.method]
        self._operands = [
            Mixer(item, shape, passes) if isinstance(item, Mixture) else item for item in mixture.operands
        ]
        self._inputs = mixture.inputs
        single = passes.device == CPU and all(item.dtype in SINGLE for item in mixture.inputs)
        self._plain = single and not mixture.inner
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
            parts = self.over(lambda chunks: _block_totals(measure, chunks, passes.block))
            return tuple(total(torch.cat(term)) for term in zip(*parts, strict=True))
        if isinstance(measure, Rows):
            rows = self.over(lambda chunks: _joined(map(measure.values, chunks)))
            return _joined(rows)
        if isinstance(measure, Columns):
            run = self._mixture.row
            return column_totals(self.over(lambda chunks: column_totals(map(measure.terms, chunks), run)), run)
        return find_cuts(measure, self, passes.size, passes.spans, quickly=passes.device == CPU)

    def over(
        self, function: Callable[[Iterable[TensorChunk]], T], only: Sequence[int] | None = None, *, single: bool = False
    ) -> Iterator[T]:
        """Run ``function`` over the chunks of every span, or of some; see ``engine.run.cuts.Sweep``."""
        single = single and self._plain
        return self._passes.over(self._inputs, lambda span: function(self._chunks(span, single=single)), only)

    def deal(self, function: Callable[[int], T], items: Sequence[int]) -> Iterator[T]:
        """Run ``function`` for each item, in order."""
        return self._passes.deal(function, items)

    def store(self, take: Callable[[Span], None]) -> None:
        """Hand every span to ``take``, from several threads or processes."""
        self._passes.run(self._inputs, take)

    def blended(self, span: Span) -> Iterator[tuple[int, Tensor]]:
        """Give the first elements and float64 values of a span's chunks."""
        return ((chunk.start, self._blend(chunk)) for chunk in self._chunks(span))

    def settled(self, span: Span, out: Tensor, dtype: str) -> bool:
        """Fill ``out`` with a span's results in that dtype by way of float32; False where that does not do."""
        if dtype not in LARGEST or not isinstance(self._blend, Estimated) or not self._plain:
            return False
        operands = self._stored(span)

        def stored(part: slice) -> Stored:
            some = tuple(operand[part] for operand in operands)
            return Stored(some, lambda: self._single(span.start + part.start, some, torch.float32))

        def exact(places: Tensor) -> Tensor:
            values = [_taken(operand, places) for operand in operands]
            return rounded(self._blend(self._formed(span.start, values, places)), dtype)

        unsettled = estimated(self._blend, stored, out, SINGLES * self._passes.chunk, LARGEST[dtype])
        return unsettled is not None and settle(unsettled, out, exact, self._passes.chunk)

    def _chunks(self, span: Span, *, single: bool = False) -> Iterator[TensorChunk]:
        make, length = (self._looked, SINGLES * self._passes.chunk) if single else (self._chunk, self._passes.chunk)
        for begin in range(0, span.length, length):
            yield make(span, slice(begin, min(begin + length, span.length)))

    def _chunk(self, span: Span, part: slice) -> TensorChunk:
        """Float64 values of all operands; task vectors where the method takes those."""
        return self._formed(span.start + part.start, [self._operand(item, span, part) for item in self._operands])

    def _looked(self, span: Span, part: slice) -> TensorChunk:
        """The same in their own dtype, or in float32 where they differ in it, and float64 ones at some indices."""
        operands = self._stored(span)
        dtypes = {operand.dtype for operand in operands}

        def exact(indices: Tensor) -> TensorChunk:
            places = indices - span.start
            values = [partial(_taken, operand, places) for operand in operands]
            models, _ = self._lazy(values)
            return TensorChunk(span.start, models, None, self._keys, places=places, size=places.numel())

        some = [operand[part] for operand in operands]
        dtype = dtypes.pop() if len(dtypes) == 1 else torch.float32
        return self._single(span.start + part.start, some, dtype, exact)

    def _single(
        self,
        start: int,
        operands: Sequence[Tensor],
        dtype: torch.dtype,
        exact: Callable[[Tensor], TensorChunk] | None = None,
    ) -> TensorChunk:
        """Values of stored operands in that dtype, each made when it is asked for."""
        models, base = self._lazy([partial(operand.to, dtype) for operand in operands])
        return TensorChunk(start, models, base, self._keys, exact=exact, size=operands[0].numel(), dtype=dtype)

    def _lazy(self, values: Sequence[Callable[[], Tensor]]) -> tuple[Sequence[Tensor], Tensor | None]:
        """Models, or task vectors, of such operands, and the base."""
        if self._mixture.base is None:
            return Lazy(values), None
        base, others = values[0](), values[1:]
        if not self._method.inputs.task_vectors:
            return Lazy(others), base
        return Lazy([partial(_difference, value, base) for value in others]), base

    def _stored(self, span: Span) -> list[Tensor]:
        return [span.stored[item] for item in self._mixture.operands if isinstance(item, Input)]

    def _formed(self, start: int, values: list[Tensor], places: Tensor | None = None) -> TensorChunk:
        base = values.pop(0) if self._mixture.base is not None else None
        if base is not None and self._method.inputs.task_vectors:
            values = [value.sub_(base) for value in values]
        return TensorChunk(start, tuple(values), base, self._keys, places=places, device=self._passes.device)

    def _operand(self, item: Mixer | Input, span: Span, part: slice) -> Tensor:
        """Make an operand's values, which are the caller's to change."""
        if isinstance(item, Mixer):
            return item._inner(span, part)  # noqa: SLF001 - of the same class
        return span.stored[item][part].to(torch.float64, copy=True)

    def _inner(self, span: Span, part: slice) -> Tensor:
        values = self._blend(self._chunk(span, part))
        return values if self._mixture.dtype is None else rounded(values, self._mixture.dtype).double()


def _taken(operand: Tensor, places: Tensor) -> Tensor:
    return operand.index_select(0, places).double()


def _difference(value: Callable[[], Tensor], base: Tensor) -> Tensor:
    return torch.sub(value(), base)


def _block_totals(measure: Sums, chunks: Iterable[TensorChunk], block: int) -> list[Tensor]:
    parts = _joined(tuple(folded(term, block) for term in measure.terms(chunk)) for chunk in chunks)
    return [row_totals(part) for part in parts]


def _joined(parts: Iterable[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(torch.cat(own) for own in zip(*parts, strict=True))
