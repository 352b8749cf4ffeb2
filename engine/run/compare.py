"""Computing tensors again, to compare them with those that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.checkpoints.dtypes import SIZES
from engine.interrupts import deferred
from engine.run.merge import arithmetic, reading
from engine.run.tensor import merge_tensor
from engine.run.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from engine.checkpoints.checkpoint import Checkpoint
    from engine.plan.models import Models
    from engine.plan.plan import OutputTensor, Shard
    from engine.run.shard import FinishedShard


class Discarding:
    """A sink that wants to know hashes only: each shard goes as soon as it is whole. ``work`` is a scratch folder."""

    def __init__(self, work: Path) -> None:
        self.work = work

    def finished(self, _shard: Shard) -> FinishedShard | None:
        """Nothing was made before."""
        return None

    def accept(self, path: Path, _finished: FinishedShard) -> None:
        """Forget it."""
        path.unlink()


def differences(
    tensors: Sequence[OutputTensor], models: Models, there: Checkpoint, scratch: Path, threads: int
) -> list[str]:
    """Compute ``tensors`` and compare them with what is ``there``, byte by byte; a sentence for each that differs."""
    found = []
    with deferred(), arithmetic(tensors), reading(models), Workers(threads) as workers:
        try:
            for tensor in tensors:
                found += _difference(tensor, models, there, scratch, workers)
        finally:
            there.close()
    return found


def _difference(tensor: OutputTensor, models: Models, there: Checkpoint, scratch: Path, workers: Workers) -> list[str]:
    info = there.tensors.get(tensor.name)
    if info is None:
        return [f"it lacks the tensor {tensor.name!r}"]
    if (info.dtype, info.shape) != (tensor.dtype, tensor.shape):
        made = f"its recipe makes {tensor.dtype} {list(tensor.shape)}"
        return [f"tensor {tensor.name!r} is {info.dtype} {list(info.shape)}, and {made}"]
    itemsize, wrong = SIZES[tensor.dtype], []

    def compare(begin: int, values: memoryview) -> None:
        stored = bytearray(len(values))
        there.read(info, begin * itemsize, memoryview(stored))
        if stored != values:
            at = next(
                i for i in range(0, len(stored), itemsize) if stored[i : i + itemsize] != values[i : i + itemsize]
            )
            wrong.append(begin + at // itemsize)

    merge_tensor(tensor, models.checkpoints, workers, scratch, compare)
    if not wrong:
        return []
    return [f"tensor {tensor.name!r} comes out otherwise when it is computed again, first at element {min(wrong)}"]
