"""The mean of fine-tunes, drawn back to their base as far as they disagree."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

from pydantic import Field

from engine.methods import weighted
from engine.methods.arithmetic import divided, row_totals, weighted_sum
from engine.methods.contract import (
    SUMS_SWEEPS,
    Inputs,
    Method,
    Mix,
    NoParameters,
    ParameterSet,
    Steps,
    last_dimension,
)
from engine.methods.gram import measured, squares
from engine.methods.trigonometry import square_roots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from engine.methods.contract import Chunk

SMALLEST_PRODUCT = 1e-6
SMALLEST_DIVISOR = 1e-8


class Parameters(ParameterSet):
    """For the whole tensor."""

    filter_wise: bool = Field(default=False, description="decide for each row along the last dimension by itself")


def share(cosine: float, count: int) -> float:
    """How far to go from the base to the mean of ``count`` fine-tunes whose pairs have that mean cosine."""
    divisor = 1.0 + (count - 1) * cosine
    return count * cosine / divisor if abs(divisor) >= SMALLEST_DIVISOR else 0.0


def mean_cosine(products: Sequence[Sequence[float]]) -> float:
    """Mean over all pairs, of which ``products`` are the inner products; of at least two vectors."""
    norms = [math.sqrt(row[i]) for i, row in enumerate(products)]
    pairs = list(combinations(range(len(norms)), 2))
    cosines = [products[i][j] / max(norms[i] * norms[j], SMALLEST_PRODUCT) for i, j in pairs]
    return math.fsum(cosines) / len(pairs)


def row_shares(rows: Sequence[Tensor]) -> Tensor:
    """The same for each row of task vectors of shape ``(rows, width)``; shape ``(rows,)``."""
    norms = [square_roots(row_totals(square)) for square in squares(rows)]
    pairs = list(combinations(range(len(rows)), 2))
    total = norms[0] * 0.0
    for i, j in pairs:
        total += row_totals(rows[i] * rows[j]) / (norms[i] * norms[j]).clamp_min_(SMALLEST_PRODUCT)
    cosine = divided(total, float(len(pairs)))
    divisor = cosine * (len(rows) - 1) + 1.0
    return (cosine * len(rows) / divisor).where(divisor.abs() >= SMALLEST_DIVISOR, 0.0)


def _row_wise(mix: Mix) -> int:
    return last_dimension(mix) if mix.parameters.filter_wise else 1


def _steps(mix: Mix) -> Steps:
    count = len(mix.sources)
    if mix.parameters.filter_wise:

        def blend_rows(chunk: Chunk) -> Tensor:
            rows = [delta.view(-1, last_dimension(mix)) for delta in chunk.models]
            mean = weighted_sum(rows, [1.0 / count] * count)
            return mean.mul_(row_shares(rows).unsqueeze(1)).flatten().add_(chunk.base)

        return blend_rows
    gram = yield from measured(count)
    factor = share(mean_cosine(gram.rows), count) / count
    return weighted.of_task_vectors([factor] * count)


METHOD = Method(
    name="model_stock",
    purpose="average a few fine-tunes of one base, drawn back to it as far as they disagree",
    formula="t·mean + (1-t)·base, where t = N·c / (1 + (N-1)·c) and c is the mean cosine of pairs of task vectors",
    paper="2403.19522",
    inputs=Inputs(base="required", least=2, most=None, task_vectors=True),
    source_parameters=NoParameters,
    parameters=Parameters,
    steps=_steps,
    sweeps=lambda mix: 0 if mix.parameters.filter_wise else SUMS_SWEEPS,
    row=_row_wise,
)
