"""What ``ram`` and ``ramplus_tl`` share: which elements a fine-tune changed, alone or together with others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from engine.methods.arithmetic import weighted_sum
from engine.methods.contract import ParameterSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from engine.methods.contract import Blend, Chunk


class Threshold(ParameterSet):
    """For the whole tensor, of both methods."""

    epsilon: float = Field(default=1e-5, ge=0, description="an element has changed where it did by more than this")


def active(deltas: Sequence[Tensor], epsilon: float) -> list[Tensor]:
    """Of each task vector, the elements larger than ``epsilon``: 1.0 and 0.0, float64."""
    return [delta.abs().gt_(epsilon) for delta in deltas]


def number(masks: Sequence[Tensor]) -> Tensor:
    """In how many task vectors each element is active (float64)."""
    total = masks[0].clone()
    for mask in masks[1:]:
        total += mask
    return total


def shared(count: Tensor) -> Tensor:
    """Of the elements with this ``number``, those active in several task vectors: 1.0, else 0.0."""
    return count.sub(1.0).clamp_(0.0, 1.0)


def blend_of(epsilon: float, factors: Sequence[float]) -> Blend:
    """Make the blend: what several task vectors changed is averaged, what one did is multiplied by its factor."""

    def blend(chunk: Chunk) -> Tensor:
        masks = active(chunk.models, epsilon)
        count = number(masks)
        together = shared(count)
        kept = [mask.mul_(delta) for mask, delta in zip(masks, chunk.models, strict=True)]
        mean = weighted_sum(kept, [1.0] * len(kept)).div_(count.clamp_min_(1.0)).mul_(together)
        alone = weighted_sum(kept, factors).mul_(together.neg_().add_(1.0))
        return mean.add_(alone).add_(chunk.base)

    return blend
