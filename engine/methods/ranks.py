"""What ``della`` and ``della_linear`` share: the larger an element is within its row, the likelier it stays.

Rows run along the last dimension; a vector is one row.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pydantic import Field

from engine.methods.contract import Clamped
from engine.methods.thinning import Dense

if TYPE_CHECKING:
    from torch import Tensor

    from engine.methods.contract import Chunk, Mix
    from engine.methods.dropping import Probability

IMPOSSIBLE = sys.float_info.min
"""A probability that is never drawn, and that may be divided by."""


class Ranked(Dense):
    """Per model."""

    epsilon: float = Field(
        default=0.15,
        ge=0,
        le=1,
        description="how far the probability of the smallest and of the largest of a row is from density",
    )


def clamped(mix: Mix) -> tuple[Clamped, ...]:
    """Tell of each ``epsilon`` that would make a probability negative, or larger than 1."""
    return tuple(
        Clamped(
            i,
            ("epsilon", "density"),
            f"`density` {own.density:g} ± `epsilon` {own.epsilon:g} leaves the range from 0 to 1, so `epsilon` "
            f"{_room(own):g} is used",
            "lower `epsilon`, or take a `density` nearer to 0.5",
        )
        for i, own in enumerate(mix.sources)
        if mix.row > 1 and 0 < own.density < 1 and (own.density < own.epsilon or own.density + own.epsilon > 1)
    )


def _room(source: Ranked) -> float:
    return min(source.epsilon, source.density, 1.0 - source.density)


def by_rank(mix: Mix) -> Probability:
    """DELLA's: by the rank of an element's magnitude within its row; of equals, the lower index counts as larger."""
    row = max(mix.row, 1)

    def probability(chunk: Chunk, i: int) -> Tensor:
        rows = chunk.models[i].abs().view(-1, row)
        order = rows.argsort(dim=1, descending=True, stable=True)
        return rows.scatter_(1, order, _falling(mix.sources[i], rows).expand_as(rows)).flatten()

    return probability


def _falling(source: Ranked, rows: Tensor) -> Tensor:
    """Probability of each element of a row, the largest one's first: density ± epsilon; in a row of one, density."""
    width = rows.shape[1]
    if width == 1:
        return rows.new_full((1,), source.density)
    room = _room(source)
    larger = rows.new_ones(width).cumsum_(0)
    ranks = larger.sub_(width).neg_()
    return ranks.mul_(2.0 * room / (width - 1)).add_(source.density - room).clamp_(IMPOSSIBLE, 1.0)
