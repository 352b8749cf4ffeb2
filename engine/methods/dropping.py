"""Thinning at random, which the two ``dare`` and the two ``della`` share: each element stays with a probability."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from engine.methods.arithmetic import divided
from engine.methods.contract import SUMS_SWEEPS, Mix
from engine.methods.task_vectors import Rule, Summed
from engine.methods.thinning import blended, partial, thinner

if TYPE_CHECKING:
    from torch import Tensor

    from engine.methods.contract import Chunk, Steps

Probability = Callable[["Chunk", int], "float | Tensor"]
"""With which probability the elements of a source stay: above 0, one for all of them or one for each."""


class Dropped(Summed):
    """For the whole tensor."""

    rescale: bool = Field(default=True, description="make up for what was dropped")
    rescale_norm: Literal["density", "l1"] = Field(
        default="density",
        description="make up by dividing what is kept by its probability, as the paper does, or by the ratio of L1 "
        "norms, as mergekit does",
    )


def _shares(mix: Mix) -> list[float]:
    return [source.density for source in mix.sources]


def _by_norm(mix: Mix) -> bool:
    return mix.parameters.rescale and mix.parameters.rescale_norm == "l1" and bool(partial(_shares(mix)))


def sweeps(mix: Mix) -> int:
    """One where L1 norms are measured, else none."""
    return SUMS_SWEEPS if _by_norm(mix) else 0


def density_for_all(mix: Mix) -> Probability:
    """DARE's: the model's density, for every element."""
    return lambda _chunk, i: float(mix.sources[i].density)


def steps(
    probability_of: Callable[[Mix], Probability], *, consensus: bool, single: bool = False
) -> Callable[[Mix], Steps]:
    """Make the steps of a method that drops with such probabilities, with or without sign consensus.

    ``single`` says that float32 gives the same probabilities.
    """

    def _steps(mix: Mix) -> Steps:
        probability = probability_of(mix)
        divide = mix.parameters.rescale and mix.parameters.rescale_norm == "density"

        def part(chunk: Chunk, i: int) -> Tensor:
            own = probability(chunk, i)
            kept = chunk.bernoulli(i, own).mul_(chunk.models[i])
            return divided(kept, own) if divide else kept

        rule = Rule.of(mix, consensus=consensus)
        return (yield from blended(thinner(_shares(mix), part), mix, rule, by_norm=_by_norm(mix), single=single))

    return _steps
