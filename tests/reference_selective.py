"""The formulas of sce, ram, ramplus_tl and arcee_fusion again, on whole tensors: they share nothing with the engine.

Selections are made by a full sort: of exact rational numbers (sce), or of numbers with 64 bits (arcee_fusion).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def _deltas(base: Tensor, models: Sequence[Tensor]) -> Tensor:
    return torch.stack([(model.double() - base.double()).flatten() for model in models])


def variance(values: Sequence[float]) -> Fraction:
    """Population variance of a few numbers, exactly."""
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    return sum((value - mean) ** 2 for value in exact) / len(exact)


def most_varied(deltas: Tensor, topk: float) -> Tensor:
    """Mask of the ⌊topk·(number that vary)⌋ elements of largest variance, of equals the lower index."""
    variances = [variance(column) for column in deltas.T.tolist()]
    keep = math.floor(topk * sum(v > 0 for v in variances))
    order = sorted(range(len(variances)), key=lambda i: (-variances[i], i))
    mask = torch.zeros(len(variances), dtype=torch.float64)
    mask[order[:keep]] = 1.0
    return mask


def sce(base: Tensor, models: Sequence[Tensor], topk: float = 1.0) -> Tensor:
    """Select, calculate, erase."""
    deltas = _deltas(base, models)
    if topk < 1:
        deltas = deltas * most_varied(deltas, topk)
    squares = [math.fsum((delta * delta).tolist()) / max(delta.numel(), 1) for delta in deltas]
    total = math.fsum(squares)
    weights = torch.tensor([s / total if total else 1 / len(squares) for s in squares], dtype=torch.float64)
    elected = torch.where(deltas.sum(0) >= 0, 1.0, -1.0)
    agreeing = (deltas.sign() == elected) * weights.unsqueeze(1)
    result = (agreeing * deltas).sum(0) / agreeing.sum(0).clamp_min(1e-6)
    return (base.double().flatten() + result).view(base.shape)


def ram(base: Tensor, models: Sequence[Tensor], epsilon: float = 1e-5, r: float = 0.0, alpha: float = 0.0) -> Tensor:
    """Reinforced agent merging; with ``r`` the variant that rescales by tensor."""
    deltas = _deltas(base, models)
    active = deltas.abs() > epsilon
    count = active.sum(0)
    result = torch.where(active, deltas, 0.0).sum(0) / count.clamp_min(1)
    for delta, mask in zip(deltas, active, strict=True):
        alone = mask & (count == 1)
        unique, shared = int(alone.sum()), int((mask & (count > 1)).sum())
        factor = 1 + r * min(shared / max(unique, epsilon), alpha) if unique else 1
        result = torch.where(alone, delta * factor, result)
    return (base.double().flatten() + result).view(base.shape)


def _distribution(rows: Tensor) -> np.ndarray:
    values = rows.double().numpy().astype(np.longdouble)
    powers = np.exp(values - values.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True) + np.longdouble("1e-8")


def arcee_fusion(base: Tensor, other: Tensor) -> Tensor:
    """Take an element of ``other`` where its importance passes the fence."""
    if base.numel() == 0:
        return base.double()
    width = base.shape[-1] if base.dim() else 1
    a, b = base.reshape(-1, width), other.reshape(-1, width)
    p, q = _distribution(b), _distribution(a)
    divergence = (p * np.log(p / q)).sum(1, keepdims=True)
    importance = np.abs(b.double().numpy() - a.double().numpy()) * divergence
    ascending = np.sort(importance, axis=None)
    first, median, third = (ascending[math.floor(q * (ascending.size - 1))] for q in (0.25, 0.5, 0.75))
    taken = torch.from_numpy(importance >= median + 1.5 * (third - first))
    return torch.where(taken, b.double(), a.double()).view(base.shape)
