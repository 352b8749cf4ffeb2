"""What of a span lies inside brackets: looked for among rounded magnitudes, and then taken in float64.

The bits of numbers without a sign are in the order of the numbers, so they are compared as integers: *keys*. A key is
made of a magnitude in whatever precision it comes. Rounding keeps order, and what float64 holds decides the key: where
a difference of two float32 numbers is not exact in float64, one of the two is so small that the other, or what it is
rounded to, is what both give. So a value whose key is larger is larger, whichever way the keys were made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from engine.run.places import INTEGERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from torch import Tensor

    from engine.methods.contract import Cuts
    from engine.run.chunks import TensorChunk


def keys_of(magnitudes: Tensor) -> np.ndarray[Any, Any]:
    """Give the keys of magnitudes: of float64 those of float32."""
    if magnitudes.dtype == torch.float64:
        magnitudes = magnitudes.to(torch.float32).abs_()  # a zero has no sign
    return magnitudes.view(INTEGERS[magnitudes.element_size()]).numpy()


@dataclass(frozen=True)
class Bracket:
    """Values whose keys, in that dtype, lie from ``low`` to ``high``, both inside."""

    low: int
    high: int
    dtype: torch.dtype

    def holds(self, value: Tensor) -> bool:
        """Whether it has all that is equal to a float64 ``value``, and so parts what is larger from what is less."""
        return self.low <= self._key(value) <= self.high

    def at(self, value: Tensor) -> Bracket:
        """Bracket of what has the same key as a float64 ``value``."""
        key = self._key(value)
        return Bracket(key, key, self.dtype)

    def _key(self, value: Tensor) -> int:
        return int(keys_of(value.abs().view(1).to(torch.float32).to(self.dtype))[0])


@dataclass
class Found:
    """Of one span and one bracket: how many values lie above it; indices of those inside, and what these are.

    Of too many there are none of these, and no count.
    """

    above: int | None = 0
    inside: int = 0
    indices: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)

    def give_up(self) -> None:
        """Keep nothing of it."""
        self.above = None
        self.indices.clear()
        self.values.clear()


def look(
    measure: Cuts, chunks: Iterable[TensorChunk], brackets: Mapping[int, Bracket], most: float = math.inf
) -> dict[int, Found]:
    """Look into brackets, of some of the measure's magnitudes, by their number; each may hold ``most`` values."""
    found, chunk = {number: Found() for number in brackets}, None
    for chunk in chunks:
        left = [number for number, own in found.items() if own.above is not None]
        if not left:
            break
        for number, magnitudes in zip(left, measure.magnitudes(chunk, left), strict=True):
            _look_at(magnitudes, brackets[number], found[number], chunk, most)
    if chunk is not None and chunk.exact is not None:
        for number, own in found.items():
            if own.indices:
                own.values += measure.magnitudes(chunk.exact(torch.cat(own.indices)), [number])
    return found


def _look_at(magnitudes: Tensor, bracket: Bracket, found: Found, chunk: TensorChunk, most: float) -> None:
    """Count what lies above, and find what lies inside. What is no number lies above all: it is refused elsewhere."""
    keys = keys_of(magnitudes)
    inside = torch.from_numpy(np.flatnonzero((keys >= bracket.low) & (keys <= bracket.high)))
    found.inside += inside.numel()
    if found.inside > most or found.above is None:
        found.give_up()
        return
    found.above += int(np.count_nonzero(keys > bracket.high))
    if chunk.exact is None:
        found.values.append(magnitudes.index_select(0, inside))
    found.indices.append(inside.add_(chunk.start))
