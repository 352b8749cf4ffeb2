"""Cutting: never over the limit, never within a part."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.cut import Part, characters, fitted, octets

PARTS = st.lists(st.builds(Part, st.text("aé𝄞", min_size=1, max_size=30), st.integers(1, 4)), max_size=12)


def test_what_fits_is_whole():
    assert fitted([Part("a"), Part(""), Part("b", 3)], 10, characters, "note") == "a\n\nb"


def test_the_last_of_the_highest_rank_goes_first():
    parts = [Part("head"), Part("x" * 10, 1), Part("y" * 10, 2), Part("z" * 10, 2), Part("w" * 10, 1), Part("end")]
    assert fitted(parts, 58, characters, "note") == "\n\n".join(["head", "x" * 10, "y" * 10, "w" * 10, "end", "note"])
    assert fitted(parts, 40, characters, "note") == "\n\n".join(["head", "x" * 10, "end", "note"])
    assert fitted(parts, 20, characters, "note") == "head\n\nend\n\nnote"


def test_measures():
    assert (characters("aé𝄞"), octets("aé𝄞")) == (4, 7)


@given(PARTS, st.integers(20, 200), st.sampled_from([characters, octets]))
def test_never_over_the_limit_and_never_within_a_part(parts, limit, measure):
    text = fitted([Part("head"), *parts, Part("end")], limit, measure, "note")
    assert measure(text) <= limit
    pieces = text.split("\n\n")
    assert (pieces[0], pieces[-1]) in {("head", "end"), ("head", "note")}
    left = iter(["head", *(part.text for part in parts), "end", "note"])
    assert all(piece in left for piece in pieces)
