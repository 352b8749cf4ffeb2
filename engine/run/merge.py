"""Plan → shards, each handed to a sink as soon as it is whole."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import torch

from engine.events import ShardDone, ShardKept, Started, TensorDone
from engine.plan.cost import CHUNK
from engine.run.files import disk_errors
from engine.run.shard import ShardWriter
from engine.run.tensor import merge_tensor
from engine.run.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.events import Report
    from engine.plan.models import Models
    from engine.plan.plan import Plan, Shard
    from engine.run.shard import FinishedShard


class ShardSink(Protocol):
    """Where finished shards go."""

    @property
    def work(self) -> Path:
        """Folder for files that are not whole yet."""
        ...

    def finished(self, shard: Shard) -> FinishedShard | None:
        """Give the shard if an earlier run left it whole."""
        ...

    def accept(self, path: Path, finished: FinishedShard) -> None:
        """Take a whole shard over; ``path`` is the sink's from now on."""
        ...


def run(
    plan: Plan, models: Models, sink: ShardSink, report: Report, *, threads: int, chunk: int | None = None
) -> tuple[FinishedShard, ...]:
    """Compute every shard that ``sink`` does not have yet, and hand it over.

    Neither ``threads`` nor ``chunk`` changes any byte. ``MergeError`` where the disk is full, ``TensorError`` where
    a tensor cannot be stored. An interruption waits for what the threads have begun.
    """
    report(Started(len(plan.tensors), len(plan.shards), sum(tensor.nbytes for tensor in plan.tensors)))
    done = []
    with torch_threads(threads), reading(models), Workers(threads) as workers, disk_errors(sink.work):
        for shard in plan.shards:
            kept = sink.finished(shard)
            if kept is not None:
                report(ShardKept(shard.file, shard.size))
                done.append(kept)
                continue
            path = sink.work / f"{shard.file}.partial"
            finished = _shard(plan, models, shard, path, workers, report, chunk or threads * CHUNK)
            report(ShardDone(shard.file, shard.size, finished.sha256))
            sink.accept(path, finished)
            done.append(finished)
    return tuple(done)


def _shard(
    plan: Plan, models: Models, shard: Shard, path: Path, workers: Workers, report: Report, chunk: int
) -> FinishedShard:
    writer = ShardWriter(path, shard, plan.tensors)
    try:
        for number in shard.tensors:
            tensor = plan.tensors[number]
            merge_tensor(
                tensor,
                models.checkpoints,
                workers,
                path.parent,
                lambda begin, data, n=number, t=tensor: writer.write(n, t, begin, data),  # type: ignore[misc]
                chunk=chunk,
            )
            writer.finished(number, tensor)
            report(TensorDone(tensor.name, shard.file, tensor.nbytes))
        return writer.finish()
    finally:
        writer.close()


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let torch use so many threads, for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def reading(models: Models) -> Iterator[None]:
    """Close at the end what reading the models opened."""
    try:
        yield
    finally:
        for checkpoint in models.checkpoints:
            checkpoint.close()
