"""A quick way to most cuts: guess from a sample where they lie, then look at that part alone.

The guess decides how much work there is, never what comes out: where the cut is not inside its bracket, or too much
is, there is no answer, and the caller goes the long way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import torch

from engine.methods.contract import Cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from engine.methods.contract import Cuts
    from engine.run.chunks import TensorChunk
    from engine.run.cuts import Sweep

SAMPLED = 2**15
"""Values of the sample: a bracket of four standard deviations then holds about 2 % of the tensor."""
SAMPLED_SPANS = 4
DEVIATIONS = 4.0
COLLECTED = 2**21
"""Most elements of one bracket that are kept (16 bytes each)."""


HOPELESS = 2**62
"""More than any tensor has: no rank is left."""


@dataclass(frozen=True)
class Bracket:
    """Values whose distance from ``middle`` is at most ``reach``; both float64, and so is the difference."""

    middle: float
    reach: float


def bracketed_cuts(measure: Cuts, sweep: Sweep, spans: int, size: int) -> list[Cut | None]:
    """Find the cuts by one sweep, and part of one before it for the sample; None where that did not do."""
    brackets = _brackets(measure, sweep, spans, size)
    above = [0] * len(brackets)
    inside: list[list[Tensor]] = [[] for _ in brackets]
    for counts, found in sweep(lambda chunks: _look(measure, chunks, brackets)):
        for number, (count, part) in enumerate(zip(counts, found, strict=True)):
            above[number] += count
            if sum(kept.shape[1] for kept in inside[number]) <= COLLECTED:
                inside[number].append(part)
    return [
        _cut(keep - count, torch.cat(parts, dim=1))
        for keep, count, parts in zip(measure.keep, above, inside, strict=True)
    ]


def _brackets(measure: Cuts, sweep: Sweep, spans: int, size: int) -> list[Bracket]:
    """Guess from a sample, spread over the tensor."""
    chosen = sorted({number * spans // SAMPLED_SPANS for number in range(SAMPLED_SPANS)})
    parts = [part for span in chosen for part in sweep(lambda chunks: _sample(measure, chunks), only=span)]
    samples = [torch.cat(list(own)) for own in zip(*parts, strict=True)]
    return [_bracket(values, keep / size) for values, keep in zip(samples, measure.keep, strict=True)]


def _sample(measure: Cuts, chunks: Iterable[TensorChunk]) -> list[Tensor]:
    """Take evenly spaced values of a span's first chunks."""
    taken: list[list[Tensor]] = [[] for _ in measure.keep]
    for chunk in islice(chunks, 2):
        for own, values in zip(taken, measure.magnitudes(chunk), strict=True):
            own.append(values[:: max(1, 2 * SAMPLED_SPANS * values.numel() // SAMPLED)].clone())
    return [torch.cat(own) for own in taken]


def _bracket(values: Tensor, share: float) -> Bracket:
    """Bracket the value that ``share`` of the sample is larger than, by its standard deviations."""
    count = values.numel()
    margin = DEVIATIONS * (share * (1.0 - share) / count) ** 0.5 + 2.0 / count
    low, high = (
        float(values.kthvalue(min(count, max(1, round((1.0 - share + way * margin) * count)))).values)
        for way in (-1.0, 1.0)
    )
    middle = low / 2 + high / 2
    return Bracket(middle, max(high - middle, middle - low))


def _look(measure: Cuts, chunks: Iterable[TensorChunk], brackets: Sequence[Bracket]) -> tuple[list[int], list[Tensor]]:
    """Of one span and each bracket: how many values lie above it, and those inside as rows ``(bits, index)``.

    Above is what is larger than the middle and not inside. Written with differences and signs, at which torch is quick.
    """
    above = [0] * len(brackets)
    inside: list[list[Tensor]] = [[] for _ in brackets]
    for chunk in chunks:
        for number, (values, bracket) in enumerate(zip(measure.magnitudes(chunk), brackets, strict=True)):
            distance = values - bracket.middle
            found = (distance.abs() <= bracket.reach).nonzero().squeeze(1)
            near = distance[found]
            larger = float(distance.sign_().clamp_min_(0.0).sum())
            # Where something is no number there is no answer here.
            above[number] += HOPELESS if math.isnan(larger) else int(larger) - int((near > 0).sum())
            inside[number].append(torch.stack((values[found].view(torch.int64), found + chunk.start)))
    return above, [torch.cat(rows, dim=1) for rows in inside]


def _cut(rank: int, inside: Tensor) -> Cut | None:
    """Pick the value of that rank, from the largest down, out of those inside; None where it is not among them."""
    bits, indices = inside
    if not 1 <= rank <= bits.numel() or bits.numel() > COLLECTED:
        return None
    value = bits.kthvalue(bits.numel() - rank + 1).values
    before = int((bits > value).sum())
    equal = indices[bits == value]
    return Cut(float(value.view(torch.float64)), int(equal[rank - before - 1]))
