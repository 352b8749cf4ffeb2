"""One output file: written at known offsets in any order, hashed in file order as it fills."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.checkpoints.dtypes import SIZES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from engine.plan.plan import OutputTensor, Shard

PIECE = 4 * 1024 * 1024


@dataclass(frozen=True)
class FinishedShard:
    """A shard that is whole: its hash, and the hash of each tensor's bytes by name."""

    file: str
    size: int
    sha256: str
    tensors: Mapping[str, str]


class ShardWriter:
    """Writes one shard to ``path``. Space is reserved first, so that a full disk shows at once."""

    def __init__(self, path: Path, shard: Shard, tensors: Sequence[OutputTensor]) -> None:
        self._shard = shard
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._hashing = ThreadPoolExecutor(1, "hash")
        self._whole = hashlib.sha256()
        self._digests: list[tuple[str, Future[str]]] = []
        os.posix_fallocate(self._file, 0, shard.size)
        self._write_at(0, shard.header)
        self._whole.update(shard.header)
        self._offsets = {}
        offset = len(shard.header)
        for number in shard.tensors:
            self._offsets[number] = offset
            offset += tensors[number].nbytes

    def write(self, number: int, tensor: OutputTensor, begin: int, values: memoryview) -> None:
        """Write the bytes of elements of tensor ``number`` from element ``begin`` on. From any thread, in any order."""
        self._write_at(self._offsets[number] + begin * SIZES[tensor.dtype], values)

    def finished(self, number: int, tensor: OutputTensor) -> None:
        """Tell that a tensor is whole; tensors finish in file order."""
        task = self._hashing.submit(self._hash, self._offsets[number], tensor.nbytes)
        self._digests.append((tensor.name, task))

    def finish(self) -> FinishedShard:
        """Make it durable and give its hashes."""
        digests = {name: task.result() for name, task in self._digests}
        os.fsync(self._file)
        self.close()
        return FinishedShard(self._shard.file, self._shard.size, self._whole.hexdigest(), digests)

    def close(self) -> None:
        """Stop, whole or not."""
        self._hashing.shutdown(cancel_futures=True)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write_at(self, offset: int, data: bytes | memoryview) -> None:
        view, done = memoryview(data), 0
        while done < len(view):
            done += os.pwrite(self._file, view[done:], offset + done)

    def _hash(self, offset: int, nbytes: int) -> str:
        own = hashlib.sha256()
        buffer = bytearray(min(PIECE, nbytes))
        done = 0
        while done < nbytes:
            view = memoryview(buffer)[: min(PIECE, nbytes - done)]
            count = os.preadv(self._file, [view], offset + done)
            own.update(view[:count])
            self._whole.update(view[:count])
            done += count
        return own.hexdigest()
