"""Blends in float32 where that settles what float64 would give; the few elements that it does not settle, in float64.

Rounding keeps order. So where a value's least and its greatest possible result round to the same number of the output
type, everything between them does, the float64 value too. Float32 is twice as quick to compute with, and quicker still
to round.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from engine.methods.arithmetic import largest_size
from engine.run.places import few_places

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from engine.methods.contract import Estimated, Stored

LARGEST = {"bfloat16": 3e38, "float16": 65000.0}
"""Output types that float32 can settle, and what is sure not to overflow there."""
SINGLE = frozenset({"bfloat16", "float16", "float32"})
"""Stored types that float32 holds exactly."""
MOST = 1 / 2
"""Share of a chunk's words, of four elements each, up to which computing what is not settled again is quicker than
computing all in float64: about a twentieth of the elements. Midpoints of neighbours, which only their exact value
settles, are common where weights have few digits: a tenth of all elements at 0.4, 0.3 and 0.3, half of them where two
models are averaged.
"""


DOUBTED = 2.0**100
"""What makes a doubt larger than any difference of neighbours, unless it is next to nothing."""


def estimated(
    blend: Estimated, stored: Callable[[slice], Stored], out: Tensor, chunk: int, largest: float
) -> Tensor | None:
    """Fill ``out`` from float32; give the places that are not settled, or None where all is better done otherwise.

    ``stored`` gives the inputs of a part; ``largest`` is what no result may reach.
    """
    other = torch.empty_like(out[:chunk])
    found: list[Tensor] = []
    for begin in range(0, out.numel(), chunk):
        part = slice(begin, min(begin + chunk, out.numel()))
        guess = blend.estimate(stored(part))
        if not guess.largest < largest:  # nor where it is no number
            return None
        least, greatest = out[part], other[: part.stop - begin]
        least.copy_(guess.values.sub_(guess.error))
        guess.values.add_(2.0 * guess.error)
        greatest.copy_(guess.values if guess.doubt is None else guess.values.add_(guess.doubt, alpha=DOUBTED))
        differing = greatest.view(torch.int16).bitwise_xor_(least.view(torch.int16))
        unsettled = few_places(differing, MOST)
        if unsettled is None:
            return None
        found.append(unsettled.add_(begin))
    return torch.cat(found)


def settle(unsettled: Tensor, out: Tensor, exact: Callable[[Tensor], Tensor], chunk: int) -> bool:
    """Compute ``out`` at those places, where ``exact`` gives the results; False where one of these is not finite."""
    for part in torch.split(unsettled, chunk):
        results = exact(part)
        if part.numel() and not largest_size(results) < math.inf:
            return False
        out.index_copy_(0, part, results)
    return True
