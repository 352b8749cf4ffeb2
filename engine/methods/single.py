"""Sums of thinned task vectors in float32, and how far at most they are from ``engine.methods.task_vectors``'.

Which elements a thinning keeps is the same in either precision. The elected sign may not be, where the sum that elects
it is nearly zero: there the estimate is of no use, and says so.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.methods.arithmetic import largest_size
from engine.methods.contract import Estimate
from engine.methods.weighted import SMALLEST, UNIT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from engine.methods.contract import Chunk, Stored

ROUNDINGS = 4
"""Of a thinned task vector: its difference, a probability, the division by that; one for all that float64 rounds."""
WITHIN = 2.0**16
"""What factors and their reciprocals stay below: rounded to float32 they keep its precision."""


def within(factor: float) -> bool:
    """Whether a factor is nothing, or neither too small nor too large to be estimated with."""
    return factor == 0.0 or 1.0 / WITHIN < abs(factor) < WITHIN


def estimate_of_sum(
    thin: Callable[[Chunk], Sequence[Tensor]], weights: Sequence[float], scale: float
) -> Callable[[Stored], Estimate]:
    """Estimate ``base + scale·Σ wᵢδᵢ``, the δ thinned out."""

    def estimate(stored: Stored) -> Estimate:
        chunk = stored.single()
        thinned = thin(chunk)
        most = math.fsum(abs(weight) * largest_size(delta) for delta, weight in zip(thinned, weights, strict=True))
        error = (ROUNDINGS + len(weights) + 4) * (UNIT * most + SMALLEST)
        return _estimate(_weighted_sum(thinned, weights), chunk.base, scale, error, None)

    return estimate


def estimate_of_consensus(
    thin: Callable[[Chunk], Sequence[Tensor]], weights: Sequence[float], scale: float, *, normalize: bool
) -> Callable[[Stored], Estimate]:
    """Estimate ``base + scale·Σ agreeing wᵢδᵢ``, divided by ``Σ agreeing wᵢ`` where that is asked for. All w > 0.

    What disagrees adds up to no more than what agrees, so nothing that is summed up is larger than twice that. It is no
    larger than what is in doubt, either, where the sum that elects the sign is below its error.
    """
    least = min(weights)

    def estimate(stored: Stored) -> Estimate:
        chunk = stored.single()
        thinned = thin(chunk)
        total = _weighted_sum(thinned, weights)
        elected = total.new_ones(()).expand_as(total).copysign(total)  # of whatever it is, 1 or -1
        agreeing = [delta.mul_(elected).clamp_min_(0.0) for delta in thinned]
        values = _weighted_sum(agreeing, weights)
        error = 2.0 * (ROUNDINGS + 2 * len(weights) + 6) * (UNIT * float(values.amax()) + SMALLEST)
        doubt = total.abs_().le_(error).mul_(values)
        if normalize:
            values.div_(_weighted_sum([delta.sign_() for delta in agreeing], weights).clamp_min_(least))
            error /= least
        return _estimate(values.mul_(elected), chunk.base, scale, error, doubt)

    return estimate


def _weighted_sum(deltas: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """``Σ wᵢδᵢ``, perhaps with fused operations: which, depends on the processor, and is within the error."""
    total = deltas[0].mul(weights[0])
    for delta, weight in zip(deltas[1:], weights[1:], strict=True):
        total.add_(delta, alpha=weight)
    return total


def _estimate(total: Tensor, base: Tensor, scale: float, error: float, doubt: Tensor | None) -> Estimate:
    """Add the base. The product's roundings are among the total's; the sum's is here, and two that are the caller's."""
    if scale != 1.0:
        total.mul_(scale)
    values = total.add_(base)
    largest = largest_size(values) + abs(scale) * error
    error = abs(scale) * error + 4.0 * (UNIT * largest + SMALLEST)
    return Estimate(values, error, largest + error, doubt)
