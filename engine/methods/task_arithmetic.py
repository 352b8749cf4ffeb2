"""Add what fine-tuning changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.methods.contract import Method, Mix, Steps
from engine.methods.task_vectors import INPUTS, Rule, Summed, Weighted, blend_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from engine.methods.contract import Chunk


def _deltas(chunk: Chunk) -> Sequence[Tensor]:
    return chunk.models


def _steps(mix: Mix) -> Steps:
    yield from ()
    return blend_of(_deltas, mix, Rule.of(mix, consensus=False))


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
