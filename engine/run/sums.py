"""Totals in a fixed order: pairwise over blocks of 2¹² elements (or over rows), then pairwise over the blocks.

Only float64 additions of two numbers at a time, so the result does not depend on where chunks end, on threads, or
on the width of the processor's vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.methods.arithmetic import fold, row_totals

if TYPE_CHECKING:
    from collections.abc import Iterable

BLOCK = 2**12
COLUMNS = 2**6
"""What blocks are added up to in each chunk: the small rest is added for many chunks at once."""


def folded(terms: Tensor, block: int = BLOCK, width: int = COLUMNS) -> Tensor:
    """Add up each block of a flat float64 tensor, the last of which may be short, until ``width`` columns are left.

    Shape ``(ceil(n / block), width)``, or fewer columns in narrow blocks; ``row_totals`` goes the rest of the way.
    """
    count = -(-terms.numel() // block)
    if terms.numel() != count * block:
        terms = torch.nn.functional.pad(terms, (0, count * block - terms.numel()))
    return fold(terms.view(count, block), width)


def column_totals(parts: Iterable[tuple[Tensor, ...]], row: int) -> tuple[Tensor, ...]:
    """Totals over all rows (of ``row`` elements) of each of the flat tensors that ``parts`` are made of.

    Rows are added one after the other, so it does not matter where a part ends.
    """
    totals: list[Tensor] = []
    for part in parts:
        rows = [term.view(-1, row) for term in part]
        totals = totals or [term.new_zeros(row) for term in part]
        for own, more in zip(totals, rows, strict=True):
            for one in more:
                own.add_(one)
    return tuple(totals)


def total(blocks: Tensor) -> float:
    """Total of all blocks' totals."""
    if blocks.numel() == 0:
        return 0.0
    return float(row_totals(blocks.view(1, -1)))
