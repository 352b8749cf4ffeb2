"""Shards: which chunks make up which file, and which xorb holds which chunks. Source: the specification's "Shard".

A shard is a header and rows of 48 bytes: files up to a bookend, then xorbs up to another. What a client sends ends
there; what it is sent goes on with tables to look things up by, and a footer.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.devhub.xet.hashes import as_bytes, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.devhub.xet.xorb import Chunk

    _Row = tuple[bytes, int, int, int, int]

_TAG = b"HFRepoMetaData\0" + bytes.fromhex("556967456a7b815783a5bdd95ccdd14aa9")
_HEADER = struct.Struct("<32s2Q")
_ROW = struct.Struct("<32s4I")
_FOOTER = struct.Struct("<9Q32s2Q6Q4Q")
_VERSION, _FOOTER_VERSION = 2, 1
_BOOKEND = b"\xff" * 32
_WITH_PROOFS, _WITH_SHA256 = 1 << 31, 1 << 30


@dataclass(frozen=True)
class Term:
    """Chunks ``begin`` to before ``end`` of a xorb: ``size`` bytes of a file, unpacked."""

    xorb: str
    begin: int
    end: int
    size: int


@dataclass(frozen=True)
class ShardFile:
    """A file: its Xet hash, its SHA-256, and in order what it is made of, each term with the proof of it."""

    hash: str
    sha256: str
    terms: tuple[Term, ...]
    proofs: tuple[str, ...]


@dataclass(frozen=True)
class ShardXorb:
    """A xorb: the hash and the unpacked size of each chunk."""

    hash: str
    chunks: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Shard:
    """What a client registers at once."""

    files: tuple[ShardFile, ...]
    xorbs: tuple[ShardXorb, ...]


def read_shard(data: bytes) -> Shard:
    """Read a shard as a client sends it. Raises ``ValueError`` for one that is malformed or has a footer."""
    if len(data) < _HEADER.size or _HEADER.unpack_from(data) != (_TAG, _VERSION, 0):
        raise ValueError("this is no shard of version 2 without a footer")
    body = data[_HEADER.size :]
    if len(body) % _ROW.size:
        raise ValueError("a shard is made of rows of 48 bytes")
    rows = _ROW.iter_unpack(body)
    shard = Shard(tuple(_files(rows)), tuple(_xorbs(rows)))
    if next(rows, None) is not None:
        raise ValueError("there is more after the shard's end")
    return shard


def _files(rows: Iterator[_Row]) -> Iterator[ShardFile]:
    while (row := _take(rows))[0] != _BOOKEND:
        name, flags, count, _, _ = row
        if flags & (_WITH_PROOFS | _WITH_SHA256) != _WITH_PROOFS | _WITH_SHA256:
            raise ValueError(f"the file {as_text(name)} comes without its proofs or its SHA-256")
        terms = tuple(
            Term(as_text(xorb), begin, end, size) for xorb, _, size, begin, end in (_take(rows) for _ in range(count))
        )
        proofs = tuple(as_text(_take(rows)[0]) for _ in range(count))
        # A SHA-256 is kept as Xet's hashes are, so reading it as one gives its usual text.
        yield ShardFile(as_text(name), as_text(_take(rows)[0]), terms, proofs)


def _xorbs(rows: Iterator[_Row]) -> Iterator[ShardXorb]:
    while (row := _take(rows))[0] != _BOOKEND:
        chunks = [_take(rows) for _ in range(row[2])]
        yield ShardXorb(as_text(row[0]), tuple((as_text(name), size) for name, _, size, _, _ in chunks))


def _take(rows: Iterator[_Row]) -> _Row:
    row = next(rows, None)
    if row is None:
        raise ValueError("the shard ends too early")
    return row


def write_shard(xorbs: Mapping[str, Sequence[Chunk]], created: int, expires: int) -> bytes:
    """Write the shard that tells a client which chunks are here, to be used between two times since 1970."""
    rows: list[bytes] = []
    by_xorb, by_chunk = [], []
    for name, chunks in sorted(xorbs.items()):
        by_xorb.append((_first(name), len(rows)))
        by_chunk += [(_first(chunk.hash), len(rows), at) for at, chunk in enumerate(chunks)]
        rows.append(_ROW.pack(as_bytes(name), 0, len(chunks), sum(c.size for c in chunks), chunks[-1].end))
        place = 0
        for chunk in chunks:
            rows.append(_ROW.pack(as_bytes(chunk.hash), place, chunk.size, 0, 0))
            place += chunk.size
    bookend = _ROW.pack(_BOOKEND, 0, 0, 0, 0)
    files_at, xorbs_at = _HEADER.size, _HEADER.size + _ROW.size
    xorb_table = b"".join(struct.pack("<QI", *row) for row in sorted(by_xorb))
    chunk_table = b"".join(struct.pack("<QII", *row) for row in sorted(by_chunk))
    tables_at = xorbs_at + (len(rows) + 1) * _ROW.size
    footer_at = tables_at + len(xorb_table) + len(chunk_table)
    stored = sum(chunks[-1].end for chunks in xorbs.values())
    plain = sum(chunk.size for chunks in xorbs.values() for chunk in chunks)
    footer = _FOOTER.pack(
        *(_FOOTER_VERSION, files_at, xorbs_at, tables_at, 0, tables_at, len(by_xorb)),
        *(tables_at + len(xorb_table), len(by_chunk), bytes(32), created, expires),
        *(0, 0, 0, 0, 0, 0, stored, 0, plain, footer_at),
    )
    header = _HEADER.pack(_TAG, _VERSION, _FOOTER.size)
    return b"".join([header, bookend, *rows, bookend, xorb_table, chunk_table, footer])


def _first(text: str) -> int:
    return int(text[:16], 16)
