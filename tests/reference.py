"""The formulas again, on whole float64 tensors: an evaluation of its own, that shares nothing with the engine.

Written from the methods' definitions (docs/methods.md and the papers), for comparison only: no chunks, no bounds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor


def linear(models: Sequence[Tensor], weights: Sequence[float], *, normalize: bool = True) -> Tensor:
    """Σ wᵢxᵢ, with the weights divided by their sum first."""
    total = math.fsum(weights) if normalize else 1.0
    return sum((w / total) * x.double() for x, w in zip(models, weights, strict=True))


def slerp(base: Tensor, other: Tensor, t: float) -> Tensor:
    """Spherical interpolation; exactly rounded dot products by ``math.fsum``."""
    a, b = base.double().flatten(), other.double().flatten()
    norms = [math.sqrt(math.fsum((x * x).tolist())) for x in (a, b)]
    scales = [n if n > 1e-8 else 1.0 for n in norms]
    dot = math.fsum(((a / scales[0]) * (b / scales[1])).tolist())
    if abs(dot) > 0.9995:
        return ((1 - t) * a + t * b).view(base.shape)
    theta = math.acos(dot)
    result = math.sin((1 - t) * theta) / math.sin(theta) * a + math.sin(t * theta) / math.sin(theta) * b
    return result.view(base.shape)


def largest(delta: Tensor, density: float) -> Tensor:
    """Keep the ``max(1, ⌊density·n⌋)`` elements of largest magnitude, of equals the lower index; by a full sort."""
    flat = delta.flatten()
    keep = max(1, int(density * flat.numel()))
    order = torch.sort(flat.abs(), descending=True, stable=True).indices[:keep]
    mask = torch.zeros_like(flat)
    mask[order] = 1.0
    return (flat * mask).view(delta.shape)


def combine(
    base: Tensor, deltas: Sequence[Tensor], weights: Sequence[float], *, consensus: bool, normalize: bool, scale: float
) -> Tensor:
    """Sum weighted task vectors, perhaps only those with the elected sign, and go back to a model."""
    weighted = torch.stack([d * w for d, w in zip(deltas, weights, strict=True)])
    factors = torch.tensor(weights, dtype=torch.float64).view(-1, *[1] * base.dim()).expand_as(weighted)
    if consensus:
        elected = torch.where(weighted.sum(0) >= 0, 1.0, -1.0)
        agree = torch.sign(weighted) == elected
        weighted, factors = weighted * agree, factors * agree
        total, divisor = weighted.sum(0), factors.sum(0)
        divisor = torch.where(divisor == 0, 1.0, divisor)
        total = total / divisor if normalize else total
    elif normalize:
        divisor = sum(weights)
        divisor = divisor if abs(divisor) >= 1e-8 else 1.0
        total = sum(d * (w / divisor) for d, w in zip(deltas, weights, strict=True))
    else:
        total = weighted.sum(0)
    return base.double() + scale * total


def task_vectors(
    base: Tensor,
    models: Sequence[Tensor],
    weights: Sequence[float],
    thin: Callable[[int, Tensor], Tensor] = lambda _i, d: d,
    *,
    consensus: bool = False,
    normalize: bool = False,
    scale: float = 1.0,
) -> Tensor:
    """A method of the task-vector family; ``thin(source, δ)`` drops elements."""
    deltas = [thin(i, model.double() - base.double()) for i, model in enumerate(models)]
    return combine(base, deltas, weights, consensus=consensus, normalize=normalize, scale=scale)


def same_share(result: Tensor, exact: Tensor) -> float:
    """Share of elements of ``result`` that are ``exact`` (float64), correctly rounded, bit for bit."""
    single = exact.float()
    rounded = single.to(result.dtype)
    # Two roundings differ from one only where the first lands on a midpoint: then the exact value decides.
    neighbours = torch.stack([step(rounded.double(), result.dtype, way) for way in (-1, 0, 1)])
    # the neighbour of zero that the step of bits calls NaN is no nearer than zero itself
    distance = (neighbours - exact.double()).abs().nan_to_num(nan=math.inf)
    best = distance.min(0).values
    return float(((result.double() - exact).abs() == best).double().mean())


def step(values: Tensor, dtype: torch.dtype, way: int) -> Tensor:
    """The neighbour of each value in ``dtype``, one step up or down."""
    if way == 0 or dtype == torch.float64:
        return values
    target = torch.full_like(values, math.inf * way).to(dtype)
    return torch.nextafter(values.to(dtype), target).double() if dtype == torch.float32 else _step16(values, dtype, way)


def _step16(values: Tensor, dtype: torch.dtype, way: int) -> Tensor:
    bits = values.to(dtype).view(torch.int16).int()
    up = torch.where(bits >= 0, bits + way, bits - way)
    return up.to(torch.int16).view(dtype).double()
