"""Drop at random, the smaller ones sooner, rescale, elect a sign, average what agrees."""

from __future__ import annotations

from pydantic import Field

from engine.methods import dropping, ranks
from engine.methods.contract import Method, last_dimension
from engine.methods.task_vectors import INPUTS


class Parameters(dropping.Dropped):
    """For the whole tensor."""

    normalize: bool = Field(default=True, description="divide by the sum of the weights that agree")


METHOD = Method(
    name="della",
    purpose="merge many fine-tunes that conflict, keeping a random part of each change that favours its large elements",
    formula="base + λ·Σ agreeing wᵢδᵢ / Σ agreeing wᵢ, each δ kept with density ± epsilon, by rank, and divided by it",
    paper="2406.11617",
    inputs=INPUTS,
    source_parameters=ranks.Ranked,
    parameters=Parameters,
    steps=dropping.steps(ranks.by_rank, consensus=True),
    sweeps=dropping.sweeps,
    row=last_dimension,
    clamped=ranks.clamped,
    inert=frozenset({"int8_mask"}),
)
