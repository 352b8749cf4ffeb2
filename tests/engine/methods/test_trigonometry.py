"""Sine and arc cosine of our own, against exact rational series."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.methods.trigonometry import acos, sin


def exact_sine(x: float) -> Fraction:
    """Taylor series in rational numbers, to well below a float's last place."""
    value, term, power = Fraction(0), Fraction(x), Fraction(x) ** 2
    for n in range(1, 40):
        value += term
        term = -term * power / (2 * n * (2 * n + 1))
    return value


@given(st.floats(-math.pi, math.pi))
def test_sine_is_within_two_units_in_the_last_place(x):
    assert abs(Fraction(sin(x)) - exact_sine(x)) <= 2 * Fraction(math.ulp(sin(x)))


@given(st.floats(-1.0, 1.0))
def test_sine_undoes_arc_cosine(x):
    # cos(acos x) = sin(π/2 - acos x); π/2 to 60 digits so that the test adds no error of its own.
    half_pi = Fraction("1.57079632679489661923132169163975144209858469968755291048747")
    angle = half_pi - Fraction(acos(x))
    value, term = Fraction(0), angle
    for n in range(1, 40):
        value += term
        term = -term * angle**2 / (2 * n * (2 * n + 1))
    assert abs(value - Fraction(x)) <= 4 * Fraction(math.ulp(1.0))


@pytest.mark.parametrize(
    ("x", "angle"), [(1.0, 0.0), (0.0, math.pi / 2), (-1.0, math.pi), (0.5, math.pi / 3), (-0.5, 2 * math.pi / 3)]
)
def test_known_angles(x, angle):
    assert acos(x) == pytest.approx(angle, rel=4e-16, abs=0)
