"""Sine, cosine and arc cosine of our own, against exact rational series."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.methods.trigonometry import acos, arc_cosines, cos, sin, sines, square_roots

PI = Fraction("3.14159265358979323846264338327950288419716939937510582097494")
"""To 60 digits, so that the tests add no error of their own."""


def exact_sine(x: float | Fraction) -> Fraction:
    """Taylor series in rational numbers, to well below a float's last place."""
    value, term, power = Fraction(0), Fraction(x), Fraction(x) ** 2
    for n in range(1, 40):
        value += term
        term = -term * power / (2 * n * (2 * n + 1))
    return value


@given(st.floats(-math.pi, math.pi))
def test_sine_is_within_two_units_in_the_last_place(x):
    assert abs(Fraction(sin(x)) - exact_sine(x)) <= 2 * Fraction(math.ulp(sin(x)))


@given(st.floats(-4e8, 4e8))
def test_sine_and_cosine_of_many_turns(x):
    turns = round(Fraction(x) / (2 * PI))
    for found, angle in ((sin(x), Fraction(x) - turns * 2 * PI), (cos(x), Fraction(x) - turns * 2 * PI + PI / 2)):
        assert abs(Fraction(found) - exact_sine(angle)) <= 2 * Fraction(math.ulp(1.0))


@given(st.floats(0.0, math.pi))
def test_cosine_is_within_two_units_in_the_last_place(x):
    assert abs(Fraction(cos(x)) - exact_sine(PI / 2 - Fraction(x))) <= 2 * Fraction(math.ulp(cos(x)))


@given(st.floats(-1.0, 1.0))
def test_sine_undoes_arc_cosine(x):
    # cos(acos x) = sin(π/2 - acos x)
    assert abs(exact_sine(PI / 2 - Fraction(acos(x))) - Fraction(x)) <= 4 * Fraction(math.ulp(1.0))


@pytest.mark.parametrize(
    ("x", "angle"), [(1.0, 0.0), (0.0, math.pi / 2), (-1.0, math.pi), (0.5, math.pi / 3), (-0.5, 2 * math.pi / 3)]
)
def test_known_angles(x, angle):
    assert acos(x) == pytest.approx(angle, rel=4e-16, abs=0)


@pytest.mark.parametrize(
    ("x", "sine", "cosine"),
    [(0.0, 0.0, 1.0), (math.pi / 6, 0.5, math.sqrt(3) / 2), (-5 * math.pi / 6, -0.5, -math.sqrt(3) / 2)],
)
def test_known_sines_and_cosines(x, sine, cosine):
    assert (sin(x), cos(x)) == pytest.approx((sine, cosine), rel=4e-16, abs=0)


def test_tensors_get_the_same_bits():
    generator = torch.Generator().manual_seed(1)
    x = torch.cat(
        [torch.rand(20_000, dtype=torch.float64, generator=generator) * 2 - 1, torch.tensor([-1.0, 0.0, 1.0])]
    )
    assert sines(x * 30).tolist() == [sin(element) for element in (x * 30).tolist()]
    assert arc_cosines(x).tolist() == [acos(element) for element in x.tolist()]


def test_square_roots_are_correctly_rounded():
    """Where the library that torch calls is not: in less than one of a hundred."""
    x = torch.rand(20_000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert square_roots(x).tolist() == [math.sqrt(element) for element in x.tolist()]
    assert square_roots(torch.empty(0, dtype=torch.float64)).dtype == torch.float64


def test_what_is_not_a_number_stays_so():
    missing = torch.tensor([math.nan], dtype=torch.float64)
    assert all(map(math.isnan, (sin(math.nan), sin(math.inf), cos(math.nan), acos(math.nan))))
    assert all(map(math.isnan, (*sines(missing).tolist(), *arc_cosines(missing).tolist())))
