"""What the task-vector methods share: their parameters, sign consensus, and the way back to a model.

Task vectors are ``δᵢ = xᵢ - base``. Each is thinned out, multiplied by its weight, perhaps restricted to
what agrees with the elected sign, summed, perhaps divided by the weights, multiplied by ``lambda`` and
added to the base: numerics in ``docs/methods.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from engine.methods.arithmetic import weighted_sum
from engine.methods.contract import Inputs, ParameterSet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from engine.methods.contract import Blend, Chunk, Mix

INPUTS = Inputs(base="required", least=1, most=None, task_vectors=True)
SMALLEST_L1 = 1e-7
SMALLEST_DIVISOR = 1e-8


class Weighted(ParameterSet):
    """Per model, of every method here."""

    weight: float = Field(description="factor of this model's task vector")


class Dense(Weighted):
    """Per model, where task vectors are thinned out."""

    density: float = Field(default=1.0, ge=0, le=1, description="share of the task vector that is kept")


class Summed(ParameterSet):
    """For the whole tensor, of every method here."""

    normalize: bool = Field(default=False, description="divide by the sum of the weights")
    lambda_: float = Field(default=1.0, alias="lambda", description="factor of the summed task vectors")
    int8_mask: bool = Field(default=False, description="accepted for mergekit's recipes; changes nothing")


class Dropped(Summed):
    """For the whole tensor, where elements are dropped at random."""

    rescale: bool = Field(default=True, description="make up for what was dropped")
    rescale_norm: Literal["density", "l1"] = Field(
        default="density",
        description="make up by 1/density, as the paper does, or by the ratio of L1 norms, as mergekit does",
    )


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
    total = weighted[0].clone()
    for tensor in weighted[1:]:
        total += tensor
    sign = total.sign_()
    return sign.add_(1.0 - sign * sign)


def _with_consensus(weighted: Sequence[Tensor], weights: Sequence[float], *, normalize: bool) -> Tensor:
    """Sum what has the elected sign (a zero never does). Overwrites ``weighted``.

    In multiples of the elected sign, what agrees is what is positive: no comparison is needed, which torch is slow
    at, and no bit changes by it.
    """
    elected = elected_sign(weighted)
    agreeing = [tensor.mul_(elected).clamp_min_(0.0) for tensor in weighted]
    total = agreeing[0].clone()
    for tensor in agreeing[1:]:
        total += tensor
    if normalize:
        divisor = weighted_sum([tensor.sign() for tensor in agreeing], weights)
        total /= divisor.add_(1.0 - divisor.sign().abs_())  # 0 counts as 1
    return total.mul_(elected)


def summed(deltas: Sequence[Tensor], weights: Sequence[float], rule: Rule) -> Tensor:
    """Sum of the weighted task vectors as ``rule`` says, before the base is added (float64)."""
    if rule.consensus:
        weighted = [delta * weight for delta, weight in zip(deltas, weights, strict=True)]
        total = _with_consensus(weighted, weights, normalize=rule.normalize)
    else:
        total = weighted_sum(deltas, _normalized(weights) if rule.normalize else weights)
    return total if rule.scale == 1.0 else total.mul_(rule.scale)


def _normalized(weights: Sequence[float]) -> list[float]:
    total = sum(weights)
    divisor = total if abs(total) >= SMALLEST_DIVISOR else 1.0
    return [weight / divisor for weight in weights]


def blend_of(thin: Callable[[Chunk], Sequence[Tensor]], mix: Mix, rule: Rule) -> Blend:
    """Make the blend: thin the task vectors out, sum them as ``rule`` says, add the base."""
    weights = [source.weight for source in mix.sources]

    def blend(chunk: Chunk) -> Tensor:
        return summed(thin(chunk), weights, rule).add_(chunk.base)

    return blend


def l1_terms(deltas: Sequence[Tensor], thinned: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Elementwise terms of the L1 norms: before, after, before, after …."""
    return tuple(t.abs() for pair in zip(deltas, thinned, strict=True) for t in pair)


def l1_ratios(before_and_after: Sequence[float]) -> list[float]:
    """Factors that restore each L1 norm; 1 where the norm before or after is below 1e-7."""
    pairs = zip(before_and_after[::2], before_and_after[1::2], strict=True)
    return [b / a if b >= SMALLEST_L1 and a >= SMALLEST_L1 else 1.0 for b, a in pairs]
