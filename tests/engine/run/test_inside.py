"""Keys and brackets: what they hold, and what is looked for in them."""

from __future__ import annotations

import math

import pytest
import torch

from engine.methods.contract import Cuts
from engine.run.chunks import TensorChunk
from engine.run.inside import Bracket, keys_of, look

ONE = 0x3F80
"""The bits of 1 in bfloat16, and the upper half of those in float32."""


def key(value, dtype):
    return int(keys_of(torch.tensor([value], dtype=dtype))[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_keys_are_in_the_order_of_magnitudes(dtype):
    values = [0.0, 2.0**-24, 2.0**-14, 0.25, 1.0, 1.5, 2.0, 60000.0, math.inf, math.nan]
    keys = [key(value, dtype) for value in values]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_keys_by_hand():
    assert (key(1.0, torch.bfloat16), key(1.0, torch.float32)) == (ONE, ONE << 16)
    assert key(1 + 2.0**-24 + 2.0**-40, torch.float64) == (ONE << 16) + 1  # as float32 rounds it
    assert key(2.0**-149, torch.float32) == 1
    assert key(-0.0, torch.float64) == 0


@pytest.mark.parametrize(
    ("value", "held"),
    [(1.0, True), (1 + 2.0**-9, True), (1 - 2.0**-10, True), (1 + 2.0**-8 + 2.0**-20, False), (1 - 2.0**-8, False)],
)
def test_a_value_is_held_where_its_key_is(value, held):
    value = torch.tensor(value, dtype=torch.float64)
    assert Bracket(ONE, ONE, torch.bfloat16).holds(value) is held
    assert Bracket(0, ONE - 2, torch.bfloat16).at(value).holds(value)


def chunks(dtype):
    """Two chunks of one span, from index 100 on."""
    values = torch.tensor([0.5, -1.0, 2.0, math.nan, 1.0, -3.0, 1 + 2.0**-40, 1.25], dtype=torch.float64)

    def exact(indices):
        return TensorChunk(100, (values[indices - 100],), None, ())

    for begin in (0, 4):
        own = (values[begin : begin + 4].to(dtype),)
        yield TensorChunk(100 + begin, own, None, (), exact=None if dtype == torch.float64 else exact)


@pytest.mark.parametrize(
    ("dtype", "one"), [(torch.bfloat16, ONE), (torch.float32, ONE << 16), (torch.float64, ONE << 16)]
)
def test_looks_into_brackets_of_some_magnitudes(dtype, one):
    def magnitudes(chunk, which):
        return [(chunk.models[0] * 0.0, chunk.models[0].abs())[number] for number in which]

    measure = Cuts(magnitudes, (1, 1), plain=True)
    bracket = Bracket(one, one, torch.float32 if dtype == torch.float64 else dtype)
    found = look(measure, chunks(dtype), {1: bracket}, 3)
    assert list(found) == [1]
    assert found[1].above == 4  # with what is no number
    assert torch.cat(found[1].indices).tolist() == [101, 104, 106]
    assert torch.cat(found[1].values).tolist() == [1.0, 1.0, 1 + 2.0**-40]
    given_up = look(measure, chunks(dtype), {1: bracket}, 2)[1]
    assert (given_up.above, given_up.indices, given_up.values) == (None, [], [])
