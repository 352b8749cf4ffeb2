"""Select where task vectors differ most, calculate each model's weight, erase what goes against the elected sign."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

from pydantic import Field

from engine.methods.arithmetic import positive, weighted_sum
from engine.methods.contract import CUTS_SWEEPS, SUMS_SWEEPS, Cut, Cuts, Method, Mix, NoParameters, ParameterSet, Sums
from engine.methods.task_vectors import INPUTS, elected_sign

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from typing import Any

    from torch import Tensor

    from engine.methods.contract import Chunk, Steps

SMALLEST_DIVISOR = 1e-6
NOTHING = Cut(math.inf, -1)
"""The cut that selects no element."""


class Parameters(ParameterSet):
    """For the whole tensor."""

    select_topk: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="share of the elements whose task vectors differ that is kept, largest variance first; "
        "1 keeps every element, those where all agree too",
    )
    int8_mask: bool = Field(default=False, description="accepted for mergekit's recipes; changes nothing")


def _spread(deltas: Sequence[Tensor]) -> Tensor:
    """Variance of each element across N task vectors, times N².

    As the sum of the squared differences of all pairs, which is exactly zero where all are equal.
    """
    total = deltas[0] * 0.0
    for one, other in combinations(deltas, 2):
        difference = one - other
        total += difference.mul_(difference)
    return total


def _selected(mix: Mix) -> Generator[Any, Any, Cut | None]:
    """Where the selection ends; None where nothing is masked."""
    share = mix.parameters.select_topk
    if share == 1:
        return None
    (differing,) = yield Sums(lambda chunk: (_spread(chunk.models).gt_(0.0),))
    keep = int(share * differing)
    if keep == 0:
        return NOTHING
    (cut,) = yield Cuts(lambda chunk, _: (_spread(chunk.models),), (keep,))
    found: Cut = cut
    return found


def _squares(chunk: Chunk, cut: Cut | None) -> Iterator[Tensor]:
    mask = None if cut is None else cut.selects(_spread(chunk.models), chunk.upto(cut.last))
    for delta in chunk.models:
        square = delta * delta
        yield square if mask is None else square.mul_(mask)


def shares(squares: Sequence[float]) -> list[float]:
    """Weights of the models: shares of the sum of squares of their masked task vectors.

    Uniform where all are zero; and where one is not finite, so that the damage stays where it is and is found there.
    """
    total = math.fsum(squares)
    if 0 < total < math.inf:
        return [square / total for square in squares]
    return [1.0 / len(squares)] * len(squares)


def _steps(mix: Mix) -> Steps:
    cut = yield from _selected(mix)
    weights = shares((yield Sums(lambda chunk: _squares(chunk, cut))))

    def blend(chunk: Chunk) -> Tensor:
        # One mask for all models, so it may as well be laid over their sum.
        elected = elected_sign(chunk.models)
        agreeing = [positive(delta * elected) for delta in chunk.models]
        total = weighted_sum(agreeing, weights)
        total /= weighted_sum([delta.sign_() for delta in agreeing], weights).clamp_min_(SMALLEST_DIVISOR)
        total *= elected
        if cut is not None:
            total *= cut.selects(_spread(chunk.models), chunk.upto(cut.last))
        return total.add_(chunk.base)

    return blend


METHOD = Method(
    name="sce",
    purpose="merge many fine-tunes where they differ most, each weighted by how much it changed there",
    formula="base + Σ agreeing wᵢδᵢ / Σ agreeing wᵢ where the δ vary most, wᵢ = Σ δᵢ² / Σ Σ δⱼ² there",
    paper="2408.07990",
    inputs=INPUTS,
    source_parameters=NoParameters,
    parameters=Parameters,
    steps=_steps,
    sweeps=lambda mix: SUMS_SWEEPS + (SUMS_SWEEPS + CUTS_SWEEPS if mix.parameters.select_topk < 1 else 0),
    inert=frozenset({"int8_mask"}),
)
