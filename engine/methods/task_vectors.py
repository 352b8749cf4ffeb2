"""What the task-vector methods share: their parameters, sign consensus, and the way back to a model.

Task vectors are ``δᵢ = xᵢ - base``. Each is thinned out, multiplied by its weight, perhaps restricted to
what agrees with the elected sign, summed, perhaps divided by the weights, multiplied by ``lambda`` and
added to the base: numerics in ``docs/methods.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from engine.methods import weighted
from engine.methods.arithmetic import added, blended_in_place, positive
from engine.methods.contract import Estimated, Inputs, ParameterSet
from engine.methods.single import estimate_of_consensus, estimate_of_sum, within

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from engine.methods.contract import Blend, Chunk, Mix

INPUTS = Inputs(base="required", least=1, most=None, task_vectors=True)
SMALLEST_DIVISOR = 1e-8


class Weighted(ParameterSet):
    """Per model, of every method here."""

    weight: float = Field(description="factor of this model's task vector")


class Summed(ParameterSet):
    """For the whole tensor, of every method here."""

    normalize: bool = Field(default=False, description="divide by the sum of the weights")
    lambda_: float = Field(default=1.0, alias="lambda", description="factor of the summed task vectors")
    int8_mask: bool = Field(default=False, description="accepted for mergekit's recipes; changes nothing")


@dataclass(frozen=True)
class Rule:
    """How weighted task vectors become one: by sign consensus or all of them."""

    consensus: bool
    normalize: bool
    scale: float

    @staticmethod
    def of(mix: Mix, *, consensus: bool) -> Rule:
        """Read it from a method's global parameters."""
        return Rule(consensus, mix.parameters.normalize, mix.parameters.lambda_)


def elected_sign(weighted: Sequence[Tensor]) -> Tensor:
    """Sign of the sum of the weighted task vectors, zero counting as positive: 1.0 and -1.0, float64."""
    return added(weighted).ge_(0.0).mul_(2.0).sub_(1.0)


def _with_consensus(weighted: Sequence[Tensor], weights: Sequence[float], *, normalize: bool) -> Tensor:
    """Sum what has the elected sign (a zero never does). Overwrites ``weighted``.

    In multiples of the elected sign, what agrees is what is positive: no comparison is needed, which torch is slow
    at, and no bit changes by it.
    """
    elected = elected_sign(weighted)
    agreeing = [positive(tensor.mul_(elected)) for tensor in weighted]
    total = added(agreeing)
    if normalize:
        divisor = blended_in_place([tensor.sign_() for tensor in agreeing], weights)
        total /= divisor.add_(divisor.clone().eq_(0.0))  # 0 counts as 1
    return total.mul_(elected)


def plain(mix: Mix) -> Blend:
    """Make the blend of task vectors that are neither thinned nor elected."""
    weights, rule = [source.weight for source in mix.sources], Rule.of(mix, consensus=False)
    return weighted.of_task_vectors(_normalized(weights) if rule.normalize else weights, rule.scale)


def summed(deltas: Sequence[Tensor], weights: Sequence[float], rule: Rule) -> Tensor:
    """Sum of the weighted task vectors as ``rule`` says, before the base is added (float64). Overwrites ``deltas``."""
    if rule.consensus:
        weighted = [delta.mul_(weight) for delta, weight in zip(deltas, weights, strict=True)]
        total = _with_consensus(weighted, weights, normalize=rule.normalize)
    else:
        total = blended_in_place(deltas, _normalized(weights) if rule.normalize else weights)
    return total if rule.scale == 1.0 else total.mul_(rule.scale)


def _normalized(weights: Sequence[float]) -> list[float]:
    total = math.fsum(weights)
    divisor = total if abs(total) >= SMALLEST_DIVISOR else 1.0
    return [weight / divisor for weight in weights]


def blend_of(thin: Callable[[Chunk], Sequence[Tensor]], mix: Mix, rule: Rule, *, single: bool) -> Blend:
    """Make the blend: thin the task vectors out, sum them as ``rule`` says, add the base.

    Where ``single``, what is thinned out is the same in float32, and so the blend is estimated, if its factors allow.
    """
    weights = [source.weight for source in mix.sources]

    def blend(chunk: Chunk) -> Tensor:
        return summed(thin(chunk), weights, rule).add_(chunk.base)

    if not single or not within(rule.scale):
        return blend
    if rule.consensus and all(weight > 0.0 and within(weight) for weight in weights):
        return Estimated(blend, estimate_of_consensus(thin, weights, rule.scale, normalize=rule.normalize))
    factors = _normalized(weights) if rule.normalize else weights
    if not rule.consensus and all(map(within, factors)):
        return Estimated(blend, estimate_of_sum(thin, factors, rule.scale))
    return blend
