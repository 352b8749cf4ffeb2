from __future__ import annotations

import lz4.frame
import pytest
from xet_by_hand import packed, pairs, xorb_of

from engine.devhub.xet import xorb
from engine.devhub.xet.hashes import xorb_hash
from engine.devhub.xet.xorb import Chunk, read_xorb, unpacked

ONE, TWO, THREE = b"first chunk", bytes(range(10)) * 30, b"the third"
GROUPED = bytes([0, 4, 8, 1, 5, 9, 2, 6, 3, 7])
"""The bytes 0 to 9, grouped by their place modulo 4."""


def test_chunks_of_every_kind() -> None:
    lz4_two, lz4_grouped = lz4.frame.compress(TWO), lz4.frame.compress(GROUPED)
    sent = packed(0, ONE, 11) + packed(1, lz4_two, 300) + packed(2, lz4_grouped, 10)
    second, third = 8 + 11, 8 + 11 + 8 + len(lz4_two)
    assert list(unpacked(sent)) == [
        (0, second, ONE),
        (second, third, TWO),
        (third, len(sent), bytes(range(10))),
    ]


def test_a_xorb_is_what_its_hash_says() -> None:
    name, sent = xorb_of(ONE, THREE)
    (first, _), (second, _) = pairs([ONE, THREE])
    assert read_xorb(sent, name) == (Chunk(first, 0, 19, 11), Chunk(second, 19, 36, 9))


def test_a_footer_is_skipped() -> None:
    name, sent = xorb_of(ONE)
    assert read_xorb(sent + b"XETBLOB\1 and more", name) == read_xorb(sent, name)


def test_another_hash_is_refused() -> None:
    name, sent = xorb_of(ONE)
    with pytest.raises(ValueError, match=f"^the xorb's hash is {name}, not {'0' * 64}$"):
        read_xorb(sent, "0" * 64)


def test_a_xorb_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert xorb.LARGEST == 67_108_864
    monkeypatch.setattr(xorb, "LARGEST", 19)
    name, sent = xorb_of(ONE, THREE)
    with pytest.raises(ValueError, match=r"^a xorb holds at most 19 bytes, not 20$"):
        read_xorb(sent, name)


BIG = bytes(131_073)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", "a xorb holds at least one chunk"),
        (b"\0\1\0", "no chunk starts at byte 0 of the xorb"),
        (packed(0, ONE, 11) + b"\1" + bytes(8), "no chunk starts at byte 19 of the xorb"),
        (packed(0, ONE, 11)[:-1], "the chunk at byte 0 is longer than a chunk may be, or than the xorb"),
        (packed(0, BIG, len(BIG)), "the chunk at byte 0 is longer than a chunk may be, or than the xorb"),
        (packed(0, ONE, 12), "the chunk at byte 0 has 11 bytes, not 12"),
        (packed(3, ONE, 11), "no compression has the number 3"),
    ],
)
def test_what_is_malformed(sent: bytes, expected: str) -> None:
    with pytest.raises(ValueError, match=f"^{expected}$"):
        read_xorb(sent, xorb_hash(pairs([ONE])))


def test_what_cannot_be_unpacked() -> None:
    with pytest.raises(ValueError, match=r"^a chunk cannot be unpacked: "):
        list(unpacked(packed(1, ONE, 11)))
