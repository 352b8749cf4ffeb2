"""Exponential, logarithm and inverse hyperbolic tangent, against Python's decimal arithmetic with 50 digits."""

from __future__ import annotations

import math
from decimal import Context, Decimal, localcontext

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from engine.methods.exponential import NEAR, atanh_tail, exp, log

PRECISE = Context(prec=50, Emin=-10000)


def value(function, x: float) -> float:
    return float(function(torch.tensor([x], dtype=torch.float64)))


def off(result: float, exact: Decimal) -> Decimal:
    """Distance in units in the last place of the true value."""
    return abs(Decimal(result) - exact) / Decimal(math.ulp(float(exact)))


@given(st.floats(-746.0, 709.0) | st.floats(-1.0, 1.0))
@example(0.0)
@example(5e-324)
@example(-1e-300)
@example(-1e-17)
@example(709.0)
@example(-708.0)  # the last that are not subnormal
@example(-708.5)
@example(-745.1)  # the smallest float
@example(math.log(2) / 2)  # where the exponent of the result changes
@example(-math.log(2) / 2)
@example(1.5 * math.log(2))
def test_exponential_is_within_a_unit_in_the_last_place(x):
    with localcontext(PRECISE):
        assert off(value(exp, x), Decimal(x).exp()) <= 1


@pytest.mark.parametrize("way", [-math.inf, 0.0, math.inf])
def test_exponential_where_its_argument_is_between_two_multiples_of_ln_2(way):
    """The rounding of the multiple is nearly a tie there, one way or the other."""
    with localcontext(PRECISE):
        middles = [float((exponent + Decimal("0.5")) * Decimal(2).ln()) for exponent in range(-1075, 1023, 7)]
        x = [math.nextafter(middle, way) if way else middle for middle in middles]
        results = exp(torch.tensor(x, dtype=torch.float64)).tolist()
        assert all(off(result, Decimal(one).exp()) <= 1 for one, result in zip(x, results, strict=True))


@pytest.mark.parametrize(
    ("x", "expected"), [(0.0, 1.0), (-0.0, 1.0), (-745.2, 0.0), (-1000.0, 0.0), (-1e300, 0.0), (-math.inf, 0.0)]
)
def test_exponential_where_it_is_exact(x, expected):
    assert value(exp, x) == expected


@given(st.floats(5e-324, 1e308) | st.floats(0.5, 2.0) | st.integers(-1074, 1023).map(lambda k: 2.0**k))
@example(1.0 + 2.0**-52)
@example(1.0 - 2.0**-53)
@example(math.sqrt(0.5))  # where the exponent of the argument changes
@example(math.nextafter(math.sqrt(0.5), 0.0))
@example(math.sqrt(2.0))
@example(1e-8)
def test_logarithm_is_within_a_unit_in_the_last_place(x):
    with localcontext(PRECISE):
        assert off(value(log, x), Decimal(x).ln()) <= 1


def test_logarithm_of_one_is_zero():
    assert value(log, 1.0) == 0.0


@given(st.floats(-NEAR, NEAR).filter(lambda s: abs(s) > 1e-10))
@example(NEAR)
@example(-NEAR)
def test_inverse_tangent_less_its_argument_is_within_four_units_in_the_last_place(s):
    with localcontext(Context(prec=80)):
        exact = ((1 + Decimal(s)) / (1 - Decimal(s))).ln() / 2 - Decimal(s)
        assert off(value(atanh_tail, s), exact) <= 4


def test_what_is_not_a_number_stays_so():
    for function in (exp, log, atanh_tail):
        assert math.isnan(value(function, math.nan))


def test_arguments_are_left_alone():
    x = torch.tensor([-0.125, 0.125], dtype=torch.float64)
    for function, argument in ((exp, x), (log, x + 1), (atanh_tail, x)):
        before = argument.clone()
        function(argument)
        assert torch.equal(argument, before)
