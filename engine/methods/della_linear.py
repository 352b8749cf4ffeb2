"""Drop at random, the smaller ones sooner, rescale, add."""

from __future__ import annotations

from engine.methods import dropping, ranks
from engine.methods.contract import Method, last_dimension
from engine.methods.task_vectors import INPUTS

METHOD = Method(
    name="della_linear",
    purpose="merge many fine-tunes, keeping a random part of each change that favours its large elements",
    formula="base + λ·Σ wᵢδᵢ, each δ kept with density ± epsilon, by rank, and divided by it",
    paper="2406.11617",
    inputs=INPUTS,
    source_parameters=ranks.Ranked,
    parameters=dropping.Dropped,
    steps=dropping.steps(ranks.by_rank, consensus=False),
    sweeps=dropping.sweeps,
    row=last_dimension,
    clamped=ranks.clamped,
    inert=frozenset({"int8_mask"}),
)
