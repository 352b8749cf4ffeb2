from __future__ import annotations

import pytest

from engine.devhub.xet.shard import Term
from engine.devhub.xet.terms import cut, ranges
from engine.devhub.xet.xorb import Chunk

X, Y = "x" * 64, "y" * 64
XORBS = {
    X: [Chunk("", 0, 0, size) for size in (10, 20, 30, 40)],
    Y: [Chunk("", 0, 0, size) for size in (5, 6)],
}
TERMS = [Term(X, 1, 3, 50), Term(Y, 0, 2, 11), Term(X, 0, 1, 10)]
"""71 bytes: of x the chunks with 20 and 30, of y those with 5 and 6, of x the one with 10."""


@pytest.mark.parametrize(
    ("begin", "end", "skipped", "expected"),
    [
        (0, 71, 0, TERMS),
        (0, 1, 0, [Term(X, 1, 2, 20)]),
        (19, 20, 19, [Term(X, 1, 2, 20)]),
        (20, 21, 0, [Term(X, 2, 3, 30)]),
        (25, 56, 5, [Term(X, 2, 3, 30), Term(Y, 0, 2, 11)]),
        (49, 55, 29, [Term(X, 2, 3, 30), Term(Y, 0, 1, 5)]),
        (55, 62, 0, [Term(Y, 1, 2, 6), Term(X, 0, 1, 10)]),
        (70, 71, 9, [Term(X, 0, 1, 10)]),
    ],
)
def test_a_part_of_a_file(begin: int, end: int, skipped: int, expected: list[Term]) -> None:
    assert cut(TERMS, XORBS, begin, end) == (skipped, expected)


def test_ranges_that_touch_are_one() -> None:
    spans = [(5, 7), (0, 2), (1, 4), (7, 8), (0, 1), (2, 3)]
    terms = [Term(Y, 1, 2, 0), *(Term(X, begin, end, 0) for begin, end in spans)]
    assert ranges(terms) == {X: [(0, 4), (5, 8)], Y: [(1, 2)]}
