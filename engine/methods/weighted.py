"""Blends that are a weighted sum of what is stored, however they are computed: all that stay in their inputs' span."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.methods.arithmetic import blended_in_place, largest_size
from engine.methods.contract import Estimate, Estimated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from engine.methods.contract import Blend, Chunk, Stored

UNIT, DOUBLE_UNIT = 2.0**-24, 2.0**-53
"""What one rounding changes, at most, as a share of the result: in float32 and in float64."""
SMALLEST = 2.0**-126
"""What one rounding changes at most where the result is no normal number."""
LARGEST = 2.0**100
"""Factors that float32 has room for."""


def of_models(factors: Sequence[float]) -> Blend:
    """``Σ fᵢxᵢ`` over all models of a mix without a base, products and sums in order."""

    def exact(chunk: Chunk) -> Tensor:
        return blended_in_place(chunk.models, factors)

    return _estimated(exact, factors)


def of_base_and_models(factors: Sequence[float]) -> Blend:
    """The same with the base as the first of them."""

    def exact(chunk: Chunk) -> Tensor:
        return blended_in_place((chunk.base, *chunk.models), factors)

    return _estimated(exact, factors)


def of_task_vectors(factors: Sequence[float], scale: float = 1.0) -> Blend:
    """``base + scale·Σ fᵢδᵢ``, in that order."""

    def exact(chunk: Chunk) -> Tensor:
        total = blended_in_place(chunk.models, factors)
        return (total if scale == 1.0 else total.mul_(scale)).add_(chunk.base)

    scaled = [scale * factor for factor in factors]
    return _estimated(exact, [math.fsum((1.0, *(-factor for factor in scaled))), *scaled])


def _estimated(exact: Blend, factors: Sequence[float]) -> Blend:
    return Estimated(exact, estimate_of(factors)) if all(abs(factor) < LARGEST for factor in factors) else exact


def estimate_of(factors: Sequence[float]) -> Callable[[Stored], Estimate]:
    """Estimate ``Σ fᵢxᵢ`` over all operands.

    Of n terms each is rounded at most as a factor, as a product and in n - 1 sums; two more are left for the caller,
    one for what is rounded of those. Float64 rounds likewise, perhaps from operands and their differences on: nothing
    there is larger than the operands together, times the factors and one more.
    """
    roundings, room = len(factors) + 4, 1.0 + math.fsum(map(abs, factors))

    def estimate(stored: Stored) -> Estimate:
        first, *others = stored.operands
        single = first.float()
        total = single.mul(factors[0]) if single is first else single.mul_(factors[0])
        for operand, factor in zip(others, factors[1:], strict=True):
            total.add_(operand.float(), alpha=factor)
        sizes = [largest_size(operand) for operand in stored.operands]
        largest = math.fsum(abs(factor) * size for factor, size in zip(factors, sizes, strict=True))
        most = math.fsum(sizes)
        error = roundings * (UNIT * largest + 4.0 * DOUBLE_UNIT * room * most + SMALLEST * (1.0 + most))
        return Estimate(total, error, largest + error)

    return estimate
