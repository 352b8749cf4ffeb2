"""Where the parts of a recipe stand."""

from __future__ import annotations

import pytest

from engine.findings import Place
from engine.recipe import parse

TEXT = """\
# a comment
merge_method: slerp
models:
  - model: org/a
    parameters: {weight: [0.5,
      1]}
  -   model: org/b
dtype:
"""


@pytest.mark.parametrize(
    ("at", "key", "value"),
    [
        ((), (1, 1), (1, 1)),
        (("merge_method",), (2, 1), (2, 15)),
        (("models",), (3, 1), (4, 3)),
        (("models", 0), (4, 5), (4, 5)),
        (("models", 0, "model"), (4, 5), (4, 12)),
        (("models", 0, "parameters", "weight"), (5, 18), (5, 26)),
        (("models", 0, "parameters", "weight", 1), (6, 7), (6, 7)),
        (("models", 1), (7, 7), (7, 7)),
        (("dtype",), (8, 1), (8, 7)),
        (("models", 1, "parameters", "weight"), (7, 7), (7, 7)),
        (("seed",), (1, 1), (1, 1)),
    ],
)
def test_places(at, key, value):
    places = parse(TEXT).places
    assert (places.key(at), places.value(at)) == (Place(*key), Place(*value))


@pytest.mark.parametrize(
    ("place", "at"),
    [
        ((2, 15), ("merge_method",)),
        ((4, 5), ("models", 0, "model")),  # an item starts where its first key does
        ((4, 12), ("models", 0, "model")),
        ((5, 26), ("models", 0, "parameters", "weight")),
        ((5, 27), ("models", 0, "parameters", "weight", 0)),
        ((1, 1), ()),
        ((99, 1), ()),
    ],
)
def test_what_stands_at_a_place(place: tuple[int, int], at: tuple[str | int, ...]) -> None:
    assert parse(TEXT).places.at(Place(*place)) == at
