"""Drop at random, rescale, elect a sign, add what agrees."""

from __future__ import annotations

from engine.methods import dropping
from engine.methods.contract import Method
from engine.methods.task_vectors import INPUTS
from engine.methods.thinning import Dense

METHOD = Method(
    name="dare_ties",
    purpose="merge many fine-tunes that conflict, keeping a random part of each change and one sign",
    formula="base + λ·Σ agreeing wᵢδᵢ, each δ kept with probability density and divided by it",
    paper="2311.03099",
    inputs=INPUTS,
    source_parameters=Dense,
    parameters=dropping.Dropped,
    steps=dropping.steps(dropping.density_for_all, consensus=True, single=True),
    sweeps=dropping.sweeps,
    inert=frozenset({"int8_mask"}),
)
