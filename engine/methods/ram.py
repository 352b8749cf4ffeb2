"""Average what several fine-tunes changed, keep whole what only one did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.methods.activity import Threshold, blend_of
from engine.methods.contract import Method, Mix, NoParameters
from engine.methods.task_vectors import INPUTS

if TYPE_CHECKING:
    from engine.methods.contract import Steps


def _steps(mix: Mix) -> Steps:
    yield from ()
    return blend_of(mix.parameters.epsilon, [1.0] * len(mix.sources))


METHOD = Method(
    name="ram",
    purpose="merge fine-tunes by reinforcement learning, whose sparse changes must not be averaged away",
    formula="base + the mean of the δᵢ with |δᵢ| > ε",
    paper="2601.13572",
    inputs=INPUTS,
    source_parameters=NoParameters,
    parameters=Threshold,
    steps=_steps,
)
