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


def blended_in_place(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """``weighted_sum``, to the bit, in the place of ``tensors``, which are used up: twice as quick."""
    first, *others = (tensor.mul_(weight) for tensor, weight in zip(tensors, weights, strict=True))
    for tensor in others:
        first += tensor
    return first


def added(tensors: Sequence[Tensor]) -> Tensor:
    """Sum of at least one float64 tensor, added in order; a tensor of its own."""
    total = tensors[0] + tensors[1] if len(tensors) > 1 else tensors[0].clone()
    for tensor in tensors[2:]:
        total += tensor
    return total


def divided(tensor: Tensor, divisor: float | Tensor) -> Tensor:
    """Divide in place, correctly rounded.

    A product with the reciprocal would be rounded once more, and miss exact midpoints. That is how some devices divide
    by a number, but not by a tensor of one element.
    """
    return tensor.div_(tensor.new_tensor([divisor]) if isinstance(divisor, float) else divisor)


def positive(tensor: Tensor) -> Tensor:
    """Put zeros in the place of what is below zero.

    Which of 0.0 and -0.0 is the larger one, processors do not agree on; so the sign goes as well.
    """
    return tensor.clamp_min_(0.0).abs_()


def largest_size(tensor: Tensor) -> float:
    """Largest magnitude of a tensor of at least one element; no number, where one of them is none."""
    least, most = tensor.aminmax()
    return max(abs(float(least)), abs(float(most)))


def row_totals(rows: Tensor) -> Tensor:
    """Total of each row of a float64 matrix of at least one column, shape ``(rows,)``.

    Pairwise, as if zeros filled the width up to a power of two: the right half is added to the left one until one
    column is left. Additions of two numbers in a fixed order, so no bit depends on the processor.
    """
    return fold(rows, 1).squeeze(1)


def fold(rows: Tensor, width: int) -> Tensor:
    """Go that way until ``width`` columns, a power of two, or fewer are left; a tensor of its own, if any was added."""
    own = False
    while rows.shape[1] > width:
        half = 1 << (rows.shape[1] - 1).bit_length() - 1
        left, right = rows[:, :half], rows[:, half:]
        if own:
            rows = left.add_(right)
        elif right.shape[1] == half:
            rows = left + right
        else:
            rows = left.clone()
            rows[:, : right.shape[1]] += right
        own = True  # and from now on as wide as a power of two
    return rows
