"""Inner products of a tensor's inputs: what the methods that stay in the inputs' span decide by.

One pass measures them, and all that is iterative happens on numbers: a combination ``Σ fᵢxᵢ`` is its factors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.methods.arithmetic import weighted_sum
from engine.methods.contract import SUMS_SWEEPS, NoResultError, Sums

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from torch import Tensor

    from engine.methods.contract import Chunk, Measure

CANCELS = 1e-4
"""Share of the square that equal directions would give, below which a combination is measured itself: the inner
products are right to about 16 digits, and what is left of them there would be right to fewer than 12."""
MOST_SWEEPS = 2 * SUMS_SWEEPS
"""For the inner products, and for one ``length``."""


@dataclass(frozen=True)
class Gram:
    """Inner products of all pairs of flattened inputs: ``rows[i][j]`` is that of inputs i and j."""

    rows: tuple[tuple[float, ...], ...]

    @property
    def norms(self) -> list[float]:
        """Norm of each input."""
        return [math.sqrt(row[i]) for i, row in enumerate(self.rows)]

    def with_input(self, i: int, factors: Sequence[float]) -> float:
        """Inner product of input i and ``Σ fᵢxᵢ``."""
        return math.fsum(f * product for f, product in zip(factors, self.rows[i], strict=True))

    def square(self, factors: Sequence[float]) -> float:
        """Squared norm of ``Σ fᵢxᵢ``; at least 0."""
        total = math.fsum(f * self.with_input(i, factors) for i, f in enumerate(factors))
        return max(total, 0.0)

    def length(self, factors: Sequence[float]) -> Generator[Measure, Any, float]:
        """Norm of ``Σ fᵢxᵢ``, from a pass of its own where the inputs cancel, as opposed ones do."""
        square = self.square(factors)
        most = math.fsum(abs(f) * norm for f, norm in zip(factors, self.norms, strict=True))
        if square < CANCELS * most * most:
            (square,) = yield Sums(lambda chunk: squares((weighted_sum(chunk.models, factors),)))
        return math.sqrt(square)


def squares(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Elementwise squares."""
    return tuple(tensor * tensor for tensor in tensors)


def products(tensors: Sequence[Tensor]) -> Iterator[Tensor]:
    """Elementwise products of all pairs, each once and one at a time: 00, 01, …, 11, 12, …."""
    for i, one in enumerate(tensors):
        for other in tensors[i:]:
            yield one * other


def measured(count: int) -> Generator[Measure, Any, Gram]:
    """Measure the inner products of ``count`` models, or task vectors; ``NoResultError`` where one is not finite."""
    totals = yield Sums(_terms)
    if not all(map(math.isfinite, totals)):
        raise NoResultError(
            "the norm of a model's tensor is not finite; a parent is damaged there, or its values are too large to be "
            "merged; check the parents' weights"
        )
    rows: list[list[float]] = [[0.0] * count for _ in range(count)]
    pairs = [(i, j) for i in range(count) for j in range(i, count)]
    for (i, j), total in zip(pairs, totals, strict=True):
        rows[i][j] = rows[j][i] = total
    return Gram(tuple(map(tuple, rows)))


def _terms(chunk: Chunk) -> Iterator[Tensor]:
    return products(chunk.models)
