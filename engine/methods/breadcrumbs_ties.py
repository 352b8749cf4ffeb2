"""Leave out the largest changes and the smallest, elect a sign, add what agrees."""

from __future__ import annotations

from engine.methods import magnitude
from engine.methods.contract import Method
from engine.methods.task_vectors import INPUTS

METHOD = Method(
    name="breadcrumbs_ties",
    purpose="merge many fine-tunes that conflict, leaving out each one's outliers and its noise",
    formula="base + λ·Σ agreeing wᵢδᵢ, each δ without its share gamma of largest elements, and the next share density "
    "kept",
    paper="2312.06795",
    inputs=INPUTS,
    source_parameters=magnitude.Outliers,
    parameters=magnitude.Rescaled,
    steps=magnitude.steps(magnitude.without_outliers, consensus=True),
    sweeps=magnitude.sweeps(magnitude.without_outliers),
    inert=frozenset({"int8_mask"}),
)
