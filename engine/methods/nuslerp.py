"""Spherical interpolation of two models or task vectors, as a whole or row by row or column by column."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from engine.methods import weighted
from engine.methods.arithmetic import row_totals
from engine.methods.contract import Columns, Inputs, Method, Mix, ParameterSet, Steps, last_dimension
from engine.methods.gram import CANCELS, MOST_SWEEPS, measured, products, squares
from engine.methods.trigonometry import acos, arc_cosines, sin, sines, square_roots

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Any

    from torch import Tensor

    from engine.methods.contract import Chunk, Measure

SMALLEST_NORM = 1e-7
COLLINEAR = 1e-16
"""Squared sine up to which the interpolation is linear."""
SMALLEST_SUM = 1e-8
"""Share of the weights' sizes up to which their sum is nothing."""


class SourceParameters(ParameterSet):
    """Per model."""

    weight: float = Field(description="share of this model in the blend")


class Parameters(ParameterSet):
    """For the whole tensor."""

    nuslerp_flatten: bool = Field(default=True, description="take the whole tensor as one vector")
    nuslerp_row_wise: bool = Field(
        default=False,
        description="if it is not flattened, take vectors along the first dimension and not along the last",
    )


def end(mix: Mix) -> float:
    """How far to go from the first model (0) to the second (1)."""
    first, second = (source.weight for source in mix.sources)
    total = first + second
    return second / total if abs(total) > SMALLEST_SUM * (abs(first) + abs(second)) else 0.5


def factors(t: float, half_cosine: float) -> tuple[float, float]:
    """Factors of two vectors; ``half_cosine`` is the cosine of half their angle."""
    angle = 2.0 * acos(min(half_cosine, 1.0))
    sine = sin(angle)
    if sine * sine <= COLLINEAR:
        return 1.0 - t, t
    return sin((1.0 - t) * angle) / sine, sin(t * angle) / sine


def all_factors(t: float, half_cosines: Tensor) -> tuple[Tensor, Tensor]:
    """The same for many pairs of vectors; shapes ``(n,)``. What is not a number stays where it is: linear there."""
    angles = 2.0 * arc_cosines(half_cosines.clamp(max=1.0))
    sine = sines(angles)
    curved = sine * sine > COLLINEAR
    first, second = ((sines(part * angles) / sine).where(curved, part) for part in (1.0 - t, t))
    return first, second


def _is_flat(mix: Mix) -> bool:
    return mix.parameters.nuslerp_flatten or len(mix.shape) < 2


def _row(mix: Mix) -> int:
    if _is_flat(mix):
        return 1
    return max(mix.size // max(mix.shape[0], 1), 1) if mix.parameters.nuslerp_row_wise else last_dimension(mix)


def _sweeps(mix: Mix) -> int:
    return MOST_SWEEPS if _is_flat(mix) or mix.parameters.nuslerp_row_wise else 0


def _of_the_whole(t: float) -> Generator[Measure, Any, tuple[float, float]]:
    """Half the sum of the unit vectors is as long as half the angle's cosine, for opposed ones with all its digits.

    A norm that is too small to be divided by leaves a shorter vector; the sum of squares makes up for it.
    """
    gram = yield from measured(2)
    norms = [max(norm, SMALLEST_NORM) for norm in gram.norms]
    shorter = [norm / used for norm, used in zip(gram.norms, norms, strict=True)]
    lacking = math.fsum(1.0 - length * length for length in shorter)
    summed = yield from gram.length([1.0 / norm for norm in norms])
    return factors(t, math.sqrt(summed * summed + lacking) / 2.0)


def _units(squared: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
    """From squared norms to reciprocal norms, and what the unit vectors lack in squares."""
    norms = [square_roots(square) for square in squared]
    used = [norm.clamp(min=SMALLEST_NORM) for norm in norms]
    lengths = [norm / own for norm, own in zip(norms, used, strict=True)]
    return [own.reciprocal() for own in used], sum((1.0 - length * length for length in lengths), start=norms[0] * 0.0)


def _vectors(chunk: Chunk, row: int) -> list[Tensor]:
    return [model.view(-1, row) for model in chunk.models]


def _summed(vectors: Sequence[Tensor], units: Sequence[Tensor]) -> Tensor:
    return vectors[0] * units[0] + vectors[1] * units[1]


def _of_columns(t: float, row: int) -> Generator[Measure, Any, tuple[Tensor, Tensor]]:
    first, product, second = yield Columns(lambda chunk: tuple(products(chunk.models)))
    units, lacking = _units((first, second))
    square = first * units[0] * units[0] + second * units[1] * units[1] + 2.0 * (product * units[0] * units[1])
    if bool((square < 4.0 * CANCELS).any()):
        (square,) = yield Columns(lambda chunk: squares((_summed(_vectors(chunk, row), units).flatten(),)))
    return all_factors(t, square_roots((square + lacking).clamp(min=0.0)) / 2.0)


def _of_rows(t: float, vectors: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    units, lacking = _units([row_totals(square) for square in squares(vectors)])
    (square,) = squares((_summed(vectors, [unit.unsqueeze(1) for unit in units]),))
    first, second = all_factors(t, square_roots(row_totals(square) + lacking) / 2.0)
    return first.unsqueeze(1), second.unsqueeze(1)


def _steps(mix: Mix) -> Steps:
    t, row = end(mix), _row(mix)
    if _is_flat(mix):
        whole = yield from _of_the_whole(t)
        return weighted.of_task_vectors(whole) if mix.has_base else weighted.of_models(whole)
    columns = (yield from _of_columns(t, row)) if mix.parameters.nuslerp_row_wise else None

    def blend(chunk: Chunk) -> Tensor:
        vectors = _vectors(chunk, row)
        total = _summed(vectors, columns or _of_rows(t, vectors)).flatten()
        return total.add_(chunk.base) if mix.has_base else total

    return blend


METHOD = Method(
    name="nuslerp",
    purpose="blend two models, or two task vectors, along the arc between them, by weights",
    formula="(sin((1-t)θ)·a + sin(tθ)·b) / sin θ, where θ is the angle between a and b and t = w₂ / (w₁ + w₂)",
    paper="",
    inputs=Inputs(base="optional", least=2, most=2, task_vectors=True),
    source_parameters=SourceParameters,
    parameters=Parameters,
    steps=_steps,
    sweeps=_sweeps,
    row=_row,
)
