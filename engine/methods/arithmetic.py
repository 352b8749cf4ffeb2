"""Sums that several methods share. Order is the recipe's; every operation is rounded on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def weighted_sum(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """``Σ wᵢxᵢ`` over at least one float64 tensor, added in order.

    A product and a sum are two roundings: a fused multiply-add would depend on the processor.
    """
    total = tensors[0] * weights[0]
    for tensor, weight in zip(tensors[1:], weights[1:], strict=True):
        total += tensor * weight
    return total
