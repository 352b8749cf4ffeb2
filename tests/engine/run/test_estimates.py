"""Settling by float32: the same bits as float64, and who says when it does not do."""

from __future__ import annotations

import pytest
import torch

from engine.methods.contract import Estimate, Estimated, Stored
from engine.methods.weighted import of_models
from engine.run.chunks import TensorChunk
from engine.run.estimates import LARGEST, estimated, settle
from engine.run.rounding import rounded

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def told(values: list[float], error: float, largest: float = 10.0, doubt: list[float] | None = None) -> Estimated:
    """A blend that estimates just this."""
    doubted = None if doubt is None else torch.tensor(doubt)
    estimate = Estimate(torch.tensor(values), error, largest, doubted)
    return Estimated(lambda _: pytest.fail("not asked"), lambda _: estimate)


def of(operands):
    """Parts of operands; nobody asks for a chunk of them."""
    return lambda part: Stored(tuple(operand[part] for operand in operands), lambda: pytest.fail("not asked"))


def unsettled(blend: Estimated, size: int, dtype: str = "bfloat16") -> list[int] | None:
    out = torch.empty(size, dtype=DTYPES[dtype])
    found = estimated(blend, of([torch.zeros(size)]), out, size, LARGEST[dtype])
    return None if found is None else found.tolist()


PLACES = 40
MIDPOINT = 1 + 2.0**-8
"""Of 1 and the next bfloat16."""


@pytest.mark.parametrize(
    ("value", "error", "settled"),
    [
        (1.0, 2.0**-10, True),
        (MIDPOINT, 2.0**-20, False),
        (MIDPOINT + 2.0**-15, 2.0**-16, True),
        (MIDPOINT + 2.0**-15, 2.0**-14, False),
        (MIDPOINT - 2.0**-15, 2.0**-14, False),
        (-MIDPOINT + 2.0**-15, 2.0**-14, False),
        (-1.0, 2.0**-10, True),
        (0.0, 2.0**-130, False),  # which zero?
        (-0.0, 2.0**-149, False),
    ],
)
@pytest.mark.parametrize("place", [0, 17, PLACES - 1])
def test_settled_is_what_rounds_alike_at_both_ends(place, value, error, settled):
    values = [1.0] * PLACES
    values[place] = value
    assert unsettled(told(values, error), PLACES) == ([] if settled else [place])


def test_too_many_are_better_computed_at_once():
    # Words of four elements: 10 of them, of which half are 5.
    five, six = ([MIDPOINT, 1.0, 1.0, MIDPOINT] * words + [1.0] * (PLACES - 4 * words) for words in (5, 6))
    assert unsettled(told(five, 2.0**-20), PLACES) == [0, 3, 4, 7, 8, 11, 12, 15, 16, 19]
    assert unsettled(told(six, 2.0**-20), PLACES) is None


def test_what_is_in_doubt_is_not_settled():
    doubt = [0.0] * PLACES
    doubt[3], doubt[7] = 1e-9, 1e30
    values = [1.0] * (PLACES - 1) + [-1e20]
    assert unsettled(told(values, 0.0, 1e21, doubt), PLACES) == [3, 7]
    assert unsettled(told(values, 0.0, 1e21, [0.0] * PLACES), PLACES) == []


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_may_overflow_is_not_settled(dtype):
    assert unsettled(told([1.0], 0.0, LARGEST[dtype]), 1, dtype) is None
    assert unsettled(told([1.0], 0.0, LARGEST[dtype] * (1 - 2.0**-20)), 1, dtype) == []
    assert unsettled(told([1.0], 0.0, float("nan")), 1, dtype) is None
    assert LARGEST[dtype] < torch.finfo(DTYPES[dtype]).max


def made(weights, operands, dtype, chunk):
    """As the engine does it: what is stored, and how many elements were computed again."""
    blend = of_models(weights)

    def exact(places):
        values = tuple(operand[places].double() for operand in operands)
        return rounded(blend(TensorChunk(0, values, None, (), places=places)), dtype)

    out = torch.empty(operands[0].numel(), dtype=DTYPES[dtype])
    found = estimated(blend, of(operands), out, chunk, LARGEST[dtype])
    if found is None:
        return None, 0
    settle(found, out, exact, 64)
    return out, found.numel()


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("chunk", [4096, 1000, 10**6])
@pytest.mark.parametrize(
    ("weights", "dtype"),
    [
        ([0.61], "bfloat16"),
        ([0.613, 0.387], "bfloat16"),
        ([1.7, -0.9, 0.31], "bfloat16"),
        ([1 / 7] * 7, "bfloat16"),
        ([1e-3, 100.0], "bfloat16"),
        ([0.613, 0.387], "float16"),
    ],
)
def test_the_same_bits_as_float64(weights, dtype, chunk, stored):
    generator = torch.Generator().manual_seed(len(weights))
    operands = [torch.randn(20_003, generator=generator).to(stored) for _ in weights]
    out, again = made(weights, operands, dtype, chunk)
    exact = sum((w * x.double() for w, x in zip(weights, operands, strict=True)), torch.zeros(1, dtype=torch.float64))
    assert out is not None
    assert torch.equal(out.view(torch.int16), rounded(exact, dtype).view(torch.int16))
    assert again < 0.05 * out.numel()


def test_the_few_are_looked_at_again():
    """At 0.61 and 0.39 of near neighbours some results lie a hair off a midpoint."""
    operands = [torch.randn(200_000, generator=torch.Generator().manual_seed(s)).to(torch.bfloat16) for s in (1, 2)]
    out, again = made([0.613, 0.387], operands, "bfloat16", 2**16)
    assert 0 < again < 2_000
    single = (operands[0].float() * 0.613 + operands[1].float() * 0.387).to(torch.bfloat16)
    assert not torch.equal(out, single)  # what float32 alone would have made of it


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf"), 3e38])
def test_odd_values_are_left_to_float64(odd):
    operands = [torch.ones(64), torch.ones(64)]
    operands[1][40] = odd
    assert made([1.5, 1.5], operands, "bfloat16", 64) == (None, 0)


def test_averages_on_one_grid_are_left_to_float64():
    operands = [torch.randint(128, 256, (4096,), generator=torch.Generator().manual_seed(s)).float() for s in (1, 2)]
    assert made([0.5, 0.5], operands, "bfloat16", 4096) == (None, 0)
