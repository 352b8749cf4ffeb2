"""Float64 → output dtype, rounded once, to nearest with ties to even; and the check that all is finite.

Torch converts float64 to a 16-bit type by way of float32, which rounds twice: a value a hair off the midpoint
of two neighbours becomes the midpoint in float32, and then goes the wrong way. So values are first rounded to the
type's bits in float64, after which the conversion is exact.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.checkpoints.dtypes import MERGED
from engine.errors import TensorError

DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "int64": torch.int64,
    "int32": torch.int32,
    "int16": torch.int16,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "bool": torch.bool,
}
"""Torch's type for each plain name."""
_SIXTEEN = {"bfloat16": (8, 2.0**-126), "float16": (11, 2.0**-14)}
"""Significant bits, and the smallest normal number."""
_EXPONENT, _SIGN = 0x7FF << 52, -(1 << 63)


def rounded(values: Tensor, dtype: str) -> Tensor:
    """Round float64 ``values`` to ``dtype``, correctly: one rounding. The sign of a zero is kept."""
    if dtype == "float64":
        return values
    if dtype in _SIXTEEN:
        values = _to_bits(values, *_SIXTEEN[dtype])
    return values.to(torch.float32).to(DTYPES[dtype])


def _to_bits(values: Tensor, bits: int, smallest: float) -> Tensor:
    """Round to that many significant bits, and to no finer steps than those of the ``smallest`` normal number.

    A number of 1.5 times the right power of two is added, whose last bit weighs as much as the last one to keep, so
    that the addition rounds; and subtracted, which is exact (the sum is between once and twice that power).
    """
    bare = values.view(torch.int64)
    anchor = bare.bitwise_and(_EXPONENT).view(torch.float64).clamp_min_(smallest).mul_(1.5 * 2.0 ** (53 - bits))
    result = (values + anchor).sub_(anchor)
    result.view(torch.int64).bitwise_or_(bare.bitwise_and(_SIGN))
    return result


def check_finite(result: Tensor, values: Tensor, name: str, start: int) -> None:
    """Raise ``TensorError`` where ``result``, rounded from ``values``, has a NaN or an infinity.

    ``start`` is the flat index of the first element, for the message.
    """
    if result.numel() == 0:
        return
    least, largest = torch.aminmax(result)  # a NaN anywhere is the least and the largest
    if -math.inf < float(least) and float(largest) < math.inf:
        return
    where = int((~torch.isfinite(result)).nonzero()[0])
    value = float(values[where])
    if math.isnan(value):
        raise TensorError(_not_a_number(name, start + where))
    if math.isinf(value):
        raise TensorError(
            f"tensor {name!r}: element {start + where} is infinite; a parent is damaged there, or its values are too "
            "large to be merged; check the parents' weights"
        )
    dtype = str(result.dtype).removeprefix("torch.")
    wider = "bfloat16" if dtype == "float16" else "float64"
    raise TensorError(
        f"tensor {name!r}: element {start + where} is {value:.6g}, which overflows {dtype} "
        f"(largest {torch.finfo(result.dtype).max:.6g}); ask for another dtype with `out_dtype: {wider}`"
    )


def check_copied(data: memoryview, dtype: str, name: str, start: int) -> None:
    """Raise ``TensorError`` where bytes that are copied as they are hold a NaN; infinities may be meant."""
    if dtype not in MERGED:
        return
    values = torch.frombuffer(data, dtype=DTYPES[dtype])
    least, _ = torch.aminmax(values)  # a NaN anywhere is the least
    if math.isnan(float(least)):
        raise TensorError(_not_a_number(name, start + int(values.isnan().nonzero()[0])))


def _not_a_number(name: str, element: int) -> str:
    return (
        f"tensor {name!r}: element {element} is not a number (NaN); a parent is damaged there, or its values cancel; "
        "check the parents' weights"
    )
