"""Totals in a fixed order: pairwise over blocks of 2¹² elements, then pairwise over the blocks.

Only float64 additions of two numbers at a time, so the result does not depend on where chunks end, on threads, or
on the width of the processor's vectors.
"""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 2**12


def block_totals(terms: Tensor) -> Tensor:
    """Total of each block of a flat float64 tensor; the last block may be short. Shape ``(ceil(n / BLOCK),)``."""
    count = -(-terms.numel() // BLOCK)
    if terms.numel() != count * BLOCK:
        terms = torch.nn.functional.pad(terms, (0, count * BLOCK - terms.numel()))
    return _halved(terms.view(count, BLOCK)).squeeze(1)


def _halved(rows: Tensor) -> Tensor:
    """Add the right half of each row to the left one until one column is left; widths are powers of two."""
    while rows.shape[1] > 1:
        half = rows.shape[1] // 2
        rows = rows[:, :half] + rows[:, half:]
    return rows


def total(blocks: Tensor) -> float:
    """Total of all blocks' totals."""
    if blocks.numel() == 0:
        return 0.0
    width = 1 << (blocks.numel() - 1).bit_length()
    padded = torch.nn.functional.pad(blocks, (0, width - blocks.numel()))
    return float(_halved(padded.view(1, width)))
