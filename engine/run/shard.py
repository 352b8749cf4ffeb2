"""One output file: written at known offsets in any order, hashed in file order as it fills."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.checkpoints.dtypes import SIZES
from engine.errors import MergeError
from engine.interrupts import result_of
from engine.run.files import read_at, reserve, write_at

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
        self._shard, self._path = shard, path
        path.unlink(missing_ok=True)  # whoever has it open still, of a run that was cut, writes to nothing
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._hashing = ThreadPoolExecutor(1, "hash")
        self._beside = ThreadPoolExecutor(1, "hash-tensor")
        self._whole = hashlib.sha256()
        self._digests: list[tuple[str, Future[str]]] = []
        try:
            reserve(self._file, shard.size)
            write_at(self._file, 0, shard.header)
        except OSError:
            self.close()
            raise
        self._whole.update(shard.header)
        self._offsets = {}
        offset = len(shard.header)
        for number in shard.tensors:
            self._offsets[number] = offset
            offset += tensors[number].nbytes

    def write(self, number: int, tensor: OutputTensor, begin: int, values: memoryview) -> None:
        """Write the bytes of elements of tensor ``number`` from element ``begin`` on. From any thread, in any order."""
        write_at(self._file, self._offsets[number] + begin * SIZES[tensor.dtype], values)

    def finished(self, number: int, tensor: OutputTensor) -> None:
        """Tell that a tensor is whole; tensors finish in file order."""
        task = self._hashing.submit(self._hash, self._offsets[number], tensor.nbytes)
        self._digests.append((tensor.name, task))

    def finish(self) -> FinishedShard:
        """Give its hashes, once all is hashed: whoever finds the file again compares them, so it need not be synced."""
        digests = {name: result_of(task) for name, task in self._digests}
        self.close()
        return FinishedShard(self._shard.file, self._shard.size, self._whole.hexdigest(), digests)

    def close(self) -> None:
        """Stop, whole or not."""
        self._hashing.shutdown(cancel_futures=True)
        self._beside.shutdown()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _hash(self, offset: int, nbytes: int) -> str:
        own = hashlib.sha256()
        buffer = memoryview(bytearray(min(PIECE, nbytes)))
        for begin in range(0, nbytes, PIECE):
            piece = buffer[: min(PIECE, nbytes - begin)]
            try:
                read_at(self._file, offset + begin, piece)
            except EOFError:
                raise MergeError(f"{self._path} was cut short while it was written; run again") from None
            done = self._beside.submit(own.update, piece)
            self._whole.update(piece)
            done.result()
        return own.hexdigest()
