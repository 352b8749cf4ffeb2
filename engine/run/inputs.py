"""The stored bytes of one output tensor's inputs: read in passing, held in memory, or spooled to a scratch file."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from contextlib import contextmanager
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Protocol

from engine.checkpoints.dtypes import SIZES
from engine.run.files import read_at, reserve, write_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from engine.checkpoints.checkpoint import Checkpoint
    from engine.checkpoints.header import TensorInfo
    from engine.plan.plan import Input, OutputTensor
    from engine.run.crew import Crew

PIECE = 16 * 1024 * 1024
"""Bytes that one thread fetches at a time when a whole tensor is held or spooled."""


Fill = Callable[[int, memoryview], None]
"""Fills a buffer with an input's bytes from a byte offset on."""


class Stored(Protocol):
    """The stored bytes of one input."""

    def __call__(self, begin: int, end: int) -> memoryview:
        """Bytes of the elements ``begin .. end``; a view, never to be changed, and good until this thread reads on."""
        ...


class Buffer(threading.local):
    """Bytes that each thread uses again and again: fresh ones are cleared first, and take pages from the system."""

    def __init__(self) -> None:
        self._memory = bytearray()

    def __call__(self, size: int) -> memoryview:
        """Give ``size`` bytes, whatever they hold, until this thread asks again."""
        if len(self._memory) < size:
            self._memory = bytearray(size)
        return memoryview(self._memory)[:size]


def _reading(item: Input, fill: Fill) -> Stored:
    itemsize, own = SIZES[item.dtype], Buffer()

    def stored(begin: int, end: int) -> memoryview:
        buffer = own((end - begin) * itemsize)
        fill(begin * itemsize, buffer)
        return buffer

    return stored


def held(item: Input, buffer: memoryview) -> Stored:
    """Give access to an input whose bytes are in memory."""
    itemsize = SIZES[item.dtype]
    return lambda begin, end: buffer[begin * itemsize : end * itemsize]


def _filler(checkpoint: Checkpoint, info: TensorInfo) -> Fill:
    return lambda begin, out: checkpoint.read(info, begin, out)


def _fetch(workers: Crew, fills: Sequence[Fill], outs: Sequence[memoryview]) -> None:
    """Fill every buffer, piece by piece, in threads."""
    pieces = [
        (fill, begin, out[begin : begin + PIECE])
        for fill, out in zip(fills, outs, strict=True)
        for begin in range(0, len(out), PIECE)
    ]
    workers.run(lambda piece: piece[0](piece[1], piece[2]), pieces)


@contextmanager
def opened(
    tensor: OutputTensor,
    checkpoints: Sequence[Checkpoint],
    workers: Crew,
    scratch: Path,
    given: Mapping[Input, Stored],
) -> Iterator[dict[Input, Stored]]:
    """Give access to the inputs of ``tensor`` as its plan says; forget them at the end.

    Those that are ``given`` are there already. ``scratch`` is the folder for a spool file, which has no name there and
    so cannot be left behind.
    """
    inputs = [item for item in tensor.inputs if item not in given]
    there = {item: given[item] for item in tensor.inputs if item in given}
    fills = [_filler(checkpoints[item.model], checkpoints[item.model].tensors[item.tensor]) for item in inputs]
    if tensor.reading == "hold":
        ends = list(accumulate((item.nbytes for item in inputs), initial=0))
        memory = workers.memory(ends[-1])
        buffers = [memory[begin:end] for begin, end in pairwise(ends)]
        _fetch(workers, fills, buffers)
        workers.together()
        yield there | {item: held(item, buffer) for item, buffer in zip(inputs, buffers, strict=True)}
    elif tensor.reading == "spool":
        with tempfile.TemporaryFile(dir=scratch, buffering=0) as file:
            yield there | _spooled(inputs, fills, workers, file.fileno())
    else:
        yield there | {item: _reading(item, fill) for item, fill in zip(inputs, fills, strict=True)}


def _spooled(inputs: Sequence[Input], fills: Sequence[Fill], workers: Crew, file: int) -> dict[Input, Stored]:
    starts, total = [], 0
    for item in inputs:
        starts.append(total)
        total += item.nbytes
    reserve(file, total)

    def move(piece: tuple[int, int, int]) -> None:
        number, begin, length = piece
        buffer = bytearray(length)
        fills[number](begin, memoryview(buffer))
        write_at(file, starts[number] + begin, buffer)

    pieces = [
        (number, begin, min(PIECE, item.nbytes - begin))
        for number, item in enumerate(inputs)
        for begin in range(0, item.nbytes, PIECE)
    ]
    workers.run(move, pieces)
    return {item: _reading(item, _fill_from(file, start)) for item, start in zip(inputs, starts, strict=True)}


def _fill_from(file: int, start: int) -> Fill:
    return lambda begin, out: read_at(file, start + begin, out)
