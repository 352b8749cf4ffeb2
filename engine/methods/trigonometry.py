"""Sine, cosine and arc cosine made of ``+ - * /`` and square roots alone.

The C library's versions differ in the last bit between processors (they pick a variant with or without
fused multiply-add), and a merge must have the same bytes everywhere. IEEE 754 fixes these operations to
the bit. Each result is within a few units in the last place of the true value.
"""

from __future__ import annotations

import math

HALF_PI = math.pi / 2
_PI_REMAINDER = 1.2246467991473532e-16
"""What the float ``math.pi`` lacks of π."""
_SINE_TERMS = 11
_ARCSINE_TERMS = 20


def _sine_near_zero(x: float) -> float:
    """Sum the Taylor series of sine for ``|x| <= pi/2``, smallest term first."""
    terms = [x]
    for n in range(1, _SINE_TERMS):
        terms.append(-terms[-1] * x * x / (2 * n * (2 * n + 1)))
    return sum(reversed(terms[1:]), 0.0) + x


def sin(x: float) -> float:
    """Sine of ``x`` in ``[-pi, pi]`` (radians)."""
    if x > HALF_PI:
        return _sine_near_zero((math.pi - x) + _PI_REMAINDER)
    if x < -HALF_PI:
        return -_sine_near_zero((math.pi + x) + _PI_REMAINDER)
    return _sine_near_zero(x)


def _arcsine_near_zero(z: float) -> float:
    """Sum the Taylor series of arc sine for ``|z| <= 0.4``, smallest term first."""
    terms = [z]
    power = z
    for n in range(1, _ARCSINE_TERMS):
        power = power * z * z * (2 * n - 1) / (2 * n)
        terms.append(power / (2 * n + 1))
    return sum(reversed(terms[1:]), 0.0) + z


def _arcsine(z: float) -> float:
    """Arc sine of ``z`` in ``[0, sqrt(1/2)]``, halving the angle once so that the series is short."""
    half = z / math.sqrt(2.0 * (1.0 + math.sqrt((1.0 - z) * (1.0 + z))))
    return 2.0 * _arcsine_near_zero(half)


def acos(x: float) -> float:
    """Arc cosine of ``x`` in ``[-1, 1]`` (radians)."""
    if x >= 0.0:
        return 2.0 * _arcsine(math.sqrt((1.0 - x) / 2.0))
    return math.pi - 2.0 * _arcsine(math.sqrt((1.0 + x) / 2.0))
