"""Plan → shards, each handed to a sink as soon as it is whole."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from engine.events import Said, ShardDone, ShardKept, Started, TensorDone
from engine.interrupts import deferred, heed
from engine.plan.cost import CHUNK, SPAN
from engine.plan.plan import CPU, Options
from engine.run.ahead import batches_of, reading_ahead, rooms_for
from engine.run.files import disk_errors
from engine.run.processes import POSSIBLE, Processes
from engine.run.shard import ShardWriter
from engine.run.sharing import PARTED, Sharing, held_together
from engine.run.system import keep_freed_memory
from engine.run.tensor import merge_tensor
from engine.run.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from engine.events import Report
    from engine.plan.models import Models
    from engine.plan.plan import Input, OutputTensor, Plan, Shard
    from engine.run.crew import Crew
    from engine.run.inputs import Stored
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
    plan: Plan,
    models: Models,
    sink: ShardSink,
    report: Report,
    *,
    threads: int,
    memory: int = Options.memory,
    chunk: int = CHUNK,
    parted: int = PARTED,
    device: str = CPU,
) -> tuple[FinishedShard, ...]:
    """Compute every shard that ``sink`` does not have yet, and hand it over.

    ``memory`` is the budget, in bytes, for inputs that are read ahead. Shards from ``parted`` bytes on are made by
    processes, smaller ones by threads. ``device`` is what computes. None of these, nor ``threads`` nor ``chunk``,
    changes any byte. ``MergeError`` where the disk is full or the device gives other bytes, ``TensorError`` where a
    tensor cannot be stored. An interruption waits for what the threads have begun.
    """
    report(Started(len(plan.tensors), len(plan.shards), sum(tensor.nbytes for tensor in plan.tensors)))
    keep_freed_memory()
    done = []
    with arithmetic(plan.tensors), reading(models), Workers(threads) as workers, disk_errors(sink.work):
        if device != CPU and not all(tensor.copied for tensor in plan.tensors):
            _prove(plan, models, workers, sink.work, device, report)
        for shard in plan.shards:
            kept = sink.finished(shard)
            if kept is not None:
                report(ShardKept(shard.file, shard.size))
                done.append(kept)
                continue
            path = sink.work / f"{shard.file}.partial"
            apart = threads if POSSIBLE and shard.size >= parted and device == CPU else 1
            making = _Making(plan, models, workers, path.parent, memory // 4, chunk if device == CPU else SPAN, device)
            with deferred():
                finished = _shard(making, shard, path, report, apart)
            report(ShardDone(shard.file, shard.size, finished.sha256))
            sink.accept(path, finished)
            done.append(finished)
    return tuple(done)


def _prove(plan: Plan, models: Models, workers: Workers, scratch: Path, device: str, report: Report) -> None:
    with deferred():
        from engine.run.proving import device_name, prove  # noqa: PLC0415 - loads torch, which a copy does without

        prove(plan.tensors, models, workers, scratch, device)
    report(Said(f"{device_name(device)} computes; of each kind of tensor it gave the processor's very bytes"))


@dataclass(frozen=True)
class _Making:
    """What every shard of a run is made with."""

    plan: Plan
    models: Models
    workers: Workers
    scratch: Path
    batch: int
    chunk: int
    device: str

    def tensor(
        self, tensor: OutputTensor, who: Crew, write: Callable[[int, memoryview], None], given: Mapping[Input, Stored]
    ) -> None:
        """Compute a tensor, or this process's share of it."""
        merge_tensor(
            tensor,
            self.models.checkpoints,
            who,
            self.scratch,
            write,
            chunk=self.chunk,
            given=given,
            device=self.device,
        )


def _shard(making: _Making, shard: Shard, path: Path, report: Report, apart: int) -> FinishedShard:
    tensors = [making.plan.tensors[number] for number in shard.tensors]
    numbers = {making.plan.tensors[number].name: number for number in shard.tensors}
    batches = batches_of(tensors, making.models.checkpoints, making.batch)
    rooms = rooms_for(batches)  # before there are other processes, so that all see the same
    writer = ShardWriter(path, shard, making.plan.tensors)
    try:
        with (
            Processes(apart, held_together(tensors)) as crew,
            reading_ahead(batches, making.models.checkpoints, rooms, crew) as ahead,
        ):
            sharing = Sharing(crew, making.workers, making.models.checkpoints)
            for tensor, given in ahead:
                heed()
                number = numbers[tensor.name]
                write = partial(writer.write, number, tensor)
                with sharing.of(tensor, given) as who:
                    if who is not None:
                        making.tensor(tensor, who, write, given)
                if crew.number == 0:
                    writer.finished(number, tensor)
                    report(TensorDone(tensor.name, shard.file, tensor.nbytes))
        return writer.finish()
    finally:
        writer.close()


def arithmetic(tensors: Iterable[OutputTensor]) -> AbstractContextManager[None]:
    """Load torch, which takes a second, if any of the tensors is computed; for as long, it keeps to one thread."""
    if all(tensor.copied for tensor in tensors):
        return nullcontext()
    with deferred():
        from engine.run.blending import one_torch_thread  # noqa: PLC0415 - before there are other processes

    return one_torch_thread()


@contextmanager
def reading(models: Models) -> Iterator[None]:
    """Close at the end what reading the models opened."""
    try:
        yield
    finally:
        for checkpoint in models.checkpoints:
            checkpoint.close()
