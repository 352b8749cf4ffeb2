"""What of a span lies inside brackets: looked for in float32, and then taken in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from engine.run.places import places

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

    from engine.methods.contract import Cuts
    from engine.run.chunks import TensorChunk

COUNTED = 2**24
"""Ones that float32 can add up."""


@dataclass(frozen=True)
class Bracket:
    """Values that lie, as float32, from ``low`` to ``high``. Rounding keeps their order, so this parts them as well.

    A difference that is made in float32 may be a neighbour of the rounded one. So a cut counts only where it lies
    inside a bracket and not at its ends.
    """

    low: float
    high: float

    def holds(self, value: Tensor) -> bool:
        """Whether the bracket is sure to have all that is equal to ``value``, and to part what is larger or less."""
        single = float(value.to(torch.float32))
        return self.low < single and (single < self.high or self.high == math.inf)


def around(low: Tensor, high: Tensor) -> Bracket:
    """Bracket float32 values from ``low`` to ``high``, and one neighbour more at either end."""
    ends = torch.stack((low, high)).nextafter(low.new_tensor((-math.inf, math.inf)))
    return Bracket(*map(float, ends))


@dataclass
class Found:
    """Of one span and one bracket: how many values lie above it; indices of those inside, and what these are."""

    above: int = 0
    indices: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)


def look(measure: Cuts, chunks: Iterable[TensorChunk], brackets: Mapping[int, Bracket]) -> dict[int, Found]:
    """Look into brackets, of some of the measure's magnitudes, by their number."""
    found, chunk = {number: Found() for number in brackets}, None
    for chunk in chunks:
        for (number, own), magnitudes in zip(found.items(), measure.magnitudes(chunk, list(found)), strict=True):
            inside = _inside(magnitudes.to(torch.float32), brackets[number], own)
            if chunk.exact is None:
                own.values.append(magnitudes.index_select(0, inside))
            own.indices.append(inside.add_(chunk.start))
    if chunk is not None and chunk.exact is not None:
        for number, own in found.items():
            own.values += measure.magnitudes(chunk.exact(torch.cat(own.indices)), [number])
    return found


def _inside(single: Tensor, bracket: Bracket, found: Found) -> Tensor:
    """Count what lies above, and find what lies inside. What is no number does neither: it is refused elsewhere."""
    above = torch.gt(single, bracket.high, out=torch.empty_like(single))
    found.above += sum(int(above[begin : begin + COUNTED].sum()) for begin in range(0, above.numel(), COUNTED))
    flags = torch.ge(single, bracket.low, out=torch.empty_like(single)).sub_(above)
    return places(flags.to(torch.bfloat16))  # more of them in a word
