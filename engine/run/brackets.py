"""A quick way to most cuts: guess from a sample where they lie, then look at that part alone.

The guess decides how much work there is, never what comes out: where the cut is not inside its bracket, or too much
is, there is no answer, and the caller goes the long way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch

from engine.methods.contract import Cut
from engine.plan.cost import BRACKETS
from engine.run.inside import Bracket, keys_of, look

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from engine.methods.contract import Cuts
    from engine.run.chunks import TensorChunk
    from engine.run.cuts import Sweep

SAMPLED = 2**17
"""Most values of the sample: a bracket of four standard deviations then holds at most about 1.1 % of the tensor."""
SAMPLED_SPANS = 4
DEVIATIONS = 4.0
COLLECTED = BRACKETS // 16
"""Most values of all brackets together that are kept, each with its count; and one span's more."""
MANY = 64
"""Spans of all brackets together from which each keeps a value once, whose count it is: that takes longer."""


@dataclass(frozen=True)
class Inside:
    """Of one span: the values inside a bracket, and how often each is there; or all of them."""

    values: Tensor
    counts: Tensor | None

    def count_of(self, value: Tensor) -> int:
        """How often ``value`` is there."""
        same = self.values == value
        return int(same.sum() if self.counts is None else self.counts[same].sum())


def bracketed_cuts(measure: Cuts, sweep: Sweep, spans: int, size: int) -> list[Cut | None]:
    """Find the cuts by one sweep and a few single spans; None where that did not do."""
    brackets = _brackets(measure, sweep, spans, size)
    above: list[int | None] = [0] * len(brackets)
    inside: list[list[Inside]] = [[] for _ in brackets]
    kept = 0
    for counts, found in sweep.over(lambda chunks: _look(measure, chunks, brackets, spans), single=measure.plain):
        for number, (count, part) in enumerate(zip(counts, found, strict=True)):
            so_far, own = above[number], inside[number]
            own.append(part)
            kept += part.values.numel()
            above[number] = None if so_far is None or count is None else so_far + count
            if above[number] is None or kept > COLLECTED:
                above[number] = None  # given up
                kept -= sum(one.values.numel() for one in own)
                own.clear()

    def cut(number: int) -> Cut | None:
        count = above[number]
        if count is None:
            return None
        return _cut(measure, sweep, number, measure.keep[number] - count, inside[number], brackets[number])

    return list(sweep.deal(cut, range(len(brackets))))


def _brackets(measure: Cuts, sweep: Sweep, spans: int, size: int) -> list[Bracket]:
    """Guess from a sample, spread over the tensor."""
    chosen = sorted({number * spans // SAMPLED_SPANS for number in range(SAMPLED_SPANS)})
    parts = sweep.over(lambda chunks: _sample(measure, chunks), chosen, single=measure.plain)
    samples = [torch.cat(own) for own in zip(*parts, strict=True)]
    return [_bracket(sample, keep / size) for sample, keep in zip(samples, measure.keep, strict=True)]


def _sample(measure: Cuts, chunks: Iterable[TensorChunk]) -> list[Tensor]:
    """Take evenly spaced values of a span's first chunks, float64 ones as float32."""
    taken: list[list[Tensor]] = [[] for _ in measure.keep]
    for chunk in islice(chunks, 2):
        for own, values in zip(taken, measure.magnitudes(chunk, range(len(taken))), strict=True):
            some = values[:: max(1, 2 * SAMPLED_SPANS * values.numel() // SAMPLED)]
            own.append(some.to(torch.float32) if some.dtype == torch.float64 else some.clone())
    return [torch.cat(own) for own in taken]


def _bracket(values: Tensor, share: float) -> Bracket:
    """Bracket the value that ``share`` of the sample is larger than, by its standard deviations."""
    keys = np.sort(keys_of(values))
    margin = DEVIATIONS * (share * (1.0 - share) / keys.size) ** 0.5 + 2.0 / keys.size
    low, high = (keys[min(keys.size, max(1, round((1.0 - share + w * margin) * keys.size))) - 1] for w in (-1.0, 1.0))
    (infinity,) = keys_of(values.new_tensor([math.inf]))
    return Bracket(int(low), int(min(high, infinity)), values.dtype)  # what is no number stays outside


def _look(
    measure: Cuts, chunks: Iterable[TensorChunk], brackets: Sequence[Bracket], spans: int
) -> tuple[list[int | None], list[Inside]]:
    """Of one of ``spans`` spans and each bracket: how many values lie above it, and those inside."""
    found = look(measure, chunks, dict(enumerate(brackets)), COLLECTED // len(brackets)).values()
    once = spans * len(brackets) > MANY
    return [own.above for own in found], [_inside(own.values, once=once) for own in found]


def _inside(parts: Sequence[Tensor], *, once: bool) -> Inside:
    values = torch.cat(list(parts)) if parts else torch.empty(0, dtype=torch.float64)
    return Inside(*torch.unique(values, return_counts=True)) if once else Inside(values, None)


def _cut(measure: Cuts, sweep: Sweep, source: int, rank: int, inside: Sequence[Inside], bracket: Bracket) -> Cut | None:
    """Pick the value of that rank, from the largest down, out of those inside; None where it is not among them."""
    if rank < 1 or not inside:
        return None
    values = torch.cat([part.values for part in inside])
    counts = [part.counts for part in inside if part.counts is not None]
    value = _at(rank, values, torch.cat(counts) if counts else None)
    if value is None or not bracket.holds(value):
        return None
    larger = values > value
    left = rank - int(torch.cat(counts)[larger].sum() if counts else larger.sum())
    # Of equal values those with the lowest index come first: find the span, then look into it once more.
    for span, part in enumerate(inside):
        count = part.count_of(value)
        if left <= count:
            (found,) = sweep.over(
                lambda chunks: _equals(measure, chunks, source, value, bracket), [span], single=measure.plain
            )
            return Cut(float(value), int(found[left - 1]), single=_told_by_float32(value, values))
        left -= count
    raise AssertionError("the counts of the spans add up to the rank")


def _at(rank: int, values: Tensor, counts: Tensor | None) -> Tensor | None:
    """Value of that rank, from the largest down, each of them being there as often as its count says, or once."""
    if counts is None:
        return values.kthvalue(values.numel() + 1 - rank).values if rank <= values.numel() else None
    ordered, order = values.sort(descending=True)
    place = int((counts[order].cumsum(0) < rank).sum())
    return ordered[place] if place < values.numel() else None


def _told_by_float32(value: Tensor, values: Tensor) -> bool:
    """Whether none of the others in the bracket rounds to what ``value`` rounds to: outside it none does."""
    single = value.float()
    return bool(single.isfinite()) and not bool(((values != value) & (values.float() == single)).any())


def _equals(measure: Cuts, chunks: Iterable[TensorChunk], source: int, value: Tensor, bracket: Bracket) -> Tensor:
    """Indices of the elements of one span that are ``value``, in order."""
    found = look(measure, chunks, {source: bracket.at(value)})[source]
    return torch.cat(found.indices)[torch.cat(found.values) == value]
