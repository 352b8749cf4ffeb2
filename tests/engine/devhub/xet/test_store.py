from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import lz4.frame
import pytest
from xet_by_hand import file_rows, packed, pairs, shard_of, words, xorb_of, xorb_rows

from engine.devhub import Store
from engine.devhub.xet.hashes import file_hash
from engine.devhub.xet.shard import Term
from engine.devhub.xet.store import Xet

CHUNKS = [b"zero" * 4, b"one" * 5, b"two" * 6]
WHOLE = b"".join(CHUNKS)
SHA256 = hashlib.sha256(WHOLE).hexdigest()
XORB, SENT = xorb_of(*CHUNKS)
HASH = file_hash(pairs(CHUNKS))
SHARD = shard_of(file_rows(SHA256, CHUNKS, XORB), xorb_rows(CHUNKS))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "hub")
    opened.create_repo("alice/m", "alice")
    yield opened
    opened.close()


@pytest.fixture
def xet(store: Store, tmp_path: Path) -> Xet:
    return Xet(store, tmp_path / "hub" / "xorbs")


def incoming(store: Store, content: bytes) -> Path:
    file = store.blobs.incoming / "sent"
    file.write_bytes(content)
    return file


def test_a_registered_file_is_there_as_plain_bytes(store: Store, xet: Xet) -> None:
    assert xet.add_xorb(XORB, incoming(store, SENT)) is True
    assert xet.path(XORB).read_bytes() == SENT
    assert not store.has_large("alice/m", SHA256)
    xet.add_shard(SHARD, "alice/m")
    assert store.has_large("alice/m", SHA256)
    assert store.blobs.path(SHA256).read_bytes() == WHOLE
    assert xet.name(SHA256) == HASH
    assert xet.file(HASH) == (SHA256, (Term(XORB, 0, 3, 49),))
    assert list(store.blobs.incoming.iterdir()) == []


def test_a_xorb_that_comes_again_packed_otherwise_changes_nothing(store: Store, xet: Xet) -> None:
    xet.add_xorb(XORB, incoming(store, SENT))
    again = b"".join(packed(1, lz4.frame.compress(content), len(content)) for content in CHUNKS)
    assert xet.add_xorb(XORB, incoming(store, again)) is False
    assert xet.path(XORB).read_bytes() == SENT


def test_what_to_fetch(store: Store, xet: Xet) -> None:
    xet.add_xorb(XORB, incoming(store, SENT))
    made_of = [Term(XORB, 0, 3, 49)]
    # each chunk stands behind 8 bytes: 0–23 (16), 24–46 (15), 47–72 (18)
    assert xet.parts(made_of, 20, 30) == (4, [Term(XORB, 1, 2, 15)], {XORB: [(range(1, 2), range(24, 47))]})
    assert xet.parts(made_of, 0, 49) == (0, made_of, {XORB: [(range(3), range(73))]})


def test_the_first_chunk_leads_to_all_that_came_with_it(store: Store, xet: Xet) -> None:
    other, sent = xorb_of(b"other")
    xet.add_xorb(XORB, incoming(store, SENT))
    xet.add_xorb(other, incoming(store, sent))
    xet.add_shard(shard_of(file_rows(SHA256, CHUNKS, XORB), xorb_rows(CHUNKS) + xorb_rows([b"other"])), "alice/m")
    first, second, _ = (name for name, _ in pairs(CHUNKS))
    known = xet.known_with(first, 1, 2)
    assert known is not None
    names = {known[at : at + 32] for at in range(96, len(known) - 200, 48)}
    assert {words(name) for name in (XORB, other, first, second)} <= names
    assert xet.known_with(second, 1, 2) is None


@pytest.mark.parametrize(
    ("shard", "expected"),
    [
        (
            shard_of(file_rows(SHA256, CHUNKS, "0" * 64), b""),
            f"the xorb {'0' * 64} is not here; it has to be uploaded first",
        ),
        (
            shard_of(b"", xorb_rows([b"x"])),
            f"the xorb {xorb_of(b'x')[0]} is not here; it has to be uploaded first",
        ),
        (
            shard_of(b"", xorb_rows(CHUNKS).replace(b"\x10\0\0\0", b"\x11\0\0\0")),
            f"the xorb {XORB} does not have the chunks that the shard lists",
        ),
        (
            shard_of(file_rows(SHA256, CHUNKS, XORB, end=4), b""),
            f"the file {HASH} has a term that its xorb {XORB} does not hold",
        ),
        (
            shard_of(file_rows(SHA256, CHUNKS, XORB, end=0, size=0), b""),
            f"the file {HASH} has a term that its xorb {XORB} does not hold",
        ),
        (
            shard_of(file_rows(SHA256, CHUNKS, XORB, size=48), b""),
            f"the file {HASH} has a term that its xorb {XORB} does not hold",
        ),
        (
            shard_of(file_rows(SHA256, CHUNKS, XORB, proven="0" * 64), b""),
            f"the file {HASH} has a term without the right proof",
        ),
        (
            shard_of(file_rows(SHA256, CHUNKS, XORB, name="0" * 64), b""),
            f"the file {'0' * 64} does not have the hash of its chunks",
        ),
        (
            shard_of(file_rows("1" * 64, CHUNKS, XORB), b""),
            f"the file {HASH} has the SHA-256 {SHA256}, not {'1' * 64}",
        ),
    ],
)
def test_nothing_is_taken_on_trust(store: Store, xet: Xet, shard: bytes, expected: str) -> None:
    xet.add_xorb(XORB, incoming(store, SENT))
    with pytest.raises(ValueError, match=f"^{expected}$"):
        xet.add_shard(shard, "alice/m")
    assert xet.file(HASH) is None
    assert not store.blobs.path(SHA256).exists()
    assert list(store.blobs.incoming.iterdir()) == []


def test_a_file_that_is_here_keeps_its_sha256(store: Store, xet: Xet) -> None:
    xet.add_xorb(XORB, incoming(store, SENT))
    xet.add_shard(SHARD, "alice/m")
    secret = store.blobs.add(b"of another repo")
    with pytest.raises(ValueError, match=f"^the file {HASH} has the SHA-256 {SHA256}, not {secret}$"):
        xet.add_shard(shard_of(file_rows(secret, CHUNKS, XORB), b""), "alice/m")
    assert not store.has_large("alice/m", secret)


def test_a_shard_that_fails_late_registers_nothing(store: Store, xet: Xet, monkeypatch: pytest.MonkeyPatch) -> None:
    xet.add_xorb(XORB, incoming(store, SENT))

    def fail(*_args: object) -> None:
        raise sqlite3.OperationalError("disk full")

    monkeypatch.setattr(store, "link", fail)
    with pytest.raises(sqlite3.OperationalError):
        xet.add_shard(SHARD, "alice/m")
    assert xet.file(HASH) is None
