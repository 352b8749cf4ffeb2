"""Safetensors headers: parsing one, strictly, and making one. No weights, no torch.

Format: 8 bytes little-endian length, that many bytes of JSON, then the tensors' bytes without holes
(https://huggingface.co/docs/safetensors). Local files and ranged reads share this one parser.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from engine.checkpoints.dtypes import FROM_SAFETENSORS, SIZES, TO_SAFETENSORS
from engine.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = 8
LONGEST_HEADER = 100_000_000
"""Bytes: the limit of the reference implementation."""


@dataclass(frozen=True)
class TensorInfo:
    """Where a stored tensor lies: ``begin`` and ``end`` are byte offsets from the start of ``file``."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: str
    begin: int
    end: int

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.end - self.begin

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)


def header_length(prefix: bytes, file: str, file_size: int) -> int:
    """Read the JSON's length from the first 8 bytes of a file; ``ModelError`` where it cannot be true."""
    if len(prefix) < PREFIX:
        raise ModelError(f"{file}: {file_size} bytes are too few for a safetensors file; upload it again")
    (length,) = struct.unpack("<Q", prefix[:PREFIX])
    if not 2 <= length <= min(LONGEST_HEADER, file_size - PREFIX):
        raise ModelError(
            f"{file}: not a safetensors file, or cut short: its header would be {length} bytes long "
            f"in a file of {file_size}; download or upload it again"
        )
    return int(length)


def parse_header(text: bytes, where: str, file: str, file_size: int) -> dict[str, TensorInfo]:
    """Parse the JSON of the header of ``file``; ``where`` names it in errors.

    Raises ``ModelError`` where offsets overlap, leave holes, leave the file or disagree with shape and dtype:
    a file that lies about itself is not read.
    """
    start = PREFIX + len(text)
    tensors = {}
    for name, entry in _entries(text, where):
        if name != "__metadata__":
            tensors[name] = _tensor(name, entry, (file, start), where)
    _check_contiguous(tensors.values(), where, start, file_size)
    return tensors


def _entries(text: bytes, where: str) -> list[tuple[str, Any]]:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in items]
        if len(set(names)) != len(names):
            raise ModelError(f"{where}: its header names a tensor twice; upload the file again")
        return dict(items)

    try:
        header = json.loads(text, object_pairs_hook=pairs)
    except ValueError as error:
        raise ModelError(f"{where}: its safetensors header is not JSON ({error}); upload it again") from None
    except RecursionError:
        raise ModelError(f"{where}: its safetensors header is nested too deeply; upload it again") from None
    if not isinstance(header, dict):
        raise ModelError(f"{where}: its safetensors header is not a mapping; upload it again")
    return list(header.items())


def _tensor(name: str, entry: object, place: tuple[str, int], where: str) -> TensorInfo:
    file, start = place
    if not name.isprintable():
        raise ModelError(f"{where}: tensor {name!r} has a name that cannot be printed; upload the file again")
    match entry:
        case {"dtype": str(code), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
            pass
        case _:
            raise ModelError(f"{where}: the header entry of tensor {name!r} is malformed; upload it again")
    if code not in FROM_SAFETENSORS:
        raise ModelError(f"{where}: tensor {name!r} has dtype {code!r}, which cannot be read here")
    dtype = FROM_SAFETENSORS[code]
    whole = all(type(number) is int and number >= 0 for number in (*shape, begin, end))
    if not whole or end - begin != prod(shape) * SIZES[dtype]:
        raise ModelError(f"{where}: shape and offsets of tensor {name!r} disagree; upload the file again")
    return TensorInfo(name, dtype, tuple(shape), file, start + begin, start + end)


def _check_contiguous(tensors: Iterable[TensorInfo], where: str, start: int, file_size: int) -> None:
    expected = start
    for tensor in sorted(tensors, key=lambda tensor: (tensor.begin, tensor.end)):
        if tensor.begin != expected:
            raise ModelError(f"{where}: tensor {tensor.name!r} overlaps another or leaves a hole; upload it again")
        expected = tensor.end
    if expected != file_size:
        raise ModelError(
            f"{where}: {file_size} bytes, but its header describes {expected}: the file was cut short or is "
            "damaged; download or upload it again"
        )


def make_header(tensors: Iterable[tuple[str, str, tuple[int, ...]]]) -> bytes:
    """Make prefix and JSON for tensors ``(name, dtype, shape)`` that follow each other without holes.

    Padded with spaces to a multiple of 8 bytes, as the reference implementation does, so that data is aligned.
    """
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, dtype, shape in tensors:
        end = offset + prod(shape) * SIZES[dtype]
        entries[name] = {"dtype": TO_SAFETENSORS[dtype], "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text
