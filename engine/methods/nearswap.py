"""Go over to another model where it is near."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from engine.methods.contract import Inputs, Method, Mix, NoParameters, ParameterSet, Steps

if TYPE_CHECKING:
    from torch import Tensor

    from engine.methods.contract import Chunk

SMALLEST_DISTANCE = 1e-6


class Parameters(ParameterSet):
    """For the whole tensor."""

    t: float = Field(ge=0, description="distance up to which an element becomes the other model's, in units of weights")


def _steps(mix: Mix) -> Steps:
    yield from ()

    def blend(chunk: Chunk) -> Tensor:
        (other,) = chunk.models
        share = (chunk.base - other).abs_().clamp_min_(SMALLEST_DISTANCE)
        # A tensor of one number, because a number divided by a tensor is multiplied by reciprocals: two roundings.
        share = share.new_tensor(mix.parameters.t).div(share).clamp_max_(1.0)
        return (share * other).add_(share.neg_().add_(1.0).mul_(chunk.base))

    return blend


METHOD = Method(
    name="nearswap",
    purpose="move a base to another model where the two are near each other, and leave it where they are not",
    formula="w·b + (1-w)·a, where a is the base and w = min(t / max(|a - b|, 1e-6), 1) for each element",
    paper="",
    inputs=Inputs(base="required", least=1, most=1),
    source_parameters=NoParameters,
    parameters=Parameters,
    steps=_steps,
)
