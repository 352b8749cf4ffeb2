"""Exponential, logarithm and inverse hyperbolic tangent of float64 tensors, made of ``+ - * /`` and of exponents alone.

The vectorised versions of libraries differ in the last bit between processors, and a merge must have the same bytes
everywhere. IEEE 754 fixes these operations to the bit, as long as a product is rounded before anything is added to it,
which it is between tensors. Each result is within about one unit in the last place of the true value.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_LN2_HIGH = 2977044471 / 2**32
"""The first 32 bits of ln 2: its product with an exponent is exact."""
_LN2_LOW = 1.9082149292705877e-10
_PER_LN2 = 1.4426950408889634
_LOWEST = -746.0
"""Its exponential is rounded to zero, as are those below."""
_EXPONENTIAL = tuple(1.0 / math.factorial(n) for n in range(13, 1, -1))
_ATANH = tuple(1.0 / n for n in range(27, 1, -2))
_FRACTION_BITS = 52
_BIAS = 1023
_SQRT_HALF = math.sqrt(0.5)

NEAR = 0.18
"""Largest argument, either way, of ``atanh_tail``."""


def _polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """Evaluate by Horner's rule; the coefficient of the highest power comes first."""
    value = x.new_full(x.shape, coefficients[0])
    for coefficient in coefficients[1:]:
        value.mul_(x).add_(coefficient)
    return value


def _scale(x: Tensor, exponent: Tensor) -> Tensor:
    """Multiply, in place, by 2 to an int64 power from -1022 to 1023."""
    return x.mul_((exponent + _BIAS).bitwise_left_shift_(_FRACTION_BITS).view(x.dtype))


def exp(x: Tensor) -> Tensor:
    """Exponential of each element; from minus infinity to 709.

    ``x = k·ln 2 + r`` with ``|r| <= ln 2 / 2``, so ``eˣ = 2ᵏ·eʳ``, and ``eʳ`` is its Taylor series. Scaling takes two
    steps, the first of them exact, because 2ᵏ alone may be too small for a float.
    """
    x = x.clamp(min=_LOWEST)
    k = (x * _PER_LN2).round_()
    r = (x - k * _LN2_HIGH).sub_(k * _LN2_LOW)
    value = _polynomial(r, _EXPONENTIAL).mul_(r).mul_(r).add_(r).add_(1.0)
    exponent = k.long()
    half = exponent.bitwise_right_shift(1)
    return _scale(_scale(value, half), exponent - half)


def atanh_tail(s: Tensor) -> Tensor:
    """``atanh s - s`` of each element, to a few units in its own last place; ``|s| <= NEAR``."""
    square = s * s
    return _polynomial(square, _ATANH).mul_(square).mul_(s)


def log(x: Tensor) -> Tensor:
    """Natural logarithm of each element; positive and finite.

    ``x = 2ᵏ·(1 + f)`` with ``1 + f`` from √½ to √2, and ``ln(1 + f) = 2·atanh s`` with ``s = f / (2 + f)``, which is
    ``f - s·f`` and twice the tail of the series.
    """
    mantissa, exponent = x.frexp()
    small = mantissa.clone().lt_(_SQRT_HALF)
    k = exponent.double().sub_(small)
    f = small.add_(1.0).mul_(mantissa).sub_(1.0)
    s = f / (f + 2.0)
    rest = atanh_tail(s).mul_(2.0).sub_(s * f).add_(k * _LN2_LOW)
    return rest.add_(f).add_(k.mul_(_LN2_HIGH))
