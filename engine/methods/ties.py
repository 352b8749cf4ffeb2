"""Trim, elect a sign, merge what agrees."""

from __future__ import annotations

from pydantic import Field

from engine.methods import magnitude
from engine.methods.contract import Method
from engine.methods.task_vectors import INPUTS
from engine.methods.thinning import Dense


class Parameters(magnitude.Rescaled):
    """For the whole tensor."""

    normalize: bool = Field(default=True, description="divide by the sum of the weights that agree")


METHOD = Method(
    name="ties",
    purpose="merge many fine-tunes of one base where their changes conflict",
    formula="base + λ·Σ agreeing wᵢδᵢ / Σ agreeing wᵢ, each δ trimmed to its largest elements",
    paper="2306.01708",
    inputs=INPUTS,
    source_parameters=Dense,
    parameters=Parameters,
    steps=magnitude.steps(magnitude.largest, consensus=True),
    sweeps=magnitude.sweeps(magnitude.largest),
    inert=frozenset({"int8_mask"}),
)
