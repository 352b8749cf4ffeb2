"""Weighted average of models."""

from __future__ import annotations

import math

from pydantic import Field

from engine.methods import weighted
from engine.methods.contract import Inputs, Method, Mix, ParameterSet, Steps


class SourceParameters(ParameterSet):
    """Per model."""

    weight: float = Field(description="share of this model in the average")


class Parameters(ParameterSet):
    """For the whole tensor."""

    normalize: bool = Field(default=True, description="divide by the sum of the weights")


def _steps(mix: Mix) -> Steps:
    yield from ()
    weights = [source.weight for source in mix.sources]
    if mix.parameters.normalize:
        total = math.fsum(weights)
        weights = [weight / total for weight in weights]
    return weighted.of_models(weights)


METHOD = Method(
    name="linear",
    purpose="average fine-tunes of one model, each with its share",
    formula="Σ wᵢxᵢ, divided by Σ wᵢ unless normalize is false",
    paper="2203.05482",
    inputs=Inputs(base="participant", least=1, most=None),
    source_parameters=SourceParameters,
    parameters=Parameters,
    steps=_steps,
)
