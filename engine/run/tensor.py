"""One output tensor: its measure passes, then its blend, over chunks in threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch

from engine.checkpoints.dtypes import SIZES
from engine.errors import TensorError
from engine.methods import METHODS
from engine.methods.contract import Mix, Sums
from engine.plan.cost import CHUNK, SPAN
from engine.run.chunks import TensorChunk
from engine.run.cuts import find_cuts
from engine.run.inputs import opened
from engine.run.rounding import DTYPES, check_copied, check_finite, rounded
from engine.run.streams import stream_key
from engine.run.sums import block_totals, total

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from engine.checkpoints.checkpoint import Checkpoint
    from engine.methods.contract import Blend, Measure
    from engine.plan.plan import OutputTensor
    from engine.run.inputs import Stored
    from engine.run.workers import Workers

T = TypeVar("T")
COPIED = 8 * 1024 * 1024
"""Bytes that are copied at a time: on the Hub each piece is a request."""


def merge_tensor(
    tensor: OutputTensor,
    checkpoints: Sequence[Checkpoint],
    workers: Workers,
    scratch: Path,
    seed: int,
    write: Callable[[int, memoryview], None],
    *,
    chunk: int = CHUNK,
) -> None:
    """Compute ``tensor`` and hand it to ``write(first element, bytes in the output dtype)``, span by span.

    ``write`` is called from several threads, in any order, and not at all for a tensor without elements. ``chunk``
    (a multiple of 2¹²) changes no bit of the result. ``TensorError`` where a value is not finite, or where integers
    differ between parents.
    """
    if tensor.size == 0:
        return
    with opened(tensor, checkpoints, workers, scratch) as inputs:
        if tensor.reading in {"copy", "equal"}:
            _copy(tensor, inputs, workers, write)
        else:
            _Blending(tensor, inputs, workers, seed, chunk).run(write)


def _spans(size: int, length: int = SPAN) -> list[tuple[int, int]]:
    return [(begin, min(begin + length, size)) for begin in range(0, size, length)]


def _copy(
    tensor: OutputTensor, inputs: Sequence[Stored], workers: Workers, write: Callable[[int, memoryview], None]
) -> None:
    def copy(span: tuple[int, int]) -> None:
        first = inputs[0](*span)
        for other in inputs[1:]:
            if bytes(first) != bytes(other(*span)):
                raise TensorError(
                    f"tensor {tensor.name!r} holds {tensor.dtype} values, which are never averaged, and its parents "
                    "differ in them; leave its layers to one parent"
                )
        check_copied(first, tensor.dtype, tensor.name, span[0])
        write(span[0], first)

    workers.run(copy, _spans(tensor.size, COPIED // SIZES[tensor.dtype]))


class _Blending:
    """The passes over one tensor whose values are computed."""

    def __init__(self, tensor: OutputTensor, inputs: Sequence[Stored], workers: Workers, seed: int, chunk: int) -> None:
        self._tensor, self._inputs, self._workers, self._chunk = tensor, inputs, workers, chunk
        self._method = METHODS[tensor.method]
        self._keys = [stream_key(seed, "", tensor.name, number) for number in range(len(tensor.sources))]
        self._span_list = _spans(tensor.size)

    def run(self, write: Callable[[int, memoryview], None]) -> None:
        """Measure, then blend."""
        blend = self._measured()
        self._workers.run(lambda span: self._blend(span, blend, write), self._span_list)

    def _measured(self) -> Blend:
        kinds = self._method.source_parameters, self._method.parameters
        mix = Mix(
            self._tensor.shape,
            tuple(kinds[0](**values) for values in self._tensor.source_parameters),
            kinds[1](**self._tensor.parameters),
            self._tensor.base is not None,
        )
        steps = self._method.steps(mix)
        try:
            measure = next(steps)
            while True:
                measure = steps.send(self._measure(measure))
        except StopIteration as stop:
            blend: Blend = stop.value
            return blend

    def _measure(self, measure: Measure) -> object:
        if isinstance(measure, Sums):
            parts = self._sweep(lambda chunks: _span_totals(measure, chunks))
            return tuple(total(torch.cat(list(term))) for term in zip(*parts, strict=True))
        return find_cuts(measure, self._sweep, self._tensor.size, len(self._span_list))

    def _sweep(self, function: Callable[[Iterable[TensorChunk]], T], only: int | None = None) -> Iterator[T]:
        spans = self._span_list if only is None else [self._span_list[only]]
        return self._workers.each(lambda span: function(self._chunks(span)), spans)

    def _chunks(self, span: tuple[int, int]) -> Iterator[TensorChunk]:
        """Cut a span into chunks of float64; task vectors where the method takes those."""
        stored = [
            torch.frombuffer(stored(*span), dtype=DTYPES[item.dtype])
            for stored, item in zip(self._inputs, self._tensor.inputs, strict=True)
        ]
        for begin in range(0, span[1] - span[0], self._chunk):
            values = [part[begin : begin + self._chunk].to(torch.float64, copy=True) for part in stored]
            base = values.pop(0) if self._tensor.base is not None else None
            if base is not None and self._method.inputs.task_vectors:
                values = [value.sub_(base) for value in values]
            yield TensorChunk(span[0] + begin, tuple(values), base, self._keys)

    def _blend(self, span: tuple[int, int], blend: Blend, write: Callable[[int, memoryview], None]) -> None:
        dtype = DTYPES[self._tensor.dtype]
        buffer = bytearray((span[1] - span[0]) * dtype.itemsize)
        out = torch.frombuffer(buffer, dtype=dtype)
        for chunk in self._chunks(span):
            values = blend(chunk)
            result = rounded(values, self._tensor.dtype)
            check_finite(result, values, self._tensor.name, chunk.start)
            begin = chunk.start - span[0]
            out[begin : begin + chunk.size] = result
        write(span[0], memoryview(buffer))


def _span_totals(measure: Sums, chunks: Iterable[TensorChunk]) -> list[Tensor]:
    """Totals of the blocks of one span, for each term."""
    per_chunk = [[block_totals(term) for term in measure.terms(chunk)] for chunk in chunks]
    return [torch.cat(list(term)) for term in zip(*per_chunk, strict=True)]
