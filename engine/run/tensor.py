"""One output tensor: its measure passes, then its blend, over chunks in threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from engine.checkpoints.dtypes import SIZES
from engine.errors import TensorError
from engine.plan.cost import CHUNK, SPAN, rows_span
from engine.run.inputs import Buffer, opened
from engine.run.mixing import Mixer
from engine.run.passes import CPU, Passes
from engine.run.rounding import DTYPES, check_copied, check_finite, rounded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from engine.checkpoints.checkpoint import Checkpoint
    from engine.plan.plan import Input, OutputTensor
    from engine.run.crew import Crew
    from engine.run.inputs import Stored
    from engine.run.passes import Bounds, Span

COPIED = 8 * 1024 * 1024
"""Bytes that are copied at a time: on the Hub each piece is a request."""


def merge_tensor(
    tensor: OutputTensor,
    checkpoints: Sequence[Checkpoint],
    workers: Crew,
    scratch: Path,
    write: Callable[[int, memoryview], None],
    *,
    chunk: int = CHUNK,
    given: Mapping[Input, Stored] | None = None,
    device: torch.device = CPU,
) -> None:
    """Compute ``tensor`` and hand it to ``write(first element, bytes in the output dtype)``, span by span.

    ``write`` is called from several threads, in any order, and not at all for a tensor without elements. ``chunk``
    (a multiple of 2¹²) changes no bit of the result. ``given`` are inputs that are read already. ``device`` is where
    chunks are computed. ``TensorError`` where a value is not finite, or where integers differ between parents.
    """
    if tensor.size == 0:
        return
    with opened(tensor, checkpoints, workers, scratch, given or {}) as inputs:
        if tensor.reading in {"copy", "equal"}:
            _copy(tensor, list(inputs.values()), workers, write)
        else:
            _blend(tensor, inputs, workers, write, chunk, device)


def _spans(size: int, length: int) -> list[Bounds]:
    return [(begin, min(begin + length, size)) for begin in range(0, size, length)]


def _copy(
    tensor: OutputTensor, inputs: Sequence[Stored], workers: Crew, write: Callable[[int, memoryview], None]
) -> None:
    def copy(span: Bounds) -> None:
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


def _blend(
    tensor: OutputTensor,
    inputs: Mapping[Input, Stored],
    workers: Crew,
    write: Callable[[int, memoryview], None],
    chunk: int,
    device: torch.device,
) -> None:
    run = tensor.mixture.run
    spans = _spans(tensor.size, SPAN if run == 1 else rows_span(run))
    passes = Passes(inputs, workers, spans, chunk, run, device)
    mixer = Mixer(tensor.mixture, tensor.shape, passes)
    dtype = DTYPES[tensor.dtype]

    room = Buffer()

    def store(span: Span) -> None:
        buffer = room(span.length * dtype.itemsize)
        out = torch.frombuffer(buffer, dtype=dtype)
        if not mixer.settled(span, out, tensor.dtype):
            for start, values in mixer.blended(span):
                result = rounded(values, tensor.dtype)
                check_finite(result, values, tensor.name, start)
                begin = start - span.start
                out[begin : begin + result.numel()] = result
        write(span.start, buffer)

    mixer.store(store)
