"""Float64 → output dtype, rounded once, to nearest with ties to even; and the check that all is finite.

Torch converts float64 to a 16-bit type by way of float32, which rounds twice: a value a hair off the midpoint
of two neighbours becomes the midpoint in float32, and then goes the wrong way. Such values are nudged to
the side where they belong before the second step.
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

ROW = 64
"""Elements that are looked at together."""
_MIDPOINTS = {"bfloat16": (0xFFFF, 0x8000), "float16": (0x0FFF, 0)}
"""``(mask, value)`` of float32 bits that every midpoint of the 16-bit type has (others may have them too)."""


def rounded(values: Tensor, dtype: str) -> Tensor:
    """Round float64 ``values`` to ``dtype``, correctly: one rounding."""
    if dtype == "float64":
        return values
    single = values.to(torch.float32)
    if dtype == "float32":
        return single
    suspects = _suspects(single, *_MIDPOINTS[dtype])
    if suspects.numel():
        single[suspects] = _nudged(single[suspects], values[suspects])
    return single.to(DTYPES[dtype])


def _suspects(single: Tensor, mask: int, midpoint: int) -> Tensor:
    """Indices of all midpoints, and perhaps of a few others.

    Looks for the least difference in rows of ``ROW`` first: torch finds a minimum ten times as fast as it compares.
    """
    differences = single.view(torch.int32).bitwise_and(mask).bitwise_xor_(midpoint)
    whole = differences.numel() // ROW * ROW
    rows = (differences[:whole].view(-1, ROW).amin(1) == 0).nonzero() if whole else differences[:0].view(-1, 1)
    candidates = (rows * ROW + torch.arange(ROW)).flatten()
    candidates = torch.cat((candidates, torch.arange(whole, differences.numel())))
    return candidates[differences[candidates] == 0]


def _nudged(single: Tensor, exact: Tensor) -> Tensor:
    """Move each float32 by one step towards the float64 that it came from, where they differ."""
    back = single.double()
    step = (exact.abs() > back.abs()).int() - (exact.abs() < back.abs()).int()
    moved = (single.view(torch.int32) + step).view(torch.float32)
    return torch.where(single.isfinite() & (single != 0), moved, single)


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
