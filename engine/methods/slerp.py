"""Spherical interpolation between two models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from engine.methods import weighted
from engine.methods.contract import SUMS_SWEEPS, Inputs, Method, Mix, NoParameters, ParameterSet, Steps, Sums
from engine.methods.trigonometry import acos, sin

if TYPE_CHECKING:
    from torch import Tensor

    from engine.methods.contract import Chunk

NEARLY_COLLINEAR = 0.9995
TINY_NORM = 1e-8


class Parameters(ParameterSet):
    """For the whole tensor."""

    t: float = Field(ge=0, le=1, description="0 is the base model, 1 the other one")


def coefficients(t: float, base_square: float, other_square: float, product: float) -> tuple[float, float]:
    """Factors of the base and of the other tensor.

    ``base_square`` and ``other_square`` are the squared norms, ``product`` the dot product of the two
    flattened tensors. The angle is that of the unit vectors (a norm of at most 1e-8 is not divided by); where they
    are nearly collinear the interpolation is linear.
    """
    norms = [math.sqrt(square) for square in (base_square, other_square)]
    scale_base, scale_other = (norm if norm > TINY_NORM else 1.0 for norm in norms)
    cosine = product / scale_base / scale_other
    if abs(cosine) > NEARLY_COLLINEAR:
        return 1.0 - t, t
    angle = acos(cosine)
    sine = sin(angle)
    return sin((1.0 - t) * angle) / sine, sin(t * angle) / sine


def _terms(chunk: Chunk) -> tuple[Tensor, ...]:
    (other,) = chunk.models
    return chunk.base * chunk.base, other * other, chunk.base * other


def _steps(mix: Mix) -> Steps:
    base_square, other_square, product = yield Sums(_terms)
    return weighted.of_base_and_models(coefficients(mix.parameters.t, base_square, other_square, product))


METHOD = Method(
    name="slerp",
    purpose="blend two models along the arc between them, so that neither loses its length",
    formula="(sin((1-t)θ)·a + sin(tθ)·b) / sin θ, where θ is the angle between a and b",
    paper="",
    inputs=Inputs(base="required", least=1, most=1),
    source_parameters=NoParameters,
    parameters=Parameters,
    steps=_steps,
    sweeps=lambda _mix: SUMS_SWEEPS,
)
