"""Brackets: whose ends they hold, and what is looked for in them."""

from __future__ import annotations

import math

import pytest
import torch

from engine.methods.contract import Cuts
from engine.run.chunks import TensorChunk
from engine.run.inside import Bracket, around, look

UP = 1 + 2.0**-23
"""The float32 after 1."""
DOWN = 1 - 2.0**-24


def test_one_neighbour_more_at_either_end():
    one = torch.tensor(1.0)
    assert around(one, one) == Bracket(DOWN, UP)
    assert around(torch.tensor(0.0), torch.tensor(math.inf)) == Bracket(-(2.0**-149), math.inf)


@pytest.mark.parametrize(
    ("value", "held"),
    [(1.0, True), (1 + 2.0**-40, True), (UP, False), (DOWN, False), (1 + 2.0**-24 + 2.0**-40, False), (2.0, False)],
)
def test_a_value_is_held_where_its_neighbours_are_inside(value, held):
    assert Bracket(DOWN, UP).holds(torch.tensor(value, dtype=torch.float64)) is held


def test_nothing_lies_above_infinity():
    assert Bracket(1.0, math.inf).holds(torch.tensor(2.0**1000, dtype=torch.float64))
    assert not Bracket(math.inf, math.inf).holds(torch.tensor(2.0**1000, dtype=torch.float64))


def chunks(dtype):
    """Two chunks of one span, from index 100 on."""
    values = torch.tensor([0.5, -1.0, 2.0, math.nan, 1.0, -3.0, 1 + 2.0**-40, 1.25], dtype=torch.float64)

    def exact(indices):
        return TensorChunk(100, (values[indices - 100],), None, ())

    for begin in (0, 4):
        own = (values[begin : begin + 4].to(dtype),)
        yield TensorChunk(100 + begin, own, None, (), exact if dtype == torch.float32 else None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_looks_into_brackets_of_some_magnitudes(dtype):
    def magnitudes(chunk, which):
        return [(chunk.models[0] * 0.0, chunk.models[0].abs())[number] for number in which]

    measure = Cuts(magnitudes, (1, 1), plain=True)
    found = look(measure, chunks(dtype), {1: Bracket(DOWN, UP)})
    assert list(found) == [1]
    assert found[1].above == 3
    assert torch.cat(found[1].indices).tolist() == [101, 104, 106]
    assert torch.cat(found[1].values).tolist() == [1.0, 1.0, 1 + 2.0**-40]
