"""Xorbs as they are sent: chunks one after the other, each behind a header. Source: the specification's "Xorb"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import lz4.frame  # type: ignore[import-untyped]

from engine.devhub.xet import hashes

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 64 << 20
"""Bytes of content in the largest xorb. (The specification means them packed; the client, unpacked.)"""
LARGEST_CHUNK = 128 << 10
"""Bytes in the largest chunk, unpacked."""
_HEADER = 8
_FOOTER = b"XETBLOB"
_PLAIN, _LZ4, _GROUPED = 0, 1, 2


@dataclass(frozen=True)
class Chunk:
    """A chunk of a xorb: from byte ``begin`` to before ``end`` of it as sent, ``size`` bytes when unpacked."""

    hash: str
    begin: int
    end: int
    size: int


def read_xorb(sent: bytes, name: str) -> tuple[Chunk, ...]:
    """Return the chunks of the xorb with the hash ``name``. Raises ``ValueError`` if it is none, or another."""
    chunks = tuple(
        Chunk(hashes.chunk_hash(content), begin, end, len(content)) for begin, end, content in unpacked(sent)
    )
    if not chunks:
        raise ValueError("a xorb holds at least one chunk")
    size = sum(chunk.size for chunk in chunks)
    if size > LARGEST:
        raise ValueError(f"a xorb holds at most {LARGEST} bytes, not {size}")
    found = hashes.xorb_hash([(chunk.hash, chunk.size) for chunk in chunks])
    if found != name:
        raise ValueError(f"the xorb's hash is {found}, not {name}")
    return chunks


def unpacked(sent: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield where each chunk begins and ends, and its content. Raises ``ValueError`` for what is malformed.

    The footer that some clients send after the chunks is of no use here, and skipped.
    """
    begin = 0
    while begin < len(sent) and not sent.startswith(_FOOTER, begin):
        header = sent[begin : begin + _HEADER]
        if len(header) < _HEADER or header[0] != 0:
            raise ValueError(f"no chunk starts at byte {begin} of the xorb")
        end = begin + _HEADER + int.from_bytes(header[1:4], "little")
        size = int.from_bytes(header[5:8], "little")
        if end > len(sent) or size > LARGEST_CHUNK:
            raise ValueError(f"the chunk at byte {begin} is longer than a chunk may be, or than the xorb")
        content = _unpack(header[4], sent[begin + _HEADER : end])
        if len(content) != size:
            raise ValueError(f"the chunk at byte {begin} has {len(content)} bytes, not {size}")
        yield begin, end, content
        begin = end


def _unpack(scheme: int, packed: bytes) -> bytes:
    if scheme == _PLAIN:
        return packed
    if scheme not in {_LZ4, _GROUPED}:
        raise ValueError(f"no compression has the number {scheme}")
    try:
        content: bytes = lz4.frame.decompress(packed)
    except RuntimeError as error:
        raise ValueError(f"a chunk cannot be unpacked: {error}") from error
    return _ungrouped(content) if scheme == _GROUPED else content


def _ungrouped(groups: bytes) -> bytes:
    """Put bytes back in order that were grouped by their place modulo 4."""
    content = bytearray(len(groups))
    begin = 0
    for place in range(4):
        end = begin + len(content[place::4])
        content[place::4] = groups[begin:end]
        begin = end
    return bytes(content)
