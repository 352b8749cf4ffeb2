"""The mean direction of models, at their mean length."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from engine.methods import weighted
from engine.methods.contract import Inputs, Method, Mix, NoResultError, ParameterSet, Steps
from engine.methods.gram import MOST_SWEEPS, measured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.methods.contract import Blend


CANCELLED = 1e-8
"""Share of the directions' lengths up to which nothing is left of their sum."""


class SourceParameters(ParameterSet):
    """Per model."""

    weight: float = Field(description="share of this model's direction, and of its length")


class Parameters(ParameterSet):
    """For the whole tensor."""

    normalize_weights: bool = Field(default=True, description="divide the weights by their sum")
    eps: float = Field(default=1e-8, ge=0, description="added to each norm before it is divided by")


def _weights(mix: Mix) -> list[float]:
    weights = [source.weight for source in mix.sources]
    total = math.fsum(weights) if mix.parameters.normalize_weights else 1.0
    return [weight / total for weight in weights]


def _combined(mix: Mix, factors: Sequence[float]) -> Blend:
    return weighted.of_task_vectors(factors) if mix.has_base else weighted.of_models(factors)


def _steps(mix: Mix) -> Steps:
    """Blend at the mean direction.

    The interpolation goes on from there along the weighted sum of what the unit vectors have across it. But that is
    zero: all across the mean of vectors adds up to nothing. So it ends where it begins.
    """
    count, weights = len(mix.sources), _weights(mix)
    if count == 1:
        return _combined(mix, [1.0])
    gram = yield from measured(count)
    lengths = [norm + mix.parameters.eps for norm in gram.norms]
    units = [weight / length if length else 0.0 for weight, length in zip(weights, lengths, strict=True)]
    most = math.fsum(abs(unit) * norm for unit, norm in zip(units, gram.norms, strict=True))
    left = yield from gram.length(units)
    if left > CANCELLED * most:
        scale = math.fsum(weight * norm for weight, norm in zip(weights, gram.norms, strict=True))
        return _combined(mix, [unit / left * scale for unit in units])
    if count > 2 and most > 0.0:
        raise NoResultError(
            f"the directions of its {count} models cancel as they are weighted, so that they have no mean; "
            "change a `weight`, or choose another method"
        )
    return _combined(mix, weights)


METHOD = Method(
    name="multislerp",
    purpose="average many models, or task vectors, by direction and by length, so that averaging shrinks nothing",
    formula="m·Σ wᵢ‖xᵢ‖, where m is the unit vector along Σ wᵢxᵢ/(‖xᵢ‖ + eps)",
    paper="",
    inputs=Inputs(base="optional", least=1, most=None, task_vectors=True),
    source_parameters=SourceParameters,
    parameters=Parameters,
    steps=_steps,
    sweeps=lambda mix: MOST_SWEEPS if len(mix.sources) > 1 else 0,
    verbatim=lambda mix: len(mix.sources) == 1 and not mix.has_base,
)
