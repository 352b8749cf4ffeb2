"""Float64 → output dtype, rounded once, to nearest with ties to even; and the check that all is finite.

Torch converts float64 to a 16-bit type by way of float32, which rounds twice: a value a hair off the midpoint
of two neighbours becomes the midpoint in float32, and then goes the wrong way. So the first step rounds to odd.
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


def rounded(values: Tensor, dtype: str) -> Tensor:
    """Round float64 ``values`` to ``dtype``, correctly: one rounding."""
    if dtype == "float64":
        return values
    single = values.to(torch.float32)
    if dtype == "float32":
        return single
    _to_odd(single, values)
    return single.to(DTYPES[dtype])


def _to_odd(single: Tensor, exact: Tensor) -> None:
    """Make float32 values, rounded to nearest from ``exact``, rounded to odd instead, in place.

    What is not exact gets an odd last bit, on the side where ``exact`` lies: so it is never a midpoint of the 16-bit
    type, and the step to that type rounds it as it would have rounded ``exact`` (Boldo and Melquiond, 2008: two bits
    more than the target's are enough). An even neighbour moves by one towards ``exact``; an odd one is right already.
    """
    back = single.double()
    outward = (exact - back).mul_(back).sign_().to(torch.int32)  # 0 for what is exact, and for NaN
    bits = single.view(torch.int32)
    bits.add_(outward.mul_(1 - bits.bitwise_and(1)))


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
    missing = torch.frombuffer(data, dtype=DTYPES[dtype]).isnan()
    if bool(missing.any()):
        raise TensorError(_not_a_number(name, start + int(missing.nonzero()[0])))


def _not_a_number(name: str, element: int) -> str:
    return (
        f"tensor {name!r}: element {element} is not a number (NaN); a parent is damaged there, or its values cancel; "
        "check the parents' weights"
    )
