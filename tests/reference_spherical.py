"""nuslerp, multislerp, karcher, model_stock and nearswap on whole tensors, in numpy's widest floats.

Written from the definitions: each vector is made, nothing is reduced to inner products. Angles are arc tangents, which
are good to the last digit for opposed vectors as well.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

Wide = np.longdouble


def wide(tensor: Tensor) -> np.ndarray:
    return tensor.double().numpy().astype(Wide)


def narrow(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float64))


def norm(x: np.ndarray) -> Wide:
    return np.sqrt((x * x).sum())


def angle_between(u: np.ndarray, v: np.ndarray) -> Wide:
    """Kahan's formula for unit vectors."""
    return 2 * np.arctan2(norm(u - v), norm(u + v))


def arc(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Spherical interpolation of two vectors, of any length."""
    u, v = (x / max(norm(x), Wide(1e-7)) for x in (a, b))
    short = min(norm(u), norm(v)) < 1 - 1e-12
    theta = np.arccos((u * v).sum()) if short else angle_between(u, v)
    if np.sin(theta) ** 2 <= 1e-16:
        return (1 - Wide(t)) * a + Wide(t) * b
    return (np.sin((1 - Wide(t)) * theta) * a + np.sin(Wide(t) * theta) * b) / np.sin(theta)


def nuslerp(
    models: Sequence[Tensor], weights: Sequence[float], base: Tensor | None = None, *, axis: int | None = None
) -> Tensor:
    """Interpolate the whole tensor, or vectors along an axis."""
    origin = wide(base) if base is not None else np.zeros(models[0].shape, Wide)
    first, second = (wide(model) - origin for model in models)
    t = weights[1] / sum(weights)
    if axis is None or first.ndim < 2:
        return narrow(origin + arc(first.reshape(-1), second.reshape(-1), t).reshape(first.shape))
    result = np.zeros_like(first)
    for place in np.ndindex(*np.delete(first.shape, axis)):
        at = list(place)
        at.insert(axis % first.ndim, slice(None))
        result[tuple(at)] = arc(first[tuple(at)], second[tuple(at)], t)
    return narrow(origin + result)


def multislerp(
    models: Sequence[Tensor],
    weights: Sequence[float],
    base: Tensor | None = None,
    *,
    normalize: bool = True,
    eps: float = 1e-8,
) -> Tensor:
    """The whole way: to the mean direction, along the tangents there, and back to the sphere."""
    origin = wide(base) if base is not None else np.zeros(models[0].shape, Wide)
    vectors = [wide(model) - origin for model in models]
    shares = [Wide(w) / sum(map(Wide, weights)) if normalize else Wide(w) for w in weights]
    if len(vectors) == 1 or all((v == 0).all() for v in vectors):
        return narrow(origin + vectors[0])
    units = [v / (norm(v) + Wide(eps)) for v in vectors]
    mean = sum(w * u for w, u in zip(shares, units, strict=True))
    if norm(mean) <= eps * sum(abs(w) * norm(u) for w, u in zip(shares, units, strict=True)):
        assert len(vectors) == 2
        return narrow(origin + shares[0] * vectors[0] + shares[1] * vectors[1])
    mean = mean / norm(mean)
    tangent = sum(w * (u - (u * mean).sum() * mean) for w, u in zip(shares, units, strict=True))
    length = norm(tangent)
    there = mean * np.cos(length) + (tangent * (np.sin(length) / length) if length > 0 else 0)
    return narrow(origin + there * sum(w * norm(v) for w, v in zip(shares, vectors, strict=True)))


def karcher(models: Sequence[Tensor], *, max_iter: int = 10, tol: float = 1e-5) -> Tensor:
    """The Riemannian mean of the directions, by logarithms and exponentials of whole vectors."""
    vectors = [wide(model) for model in models]
    if len(vectors) == 1:
        return narrow(vectors[0])
    units = [v / norm(v) for v in vectors if norm(v) > tol]
    if not units:
        return narrow(sum(vectors) / len(vectors))
    mean = sum(units) / len(units)
    mean = mean / norm(mean) if norm(mean) > tol else units[0]
    for _ in range(max_iter):
        way = sum(logarithm(mean, u) for u in units) / len(units)
        length = norm(way)
        if length < tol:
            break
        mean = np.cos(length) * mean + np.sin(length) / length * way
    return narrow(mean * sum(map(norm, vectors)) / len(vectors))


def logarithm(mean: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """The way from ``mean`` to ``unit``: none to the opposite point, where all are equally short."""
    across = unit - (unit * mean).sum() * mean
    theta = angle_between(mean, unit)
    if norm(across) == 0 or np.pi - theta < 1e-5:
        return np.zeros_like(mean)
    return theta * across / norm(across)


def model_stock(models: Sequence[Tensor], base: Tensor, *, rows: bool = False) -> Tensor:
    """For the whole tensor, or for each row along the last dimension."""
    origin, vectors = wide(base), [wide(model) - wide(base) for model in models]
    if not rows or origin.ndim < 2:
        return narrow(origin + stock(vectors))
    result = np.zeros_like(origin)
    for place in np.ndindex(origin.shape[:-1]):
        result[place] = stock([v[place] for v in vectors])
    return narrow(origin + result)


def stock(vectors: Sequence[np.ndarray]) -> np.ndarray:
    n = len(vectors)
    cosines = [(a * b).sum() / max(norm(a) * norm(b), Wide(1e-6)) for a, b in combinations(vectors, 2)]
    cosine = sum(min(max(c, -1), 1) for c in cosines) / len(cosines)
    divisor = 1 + (n - 1) * cosine
    t = n * cosine / divisor if abs(divisor) >= 1e-8 else 0
    return t * sum(vectors) / n


def nearswap(base: Tensor, other: Tensor, t: float) -> Tensor:
    """Each element by itself."""
    a, b = wide(base), wide(other)
    share = np.clip(Wide(t) / np.maximum(abs(a - b), Wide(1e-6)), 0, 1)
    return narrow(share * b + (1 - share) * a)
