"""Blends in float32 where that settles what float64 would give; the few elements that it does not settle, in float64.

Rounding keeps order. So where a value's least and its greatest possible result round to the same number of the output
type, everything between them does, the float64 value too. Float32 is twice as quick to compute with, and quicker still
to round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from engine.methods.contract import Stored
from engine.run.places import few_places

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from engine.methods.contract import Estimated

LARGEST = {"bfloat16": 3e38, "float16": 65000.0}
"""Output types that float32 can settle, and what is sure not to overflow there."""
SINGLE = frozenset({"bfloat16", "float16", "float32"})
"""Stored types that float32 holds exactly."""
MOST = 3 / 16
"""Share of a chunk's words, of four elements each, up to which computing what is not settled again is quicker than
computing all in float64: about a twentieth of the elements. Midpoints of neighbours, which only their exact value
settles, are common where weights have few digits: a tenth of all elements at 0.4, 0.3 and 0.3, half of them where two
models are averaged.
"""


def estimated(blend: Estimated, operands: Sequence[Tensor], out: Tensor, chunk: int, largest: float) -> Tensor | None:
    """Fill ``out`` from float32; give the places that are not settled, or None where all is better done otherwise.

    ``operands`` are the inputs as they are stored, base first; ``largest`` is what no result may reach.
    """
    other = torch.empty_like(out[:chunk])
    found: list[Tensor] = []
    for begin in range(0, out.numel(), chunk):
        part = slice(begin, min(begin + chunk, out.numel()))
        guess = blend.estimate(_stored([operand[part] for operand in operands]))
        if not guess.largest < largest:  # nor where it is no number
            return None
        least, greatest = out[part], other[: part.stop - begin]
        least.copy_(guess.values.sub_(guess.error))
        greatest.copy_(guess.values.add_(2.0 * guess.error))
        differing = greatest.view(torch.int16).bitwise_xor_(least.view(torch.int16))
        unsettled = few_places(differing, MOST)
        if unsettled is None:
            return None
        found.append(unsettled.add_(begin))
    return torch.cat(found)


def _stored(operands: list[Tensor]) -> Stored:
    ends = [torch.aminmax(operand) for operand in operands]  # a NaN anywhere is both
    return Stored(tuple(operands), [max(abs(float(least)), abs(float(most))) for least, most in ends])


def settle(
    unsettled: Tensor, operands: Sequence[Tensor], out: Tensor, exact: Callable[[list[Tensor]], Tensor], chunk: int
) -> None:
    """Compute ``out`` at those places: ``exact`` makes operands' elements results, which are as finite as estimated."""
    for part in torch.split(unsettled, chunk):
        out.index_copy_(0, part, exact([operand.index_select(0, part) for operand in operands]))
