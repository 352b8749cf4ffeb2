"""Add what fine-tuning changed."""

from __future__ import annotations

from engine.methods.contract import Method, Mix, Steps
from engine.methods.task_vectors import INPUTS, Summed, Weighted, plain


def _steps(mix: Mix) -> Steps:
    yield from ()
    return plain(mix)


METHOD = Method(
    name="task_arithmetic",
    purpose="add skills of several fine-tunes to their base",
    formula="base + λ·Σ wᵢδᵢ, where δᵢ = xᵢ - base",
    paper="2212.04089",
    inputs=INPUTS,
    source_parameters=Weighted,
    parameters=Summed,
    steps=_steps,
    inert=frozenset({"density", "int8_mask", "rescale"}),
)
