"""What the methods that thin task vectors out share: which parts go, and making up for them.

A task vector is kept whole, or not at all, or in part; how a part is chosen is each method's own. What is left may be
scaled so that its L1 norm is as before, and is then summed as ``engine.methods.task_vectors`` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from engine.methods.contract import Sums
from engine.methods.task_vectors import Weighted, blend_of

if TYPE_CHECKING:
    from torch import Tensor

    from engine.methods.contract import Chunk, Mix, Steps
    from engine.methods.task_vectors import Rule

SMALLEST_L1 = 1e-7

Part = Callable[["Chunk", int], "Tensor"]
"""Thins one source's task vector: gives a tensor of its own."""
Thin = Callable[["Chunk"], Sequence["Tensor"]]
"""Thins all task vectors."""


class Dense(Weighted):
    """Per model, of every method here."""

    density: float = Field(default=1.0, ge=0, le=1, description="share of the task vector that is kept")


def partial(shares: Sequence[float]) -> list[int]:
    """Indices of the task vectors of which a part is kept, and not all."""
    return [i for i, share in enumerate(shares) if 0 < share < 1]


def thinner(shares: Sequence[float], part: Part) -> Thin:
    """Keep of each task vector its share (0 to 1): all of it as it is, none as zeros, else what ``part`` gives."""

    def thin(chunk: Chunk) -> list[Tensor]:
        return [
            part(chunk, i) if 0 < share < 1 else chunk.models[i] * 0.0 if share == 0 else chunk.models[i]
            for i, share in enumerate(shares)
        ]

    return thin


def blended(thin: Thin, mix: Mix, rule: Rule, *, by_norm: bool, single: bool) -> Steps:
    """Thin out, restore the L1 norms (measured in one sweep) where ``by_norm``, and blend as ``rule`` says.

    ``single`` says that what is thinned out is the same in float32.
    """
    if not by_norm:
        return blend_of(thin, mix, rule, single=single)
    factors = _ratios((yield Sums(lambda chunk: _norm_terms(chunk.models, thin(chunk)))))

    def restored(chunk: Chunk) -> list[Tensor]:
        return [delta if factor == 1.0 else delta * factor for delta, factor in zip(thin(chunk), factors, strict=True)]

    return blend_of(restored, mix, rule, single=False)


def _norm_terms(deltas: Sequence[Tensor], thinned: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Elementwise terms of the L1 norms: before, after, before, after …."""
    return tuple(t.abs() for pair in zip(deltas, thinned, strict=True) for t in pair)


def _ratios(before_and_after: Sequence[float]) -> list[float]:
    """Factors that restore each L1 norm; 1 where the one after is below 1e-7, and so where the one before is."""
    pairs = zip(before_and_after[::2], before_and_after[1::2], strict=True)
    return [before / after if after >= SMALLEST_L1 else 1.0 for before, after in pairs]
