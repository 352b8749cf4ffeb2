"""Reading ahead from the Hub: while some tensors are computed, the inputs of the next ones come.

Tensors are taken in batches. What a batch reads of a file lies mostly side by side, and is asked for in one piece of
the file, or a few, over several connections. A batch and the next one together stay within the memory budget.
"""

from __future__ import annotations

import mmap
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from engine.checkpoints.hub import CONNECTIONS
from engine.interrupts import result_of
from engine.plan.cost import FETCHED
from engine.run.inputs import PIECE, held

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from engine.checkpoints.checkpoint import Checkpoint
    from engine.checkpoints.header import TensorInfo
    from engine.plan.plan import Input, OutputTensor
    from engine.run.crew import Crew
    from engine.run.inputs import Stored


@dataclass(frozen=True)
class Batch:
    """Tensors that are computed one after the other, and their inputs that are fetched together, each once."""

    tensors: list[OutputTensor]
    inputs: dict[Input, None]

    @property
    def weight(self) -> int:
        """Bytes that are fetched."""
        return sum(item.nbytes for item in self.inputs)


@dataclass(frozen=True)
class Stretch:
    """Bytes of one weight file that are asked for together: those of ``inputs``, from the first one's on."""

    first: TensorInfo
    inputs: tuple[tuple[Input, TensorInfo], ...]

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.inputs[-1][1].end - self.first.begin


def batches_of(tensors: Sequence[OutputTensor], checkpoints: Sequence[Checkpoint], most: int) -> list[Batch]:
    """Cut ``tensors`` into runs whose remote inputs weigh ``most`` bytes at most, or of one tensor of twice that.

    What weighs more is read when its turn comes.
    """
    batches: list[Batch] = []
    filled = 0
    for tensor in tensors:
        inputs = [item for item in tensor.inputs if tensor.reading in FETCHED and checkpoints[item.model].remote]
        weight = sum(item.nbytes for item in inputs)
        if weight > 2 * most:
            inputs, weight = [], 0
        if not batches or filled + weight > most:
            batches.append(Batch([], {}))
            filled = 0
        batches[-1].tensors.append(tensor)
        batches[-1].inputs.update(dict.fromkeys(item for item in inputs if item.nbytes))
        filled += weight
    return batches


def stretches_of(inputs: Iterable[Input], checkpoints: Sequence[Checkpoint]) -> list[Stretch]:
    """Find what to read of each file, tensors that lie next to each other together: not a byte more."""
    placed = [(item, checkpoints[item.model].tensors[item.tensor]) for item in inputs]
    placed.sort(key=lambda pair: (pair[0].model, pair[1].file, pair[1].begin))
    stretches: list[Stretch] = []
    for _, group in groupby(placed, key=lambda pair: (pair[0].model, pair[1].file)):
        run: list[tuple[Input, TensorInfo]] = []
        for pair in group:
            if run and pair[1].begin != run[-1][1].end:
                stretches.append(Stretch(run[0][1], tuple(run)))
                run = []
            run.append(pair)
        stretches.append(Stretch(run[0][1], tuple(run)))
    return stretches


class _Fetch:
    """One batch on its way into ``room``, if this process is the one that fetches."""

    def __init__(
        self, batch: Batch, checkpoints: Sequence[Checkpoint], room: memoryview, pool: ThreadPoolExecutor | None
    ) -> None:
        self._buffers: list[tuple[Stretch, memoryview]] = []
        self.pieces: list[Future[None]] = []
        begin = 0
        for stretch in stretches_of(batch.inputs, checkpoints):
            buffer = room[begin : begin + stretch.length]
            self._buffers.append((stretch, buffer))
            begin += stretch.length
            if pool is not None:
                read = checkpoints[stretch.inputs[0][0].model].read
                self.pieces += [
                    pool.submit(read, stretch.first, start, buffer[start : start + PIECE])
                    for start in range(0, len(buffer), PIECE)
                ]

    def arrived(self) -> dict[Input, Stored]:
        """Wait until all is there."""
        for piece in self.pieces:
            result_of(piece)
        return {
            item: held(item, buffer[info.begin - stretch.first.begin : info.end - stretch.first.begin])
            for stretch, buffer in self._buffers
            for item, info in stretch.inputs
        }


def rooms_for(batches: Sequence[Batch]) -> tuple[memoryview, memoryview]:
    """Make room for the heaviest of every second batch, and of the others; processes that are parted later share it."""
    heaviest = (max((batch.weight for batch in batches[start::2]), default=0) for start in (0, 1))
    one, other = (memoryview(mmap.mmap(-1, weight)) if weight else memoryview(b"") for weight in heaviest)
    return one, other


@contextmanager
def reading_ahead(
    batches: Sequence[Batch],
    checkpoints: Sequence[Checkpoint],
    rooms: tuple[memoryview, memoryview],
    crew: Crew,
) -> Iterator[Iterator[tuple[OutputTensor, Mapping[Input, Stored]]]]:
    """Give each tensor with its remote inputs, the next batch being fetched meanwhile, by the crew's leader.

    At the end, or on an error, what is under way is waited for and the rest is never asked for.
    """
    with ThreadPoolExecutor(CONNECTIONS, "fetch") as pool:
        under_way: list[Future[None]] = []

        def fetch(number: int) -> _Fetch:
            started = _Fetch(batches[number], checkpoints, rooms[number % 2], pool if crew.number == 0 else None)
            under_way[:] = [piece for piece in under_way if not piece.done()] + started.pieces
            return started

        def each() -> Iterator[tuple[OutputTensor, Mapping[Input, Stored]]]:
            coming = fetch(0) if batches else None
            fetching = any(batch.inputs for batch in batches)
            for number, batch in enumerate(batches):
                stored: dict[Input, Stored] = coming.arrived() if coming else {}
                if fetching:
                    crew.together()  # it has arrived for all, and nobody is at the one before, whose room is next
                coming = fetch(number + 1) if number + 1 < len(batches) else None
                for tensor in batch.tensors:
                    yield tensor, stored
                stored.clear()  # whoever took it may still hold it

        try:
            yield each()
        finally:
            for piece in under_way:
                piece.cancel()
            wait(under_way)
