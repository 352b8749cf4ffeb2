"""One tensor that is computed: its measure passes, then its blend, over chunks."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from engine.plan.cost import SPAN, rows_span
from engine.run.inputs import Buffer
from engine.run.mixing import Mixer
from engine.run.passes import Passes
from engine.run.rounding import DTYPES, check_finite, rounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from engine.plan.plan import Input, OutputTensor
    from engine.run.crew import Crew
    from engine.run.inputs import Stored
    from engine.run.passes import Bounds, Span


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Spans are what runs in parallel; torch's own threads would only get in their way."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def blend_tensor(
    tensor: OutputTensor,
    inputs: Mapping[Input, Stored],
    workers: Crew,
    write: Callable[[int, memoryview], None],
    chunk: int,
    device: str,
) -> None:
    """Compute ``tensor`` and hand it to ``write``, span by span, each rounded once; see ``engine.run.tensor``."""
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


def _spans(size: int, length: int) -> list[Bounds]:
    return [(begin, min(begin + length, size)) for begin in range(0, size, length)]
