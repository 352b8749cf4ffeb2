"""Thinning by bands of magnitude and by ranks again, on whole tensors: it shares nothing with the engine.

Written from the definitions; selections and ranks come from full, stable sorts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor


def order(rows: np.ndarray) -> np.ndarray:
    """Indices within each row, larger magnitudes first, of equals the lower index."""
    return np.argsort(-np.abs(rows), axis=-1, kind="stable")


def without_outliers(delta: Tensor, density: float, gamma: float) -> Tensor:
    """Drop the ⌊gamma·n⌋ largest, keep the ⌊density·n⌋ next; fewer are dropped where so many would not be left."""
    values = delta.double().numpy().flatten()
    keep = math.floor(density * values.size)
    skip = min(math.floor(gamma * values.size), values.size - keep)
    chosen = order(values)[skip : skip + keep]
    kept = np.zeros_like(values)
    kept[chosen] = values[chosen]
    return torch.from_numpy(kept).view(delta.shape)


def probabilities(delta: Tensor, density: float, epsilon: float) -> Tensor:
    """From density - ε for the smallest of a row to density + ε for the largest; ε is as large as [0, 1] allows."""
    epsilon = min(epsilon, density, 1.0 - density)
    width = delta.shape[-1] if delta.dim() else 1
    if width == 1:
        return torch.full(delta.shape, density, dtype=torch.float64)
    own = np.empty((delta.numel() // width, width))
    ranks = np.arange(width)[::-1]
    falling = (density - epsilon) + 2.0 * epsilon * ranks / (width - 1)
    np.put_along_axis(own, order(delta.double().numpy().reshape(own.shape)), np.tile(falling, (len(own), 1)), axis=-1)
    return torch.from_numpy(own).view(delta.shape)


def restored(delta: Tensor, thinned: Tensor) -> Tensor:
    """Scale to the L1 norm that it had; not where one of the norms is below 1e-7."""
    before, after = (math.fsum(t.abs().flatten().tolist()) for t in (delta, thinned))
    return thinned * (before / after) if min(before, after) >= 1e-7 else thinned
