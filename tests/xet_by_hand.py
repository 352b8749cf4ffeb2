"""Xorbs and shards packed by hand, as the Xet specification has them, and the unmodified client on its own."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.devhub import Exchange, Server
from engine.devhub.xet.hashes import chunk_hash, file_hash, proof, xorb_hash

ROOT = Path(__file__).parents[1]
TAG = b"HFRepoMetaData\0" + bytes(
    [85, 105, 103, 69, 106, 123, 129, 87, 131, 165, 189, 217, 92, 205, 209, 74, 169]
)  # fmt: skip
WITH_ALL = 0xC0000000
"""A file's flags: with verification and with metadata."""


def words(text: str) -> bytes:
    """The bytes of a hash that is written as four numbers."""
    return b"".join(bytes.fromhex(text[at : at + 16])[::-1] for at in range(0, 64, 16))


def row(text: str, *numbers: int) -> bytes:
    return words(text) + struct.pack("<4I", *numbers)


def packed(scheme: int, sent: bytes, size: int) -> bytes:
    """A chunk behind its header."""
    return b"\0" + len(sent).to_bytes(3, "little") + bytes([scheme]) + size.to_bytes(3, "little") + sent


def xorb_of(*contents: bytes) -> tuple[str, bytes]:
    """The hash and the bytes of a xorb of uncompressed chunks."""
    return xorb_hash(pairs(contents)), b"".join(packed(0, content, len(content)) for content in contents)


def pairs(contents: Sequence[bytes]) -> list[tuple[str, int]]:
    return [(chunk_hash(content), len(content)) for content in contents]


def shard_of(files: bytes, xorbs: bytes) -> bytes:
    end = row("f" * 64, 0, 0, 0, 0)
    return TAG + struct.pack("<2Q", 2, 0) + files + end + xorbs + end


def file_rows(
    sha256: str,
    contents: Sequence[bytes],
    xorb: str,
    begin: int = 0,
    *,
    end: int | None = None,
    size: int | None = None,
    name: str | None = None,
    proven: str | None = None,
    flags: int = WITH_ALL,
) -> bytes:
    """The rows of a file that is one term: the chunks ``contents`` of a xorb, from number ``begin`` on.

    All but the first four may say something wrong.
    """
    chunks = pairs(contents)
    end = begin + len(contents) if end is None else end
    size = sum(map(len, contents)) if size is None else size
    return b"".join([
        row(name or file_hash(chunks), flags, 1, 0, 0),
        row(xorb, 0, size, begin, end),
        row(proven or proof(name for name, _ in chunks), 0, 0, 0, 0),
        row(sha256, 0, 0, 0, 0),
    ])  # fmt: skip


def xorb_rows(contents: Sequence[bytes]) -> bytes:
    """The rows that list a xorb."""
    chunks, place, rows = pairs(contents), 0, []
    for name, size in chunks:
        rows.append(row(name, place, size, 0, 0))
        place += size
    return row(xorb_hash(chunks), 0, len(chunks), place, place) + b"".join(rows)


def start(server: Server, home: Path, code: str, *args: object, user: str = "alice") -> subprocess.Popen[str]:
    """Start Python with the Hub's client set up for the user as on a machine of its own, Xet and all."""
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_DISABLE_XET"} | {
        "HF_ENDPOINT": server.endpoint,
        "HF_TOKEN": server.token(user),
        "HF_HOME": str(home),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-B", "-c", code, *map(str, args)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for the process to end well, and return what it printed."""
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return out


def received(log: Sequence[Exchange], route: str) -> int:
    """Bytes that came by a route."""
    return sum(exchange.received for exchange in log if exchange.route == route)
