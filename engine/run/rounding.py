"""Float64 → output dtype, rounded once, to nearest with ties to even; and the check that all is finite.

Torch converts float64 to a 16-bit type by way of float32, which rounds twice: a value a hair off the midpoint
of two neighbours becomes the midpoint in float32, and then goes the wrong way. So values are first cut to a few bits
more than the type has, of which the last one says whether anything was cut off: float32 holds these, and no midpoint
is mistaken (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to
odd", 2008).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.errors import TensorError
from engine.run.copying import not_a_number

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
_SIXTEEN = frozenset({"bfloat16", "float16"})
_CUT = (1 << 40) - 1
"""Bits of float64 below 13 significant ones, two more than float16 has. What float32 cannot hold of those, below 2⁻¹³⁷,
is nothing in either type."""


def rounded(values: Tensor, dtype: str) -> Tensor:
    """Round float64 ``values`` to ``dtype``, correctly: one rounding. The sign of a zero is kept."""
    if dtype == "float64":
        return values
    if dtype in _SIXTEEN:
        values = _to_odd(values)
    return values.to(torch.float32).to(DTYPES[dtype])


def _to_odd(values: Tensor) -> Tensor:
    """Round to 13 significant bits, to odd: where anything is cut off, the last bit is set.

    The bits to cut, and all of them once more, carry into the last bit to keep, if any is set.
    """
    bits = values.view(torch.int64)
    return bits.bitwise_and(_CUT).add_(_CUT).bitwise_or_(bits).bitwise_and_(~_CUT).view(torch.float64)


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
        raise TensorError(not_a_number(name, start + where))
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
