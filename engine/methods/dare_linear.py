"""Drop at random, rescale, add."""

from __future__ import annotations

from engine.methods import dropping
from engine.methods.contract import Method
from engine.methods.task_vectors import INPUTS
from engine.methods.thinning import Dense

METHOD = Method(
    name="dare_linear",
    purpose="merge many fine-tunes that each change little, keeping a random part of each change",
    formula="base + λ·Σ wᵢδᵢ, each δ kept with probability density and divided by it",
    paper="2311.03099",
    inputs=INPUTS,
    source_parameters=Dense,
    parameters=dropping.Dropped,
    steps=dropping.steps(dropping.density_for_all, consensus=False, single=True),
    sweeps=dropping.sweeps,
    inert=frozenset({"int8_mask"}),
)
