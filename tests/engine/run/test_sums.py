"""Totals in a fixed order."""

from __future__ import annotations

import math

import pytest
import torch

from engine.methods.arithmetic import row_totals
from engine.run.sums import BLOCK, COLUMNS, folded, total


def pairwise(values: list[float]) -> float:
    """The rule, written again: halves of a power of two of numbers are added element by element."""
    width = 1
    while width < len(values):
        width *= 2
    values = values + [0.0] * (width - len(values))
    while len(values) > 1:
        half = len(values) // 2
        values = [a + b for a, b in zip(values[:half], values[half:], strict=True)]
    return values[0]


def block_totals(values, block=BLOCK, width=COLUMNS):
    return row_totals(folded(values, block, width))


@pytest.mark.parametrize("width", [1, 2, 64, 8192])
@pytest.mark.parametrize("size", [1, 2, 3, 4095, 4096, 4097, 3 * 4096 + 5])
def test_follows_the_rule_to_the_bit(size, width):
    values = torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(size)) ** 3
    listed = values.tolist()
    blocks = [
        pairwise(listed[i : i + BLOCK] + [0.0] * (BLOCK - len(listed[i : i + BLOCK]))) for i in range(0, size, BLOCK)
    ]
    before = values.clone()
    assert folded(values, BLOCK, width).shape == (len(blocks), min(width, BLOCK))
    assert block_totals(values, BLOCK, width).tolist() == blocks
    assert total(block_totals(values)) == pairwise(blocks)
    assert torch.equal(values, before)


@pytest.mark.parametrize("block", [1, 3, 63, 65, 1021])
def test_rows_of_any_width_are_blocks_too(block):
    values = torch.randn(4 * block, dtype=torch.float64, generator=torch.Generator().manual_seed(block)) ** 3
    expected = [pairwise(values[i : i + block].tolist()) for i in range(0, 4 * block, block)]
    assert block_totals(values, block).tolist() == expected


def test_is_close_to_the_exact_sum():
    values = torch.randn(100_000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert abs(total(block_totals(values)) - math.fsum(values.tolist())) < 1e-11


def test_nothing_adds_up_to_zero():
    assert total(block_totals(torch.empty(0, dtype=torch.float64))) == 0.0
