"""A quick way to most cuts: guess from a sample where they lie, then look at that part alone.

The guess decides how much work there is, never what comes out: where the cut is not inside its bracket, or too much
is, there is no answer, and the caller goes the long way.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import torch

from engine.methods.contract import Cut
from engine.plan.cost import BRACKETS
from engine.run.inside import Bracket, around, look

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
"""Most values of all brackets together that are kept, each once for each span, with its count; and one span's more."""


@dataclass(frozen=True)
class Inside:
    """Of one span: the values inside a bracket, each once, in ascending order, and how often each is there."""

    values: Tensor
    counts: Tensor

    def count_of(self, value: Tensor) -> int:
        """How often ``value`` is there."""
        return int(self.counts[self.values == value].sum())


def bracketed_cuts(measure: Cuts, sweep: Sweep, spans: int, size: int) -> list[Cut | None]:
    """Find the cuts by one sweep and a few single spans; None where that did not do."""
    brackets = _brackets(measure, sweep, spans, size)
    above: list[int | None] = [0] * len(brackets)
    inside: list[list[Inside]] = [[] for _ in brackets]
    for counts, found in sweep.over(lambda chunks: _look(measure, chunks, brackets), single=measure.plain):
        for number, (count, part) in enumerate(zip(counts, found, strict=True)):
            so_far = above[number]
            above[number] = None if so_far is None else so_far + count
            inside[number].append(part)
            if sum(kept.values.numel() for parts in inside for kept in parts) > COLLECTED:
                above[number] = None  # given up
                inside[number].clear()

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
    samples = [torch.cat(list(own)) for own in zip(*parts, strict=True)]
    shares = [keep / size for keep in measure.keep]
    return list(sweep.deal(lambda number: _bracket(samples[number], shares[number]), range(len(shares))))


def _sample(measure: Cuts, chunks: Iterable[TensorChunk]) -> list[Tensor]:
    """Take evenly spaced values, as float32, of a span's first chunks."""
    taken: list[list[Tensor]] = [[] for _ in measure.keep]
    for chunk in islice(chunks, 2):
        for own, values in zip(taken, measure.magnitudes(chunk, range(len(taken))), strict=True):
            some = values[:: max(1, 2 * SAMPLED_SPANS * values.numel() // SAMPLED)]
            own.append(some.to(torch.float32, copy=True))
    return [torch.cat(own) for own in taken]


def _bracket(values: Tensor, share: float) -> Bracket:
    """Bracket the value that ``share`` of the sample is larger than, by its standard deviations.

    Numbers without a sign are in the order of their bits, and integers are sorted in a fifth of the time.
    """
    count = values.numel()
    margin = DEVIATIONS * (share * (1.0 - share) / count) ** 0.5 + 2.0 / count
    ordered = values.view(torch.int32).sort().values.view(torch.float32)
    low, high = (ordered[min(count, max(1, round((1.0 - share + way * margin) * count))) - 1] for way in (-1.0, 1.0))
    return around(low, high)


def _look(measure: Cuts, chunks: Iterable[TensorChunk], brackets: Sequence[Bracket]) -> tuple[list[int], list[Inside]]:
    """Of one span and each bracket: how many values lie above it, and those inside."""
    found = look(measure, chunks, dict(enumerate(brackets))).values()
    inside = [Inside(*torch.unique(torch.cat(own.values), return_counts=True)) for own in found]
    return [own.above for own in found], inside


def _cut(measure: Cuts, sweep: Sweep, source: int, rank: int, inside: Sequence[Inside], bracket: Bracket) -> Cut | None:
    """Pick the value of that rank, from the largest down, out of those inside; None where it is not among them."""
    if rank < 1 or not inside:
        return None
    values, order = torch.cat([part.values for part in inside]).sort(descending=True)
    running = torch.cat([part.counts for part in inside])[order].cumsum(0)
    place = int((running < rank).sum())
    if place == values.numel():
        return None
    value = values[place]
    if not bracket.holds(value):
        return None
    first = int((values > value).sum())
    left = rank - (int(running[first - 1]) if first else 0)
    # Of equal values those with the lowest index come first: find the span, then look into it once more.
    for span, part in enumerate(inside):
        count = part.count_of(value)
        if left <= count:
            (found,) = sweep.over(lambda chunks: _equals(measure, chunks, source, value), [span], single=measure.plain)
            return Cut(float(value), int(found[left - 1]))
        left -= count
    raise AssertionError("the counts of the spans add up to the rank")


def _equals(measure: Cuts, chunks: Iterable[TensorChunk], source: int, value: Tensor) -> Tensor:
    """Indices of the elements of one span that are ``value``, in order."""
    single = value.to(torch.float32)
    found = look(measure, chunks, {source: around(single, single)})[source]
    return torch.cat(found.indices)[torch.cat(found.values) == value]
