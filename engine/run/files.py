"""Reading and writing at positions, whole or with an error, and what a full disk means."""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.errors import MergeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def reserve(file: int, size: int) -> None:
    """Make room for ``size`` bytes, so that a full disk shows at once; where the system cannot, only the length."""
    if size and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.ftruncate(file, size)


def write_at(file: int, offset: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of ``data`` from byte ``offset`` on."""
    view, done = memoryview(data), 0
    while done < len(view):
        done += os.pwrite(file, view[done:], offset + done)


def read_at(file: int, offset: int, out: memoryview) -> None:
    """Fill ``out`` with the bytes from ``offset`` on; ``EOFError`` where the file ends before."""
    done = 0
    while done < len(out):
        count = os.preadv(file, [out[done:]], offset + done)
        if count == 0:
            raise EOFError(f"the file ends at byte {offset + done}, {len(out) - done} too early")
        done += count


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is seen whole or not at all, even after a power failure, or where several write it."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def disk_errors(work: Path) -> Iterator[None]:
    """Turn a full disk into a ``MergeError`` that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise MergeError(
            f"the disk that holds {work} is full; free some space there and run again, "
            "or ask for smaller shards with --max-shard-size"
        ) from error
