"""As ``ram``, but what only one fine-tune changed is made a little larger, to make up for what is averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from engine.methods.activity import Threshold, active, blend_of, number, shared
from engine.methods.contract import SUMS_SWEEPS, Method, Mix, NoParameters, Sums
from engine.methods.task_vectors import INPUTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from engine.methods.contract import Chunk, Steps


class Parameters(Threshold):
    """For the whole tensor."""

    r: float = Field(default=0.1, ge=0, description="how much what one model changed alone grows with its overlap")
    alpha: float = Field(default=0.2, ge=0, description="largest overlap that counts")


def factor(parameters: Parameters, unique: float, overlapping: float) -> float:
    """Factor of what one model changed alone: ``1 + r·clip(shared / max(unique, ε), 0, alpha)``.

    Counts are of elements of the tensor. With none changed alone the factor multiplies nothing, and is 1.
    """
    if unique == 0:
        return 1.0
    return 1.0 + parameters.r * min(overlapping / max(unique, parameters.epsilon), parameters.alpha)


def _terms(chunk: Chunk, epsilon: float) -> Iterator[Tensor]:
    """For each model, what is active in it alone, and what is in others too."""
    masks = active(chunk.models, epsilon)
    together = shared(number(masks))
    for mask in masks:
        overlap = mask * together
        yield mask.sub_(overlap)
        yield overlap


def _steps(mix: Mix) -> Steps:
    epsilon = mix.parameters.epsilon
    counts = yield Sums(lambda chunk: _terms(chunk, epsilon))
    factors = [factor(mix.parameters, *pair) for pair in zip(counts[::2], counts[1::2], strict=True)]
    return blend_of(epsilon, factors)


METHOD = Method(
    name="ramplus_tl",
    purpose="as ram, with what one model alone changed made a little larger, to make up for what is averaged",
    formula="base + the mean of the δᵢ with |δᵢ| > ε; where one is alone, δᵢ·(1 + r·min(sharedᵢ/uniqueᵢ, alpha))",
    paper="2601.13572",
    inputs=INPUTS,
    source_parameters=NoParameters,
    parameters=Parameters,
    steps=_steps,
    sweeps=lambda _mix: SUMS_SWEEPS,
)
