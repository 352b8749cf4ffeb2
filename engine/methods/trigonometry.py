"""Sine, cosine and arc cosine made of ``+ - * /`` and square roots alone.

The C library's versions differ in the last bit between processors (they pick a variant with or without
fused multiply-add), and a merge must have the same bytes everywhere. IEEE 754 fixes these operations to
the bit. Each result is within a few units in the last place of the true value.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_Number = TypeVar("_Number", "float", "Tensor")

_PER_PI = 1.0 / math.pi
_PI_PARTS = (52707178 / 2**24, 3.1786509424591713e-08, 1.2246467991473532e-16)
"""π in three parts. The first two have 26 bits each: their products with a whole number below 2²⁷ are exact."""
_SINE = tuple((-1) ** n / math.factorial(2 * n + 1) for n in range(10, 0, -1))
_ARCSINE = tuple(math.comb(2 * n, n) / (4**n * (2 * n + 1)) for n in range(19, 0, -1))


def _odd_series(x: _Number, coefficients: Sequence[float]) -> _Number:
    """``x + c₁x³ + c₂x⁵ + …`` by Horner's rule; the coefficient of the highest power comes first."""
    square = x * x
    value = square * coefficients[0]
    for coefficient in coefficients[1:]:
        value = (value + coefficient) * square
    return value * x + x


def _less_pi(x: _Number, times: _Number) -> _Number:
    """``x - times·π``, for whole and half ``times`` that leave at most π/2."""
    for part in _PI_PARTS:
        x = x - times * part
    return x


def sin(x: float) -> float:
    """Sine of ``x`` (radians; below 10⁸, so that π can be taken off exactly)."""
    times = (x * _PER_PI + 0.5) // 1.0
    value = _odd_series(_less_pi(x, times), _SINE)
    return -value if times % 2.0 else value


def sines(x: Tensor) -> Tensor:
    """Sine of each element, to the bit as ``sin`` gives it."""
    times = (x * _PER_PI + 0.5).floor()
    return _odd_series(_less_pi(x, times), _SINE) * (1.0 - times.remainder(2.0) * 2.0)


def cos(x: float) -> float:
    """Cosine of ``x`` (radians; below 10⁸)."""
    times = x * _PER_PI // 1.0
    value = _odd_series(_less_pi(x, times + 0.5), _SINE)
    return value if times % 2.0 else -value


def acos(x: float) -> float:
    """Arc cosine of ``x`` in ``[-1, 1]`` (radians)."""
    half = math.sqrt((1.0 - abs(x)) / 2.0)  # sine of half the angle of |x|
    quarter = half / math.sqrt(2.0 * (1.0 + math.sqrt((1.0 - half) * (1.0 + half))))
    angle = 4.0 * _odd_series(quarter, _ARCSINE)
    return math.pi - angle if x < 0.0 else angle


def arc_cosines(x: Tensor) -> Tensor:
    """Arc cosine of each element, to the bit as ``acos`` gives it; shape ``(n,)``."""
    half = square_roots((1.0 - x.abs()) / 2.0)
    quarter = half / square_roots(2.0 * (1.0 + square_roots((1.0 - half) * (1.0 + half))))
    angle = 4.0 * _odd_series(quarter, _ARCSINE)
    return (math.pi - angle).where(x < 0.0, angle)


def square_roots(x: Tensor) -> Tensor:
    """Square root of each element, correctly rounded; shape ``(n,)``, no element below zero.

    One by one: torch hands whole tensors to a library whose last bit is off in places, and depends on the processor.
    """
    return x.new_tensor([math.sqrt(element) for element in x.tolist()])
