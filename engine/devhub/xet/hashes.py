"""Xet's hashes, written as text throughout. Source: the specification's "Hashing" and "Deduplication".

A chunk's hash is BLAKE3 keyed for data. A xorb's is the root of a tree over its chunks' hashes and sizes, a file's
is that root hashed once more; a term's proof shows that whoever names a range of chunks knows their hashes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DATA = bytes.fromhex("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229")
_NODE = bytes.fromhex("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f")
_PROOF = bytes.fromhex("7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3")
_FILE = bytes(32)
_BRANCHES = 4
_TRACKED = 1024


def as_text(digest: bytes) -> str:
    """Write 32 bytes as Xet does: four little-endian 64-bit numbers, each in 16 hexadecimal digits."""
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", digest))


def as_bytes(text: str) -> bytes:
    """Read what ``as_text`` wrote."""
    return struct.pack("<4Q", *(int(text[at : at + 16], 16) for at in range(0, 64, 16)))


def chunk_hash(content: bytes) -> str:
    """Return a chunk's hash."""
    return _keyed(_DATA, content)


def xorb_hash(chunks: Sequence[tuple[str, int]]) -> str:
    """Return the hash of a xorb of ``chunks`` (hash, bytes): at least one."""
    level = list(chunks)
    while len(level) > 1:
        level = [_node(group) for group in _groups(level)]
    return level[0][0]


def file_hash(chunks: Sequence[tuple[str, int]]) -> str:
    """Return the hash of a file of ``chunks`` (hash, bytes): at least one."""
    return _keyed(_FILE, as_bytes(xorb_hash(chunks)))


def proof(hashes: Iterable[str]) -> str:
    """Return the verification hash of a range of chunks."""
    return _keyed(_PROOF, b"".join(as_bytes(text) for text in hashes))


def is_tracked(text: str) -> bool:
    """Tell whether clients ask for a chunk wherever it is in a file: about one in 1024."""
    return _last(text) % _TRACKED == 0


def _keyed(key: bytes, content: bytes) -> str:
    return as_text(blake3(content, key=key).digest())


def _last(text: str) -> int:
    return int(text[48:], 16)


def _node(group: Sequence[tuple[str, int]]) -> tuple[str, int]:
    lines = "".join(f"{text} : {size}\n" for text, size in group)
    return _keyed(_NODE, lines.encode()), sum(size for _, size in group)


def _groups(level: Sequence[tuple[str, int]]) -> Iterable[Sequence[tuple[str, int]]]:
    """Cut a level of the tree: a group ends at its ninth, or from its third on at a hash that 4 divides."""
    begin = 0
    for at, (text, _) in enumerate(level):
        length = at - begin + 1
        if at + 1 == len(level) or length > 2 * _BRANCHES or (length > 2 and _last(text) % _BRANCHES == 0):
            yield level[begin : at + 1]
            begin = at + 1
