"""Rounding once: against exact rational arithmetic, at midpoints and a hair beside them."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import TensorError
from engine.run.rounding import check_finite, rounded

FORMATS = {"bfloat16": (8, -133, 2.0**127 * (2 - 2.0**-7)), "float16": (11, -24, 65504.0), "float32": (24, -149, None)}
"""Significant bits, exponent of the smallest subnormal, largest value."""


def nearest_even(value: float, dtype: str) -> float:
    """Round by rational arithmetic: to nearest, ties to even, subnormals included."""
    bits, smallest, _ = FORMATS[dtype]
    exact = Fraction(value)
    if exact == 0:
        return 0.0
    exponent = -1100
    while abs(exact) >= Fraction(2) ** (exponent + 1):
        exponent += 1
    step = Fraction(2) ** max(exponent - bits + 1, smallest)
    return float(round(exact / step) * step)  # Python rounds halves of a Fraction to even


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@given(mantissa=st.integers(-(2**53), 2**53), exponent=st.integers(-190, -45))
def test_equals_exact_rational_rounding(dtype, mantissa, exponent):
    value = mantissa * 2.0**exponent
    result = float(rounded(torch.tensor([value], dtype=torch.float64), dtype)[0])
    assert result == nearest_even(value, dtype)


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        # 1 + 2^-8 is the midpoint of 1 and 1 + 2^-7; a hair above it float32 sees the midpoint itself.
        ("bfloat16", 1 + 2.0**-8, 1.0),
        ("bfloat16", 1 + 2.0**-8 + 2.0**-40, 1 + 2.0**-7),
        ("bfloat16", 1 + 3 * 2.0**-8, 1 + 2.0**-6),
        ("bfloat16", 1 + 3 * 2.0**-8 - 2.0**-40, 1 + 2.0**-7),
        ("bfloat16", -(1 + 2.0**-8 + 2.0**-40), -(1 + 2.0**-7)),
        ("float16", 1 + 2.0**-11 + 2.0**-50, 1 + 2.0**-10),
        ("float16", 1 + 2.0**-11, 1.0),
        ("float16", 2.0**-25 + 2.0**-60, 2.0**-24),
        ("float16", 2.0**-25, 0.0),
        ("float16", 3 * 2.0**-25 - 2.0**-60, 2.0**-24),
        ("bfloat16", 2.0**-134 + 2.0**-165, 2.0**-133),
        ("bfloat16", 2.0**-134, 0.0),
        ("float64", 0.1, 0.1),
    ],
)
def test_midpoints(dtype, value, expected):
    assert float(rounded(torch.tensor([value], dtype=torch.float64), dtype)[0]) == expected


def test_torch_alone_rounds_twice():
    """The reason for all this; if it ever fails, the nudging may go."""
    value = torch.tensor([1 + 2.0**-8 + 2.0**-40], dtype=torch.float64)
    assert float(value.to(torch.bfloat16)[0]) == 1.0


def test_zero_keeps_its_sign():
    result = rounded(torch.tensor([0.0, -0.0], dtype=torch.float64), "bfloat16")
    assert result.view(torch.int16).tolist() == [0, -32768]


def refusal(value: float, dtype: str) -> str:
    values = torch.tensor([0.0, value], dtype=torch.float64)
    with pytest.raises(TensorError) as caught:
        check_finite(rounded(values, dtype), values, "model.norm.weight", 4096)
    return str(caught.value)


def test_overflow_is_a_named_error():
    assert refusal(65520.0, "float16") == (
        "tensor 'model.norm.weight': element 4097 is 65520, which overflows float16 (largest 65504); "
        "ask for another dtype with `out_dtype: bfloat16`"
    )


def test_largest_float16_is_no_overflow():
    values = torch.tensor([65519.9, -65504.0], dtype=torch.float64)
    result = rounded(values, "float16")
    check_finite(result, values, "x", 0)
    assert result.tolist() == [65504.0, -65504.0]


def test_not_a_number_is_a_named_error():
    assert refusal(float("nan"), "bfloat16") == (
        "tensor 'model.norm.weight': element 4097 is not a number (NaN); a parent is damaged there, or its values "
        "cancel; check the parents' weights"
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("size", [1, 63, 64, 65, 200])
def test_every_place_of_a_chunk_is_looked_at(dtype, size):
    step = {"bfloat16": 2.0**-7, "float16": 2.0**-10}[dtype]
    for place in range(size):
        values = torch.ones(size, dtype=torch.float64)
        values[place] = 1 + step / 2 + 2.0**-40
        expected = [1.0] * size
        expected[place] = 1 + step
        assert rounded(values, dtype).tolist() == expected


@pytest.mark.parametrize("place", [0, 100, 199])
@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_what_is_not_finite_is_seen_anywhere(dtype, odd, place):
    values = torch.zeros(200, dtype=torch.float64)
    values[place] = odd
    with pytest.raises(TensorError, match=f"element {place} is"):
        check_finite(rounded(values, dtype), values, "x", 0)


def test_an_empty_chunk_is_finite():
    values = torch.empty(0, dtype=torch.float64)
    check_finite(rounded(values, "bfloat16"), values, "x", 0)
