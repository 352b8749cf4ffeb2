"""The mean of models on the sphere: their directions balance there, and its length is their mean length."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from engine.methods import weighted
from engine.methods.contract import Inputs, Method, Mix, NoParameters, ParameterSet, Steps
from engine.methods.gram import MOST_SWEEPS, measured
from engine.methods.trigonometry import acos, cos, sin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.methods.gram import Gram

OPPOSED = 1e-10
"""One plus the cosine, up to which (1.4e-5 from the opposite point) no way there counts as the shortest."""


class Parameters(ParameterSet):
    """For the whole tensor."""

    max_iter: int = Field(default=10, ge=0, description="most steps towards the mean")
    tol: float = Field(default=1e-5, ge=0, description="length of the last step, and of a tensor without a direction")


def _stretch(cosine: float) -> float:
    """θ / sin θ, by which what is across the mean becomes the way to an input; 0 where no way is the shortest."""
    if 1.0 + cosine <= OPPOSED:
        return 0.0
    angle = acos(cosine)
    sine = sin(angle)
    return angle / sine if sine > 0.0 else 1.0


def tangent(gram: Gram, units: Sequence[float], mean: Sequence[float]) -> list[float]:
    """Mean of the ways (logarithms) from ``mean`` to each input that has a direction.

    ``units`` are the inputs' reciprocal norms, 0 where there is no direction. All are factors of the inputs.
    """
    share = 1.0 / sum(unit > 0.0 for unit in units)
    cosines = [max(-1.0, min(unit * gram.with_input(i, mean), 1.0)) for i, unit in enumerate(units)]
    stretches = [share * _stretch(cosine) if unit > 0.0 else 0.0 for unit, cosine in zip(units, cosines, strict=True)]
    along = math.fsum(stretch * cosine for stretch, cosine in zip(stretches, cosines, strict=True))
    return [s * unit - along * m for s, unit, m in zip(stretches, units, mean, strict=True)]


def converged(gram: Gram, units: Sequence[float], mean: Sequence[float], parameters: Parameters) -> Sequence[float]:
    """Go from ``mean``, a unit vector, along the tangent until that is shorter than ``tol``; in factors."""
    for _ in range(parameters.max_iter):
        way = tangent(gram, units, mean)
        length = math.sqrt(gram.square(way))
        if length <= parameters.tol:
            break
        ahead, across = cos(length), sin(length) / length
        mean = [ahead * m + across * w for m, w in zip(mean, way, strict=True)]
    return mean


def _steps(mix: Mix) -> Steps:
    count, parameters = len(mix.sources), mix.parameters
    if count == 1:
        return lambda chunk: chunk.models[0]
    gram = yield from measured(count)
    norms = gram.norms
    units = [1.0 / norm if norm > parameters.tol else 0.0 for norm in norms]
    pointing = sum(unit > 0.0 for unit in units)
    if not pointing:
        return weighted.of_models([1.0 / count] * count)
    mean = [unit / pointing for unit in units]
    length = yield from gram.length(mean)
    if length > parameters.tol:
        mean = [m / length for m in mean]
    else:
        first = next(i for i, unit in enumerate(units) if unit > 0.0)
        mean = [unit if i == first else 0.0 for i, unit in enumerate(units)]
    scale = math.fsum(norms) / count
    return weighted.of_models([scale * m for m in converged(gram, units, mean, parameters)])


METHOD = Method(
    name="karcher",
    purpose="average many models by their directions, where those balance on the sphere, and keep their mean length",
    formula="mean of ‖xᵢ‖ · m, where m is the Riemannian mean of the directions xᵢ/‖xᵢ‖ on the unit sphere",
    paper="2603.04972",
    inputs=Inputs(base="participant", least=1, most=None),
    source_parameters=NoParameters,
    parameters=Parameters,
    steps=_steps,
    sweeps=lambda mix: MOST_SWEEPS if len(mix.sources) > 1 else 0,
    verbatim=lambda mix: len(mix.sources) == 1,
)
