from __future__ import annotations

import hashlib
import struct

import pytest
from xet_by_hand import TAG, WITH_ALL, file_rows, row, shard_of, words, xorb_rows

from engine.devhub.xet.hashes import chunk_hash, file_hash, proof
from engine.devhub.xet.shard import Shard, ShardFile, ShardXorb, Term, read_shard, write_shard
from engine.devhub.xet.xorb import Chunk

ONE, TWO = b"one chunk", b"another"
XORB = "0123456789abcdef" * 4
SHA256 = hashlib.sha256(ONE + TWO).hexdigest()
NAMES = [chunk_hash(ONE), chunk_hash(TWO)]
HASH = file_hash([(NAMES[0], 9), (NAMES[1], 7)])


def test_what_a_client_sends_is_read() -> None:
    found = read_shard(shard_of(file_rows(SHA256, [ONE, TWO], XORB, begin=3), xorb_rows([TWO])))
    assert found == Shard(
        (ShardFile(HASH, SHA256, (Term(XORB, 3, 5, 16),), (proof(NAMES),)),),
        (ShardXorb(NAMES[1], ((NAMES[1], 7),)),),  # a xorb of one chunk has that chunk's hash
    )


FILE = file_rows(SHA256, [ONE, TWO], XORB)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "this is no shard of version 2 without a footer"),
        (b"X" + shard_of(b"", b"")[1:], "this is no shard of version 2 without a footer"),
        (TAG + struct.pack("<2Q", 3, 0), "this is no shard of version 2 without a footer"),
        (TAG + struct.pack("<2Q", 2, 200), "this is no shard of version 2 without a footer"),
        (shard_of(FILE, b"")[:-1], "a shard is made of rows of 48 bytes"),
        (shard_of(FILE, b"")[:-48], "the shard ends too early"),
        (shard_of(row(HASH, WITH_ALL, 9, 0, 0), b""), "the shard ends too early"),
        (shard_of(FILE, b"") + row(XORB, 0, 0, 0, 0), "there is more after the shard's end"),
        (
            shard_of(file_rows(SHA256, [ONE, TWO], XORB, flags=1 << 31), b""),
            f"the file {HASH} comes without its proofs or its SHA-256",
        ),
        (
            shard_of(file_rows(SHA256, [ONE, TWO], XORB, flags=1 << 30), b""),
            f"the file {HASH} comes without its proofs or its SHA-256",
        ),
    ],
)
def test_what_is_malformed(data: bytes, expected: str) -> None:
    with pytest.raises(ValueError, match=f"^{expected}$"):
        read_shard(data)


def test_what_a_client_is_sent() -> None:
    """Laid out by hand. Tables are ordered by each hash as a number, that is as its text, not as its bytes."""
    low, high = "00000000000000ff" + "0" * 48, "ff00000000000000" + "0" * 48
    chunk_a, chunk_b, chunk_c = "a" * 64, "b" * 64, "c" * 64
    sent = write_shard(
        {high: [Chunk(chunk_c, 0, 20, 30)], low: [Chunk(chunk_b, 0, 10, 11), Chunk(chunk_a, 10, 25, 22)]}, 1000, 2000
    )
    end = row("f" * 64, 0, 0, 0, 0)
    first = row(low, 0, 2, 33, 25) + row(chunk_b, 0, 11, 0, 0) + row(chunk_a, 11, 22, 0, 0)
    second = row(high, 0, 1, 30, 20) + row(chunk_c, 0, 30, 0, 0)
    xorb_table = struct.pack("<QIQI", 0xFF, 0, 0xFF00000000000000, 3)
    a, b, c = (int(letter * 16, 16) for letter in "abc")
    chunk_table = struct.pack("<QIIQIIQII", a, 0, 1, b, 0, 0, c, 3, 0)
    tables = 48 + 48 + 5 * 48 + 48
    footer = struct.pack("<9Q", 1, 48, 96, tables, 0, tables, 2, tables + 24, 3) + bytes(32)
    footer += struct.pack("<2Q6Q4Q", 1000, 2000, 0, 0, 0, 0, 0, 0, 45, 0, 63, tables + 24 + 48)
    expected = TAG + struct.pack("<2Q", 2, 200) + end + first + second + end + xorb_table + chunk_table + footer
    assert sent == expected
    assert words(low)[0] == 0xFF
