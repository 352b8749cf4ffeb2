"""Where the k largest of a tensor end, exactly, in bounded memory and without sorting it.

Most cuts are found by one sweep, in a bracket that a sample gives (``engine.run.brackets``). Where that fails, because
too many values are equal or the sample was odd, the long way is sure: the bits of a non-negative float64 are ordered
as the numbers are. One sweep counts values by their first 16 bits, which tells the bin that the cut lies in; the next
one collects that bin if it is small, else counts by the next 16 bits, and so on. Counts are integers, so their order
of addition is free.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch

from engine.methods.contract import Cut
from engine.run.brackets import bracketed_cuts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor

    from engine.methods.contract import Cuts
    from engine.run.chunks import TensorChunk

T = TypeVar("T")
DIGITS = ((47, 16), (31, 16), (15, 16), (0, 15))
"""Shift and width of each digit of the 63 bits below the sign."""
COLLECTED = 2**18
"""Most elements of one bin that are collected."""


class Sweep(Protocol):
    """Goes over a tensor in spans, whoever it is that computes them; results come in order."""

    def over(
        self, function: Callable[[Iterable[TensorChunk]], T], only: Sequence[int] | None = None, *, single: bool = False
    ) -> Iterable[T]:
        """Run a function over all spans, or over some. A result is made only shortly before it is taken.

        Where it is ``single``, chunks may be in float32.
        """
        ...

    def deal(self, function: Callable[[int], T], items: Sequence[int]) -> Iterable[T]:
        """Run a function for each item; it may go over a single span."""
        ...


@dataclass(frozen=True)
class _Search:
    """One search: of the values whose bits, shifted, equal ``prefix``, the cut selects the first ``rank``."""

    source: int
    shift: int
    prefix: int
    rank: int
    count: int

    def members(self, bits: Tensor) -> Tensor:
        """Mask of the values that are still in question."""
        return bits.bitwise_right_shift(self.shift) == self.prefix


def find_cuts(measure: Cuts, sweep: Sweep, size: int, spans: int, *, quickly: bool = True) -> tuple[Cut, ...]:
    """Find every cut of ``measure`` over a tensor of ``size`` elements in ``spans`` spans, ``quickly`` if that will do.

    Reads the tensor ``CUTS_SWEEPS`` times at most: at worst once for the sample, once for the brackets, and five times
    on the long way.
    """
    cuts: dict[int, Cut] = {}
    if quickly and size > COLLECTED:
        cuts = {i: cut for i, cut in enumerate(bracketed_cuts(measure, sweep, spans, size)) if cut is not None}
    searches = [_Search(i, 63, 0, keep, size) for i, keep in enumerate(measure.keep) if i not in cuts]
    for digit in range(len(DIGITS)):
        small = [s for s in searches if s.count <= COLLECTED]
        large = [s for s in searches if s.count > COLLECTED]
        if not searches:
            break
        collected, counted = _swept(measure, sweep, small, large, digit)
        for search, parts in zip(small, collected, strict=True):
            cuts[search.source] = _cut_among(search, parts)
        searches = [_narrowed(s, histogram, digit) for s, histogram in zip(large, counted, strict=True)]
    for search in searches:
        cuts[search.source] = _cut_among_equals(measure, search, sweep)
    return tuple(cuts[i] for i in range(len(measure.keep)))


def _swept(
    measure: Cuts, sweep: Sweep, small: Sequence[_Search], large: Sequence[_Search], digit: int
) -> tuple[list[list[Tensor]], list[Tensor]]:
    """Of the whole tensor: the members of each small bin, span by span, and a histogram for each large one.

    Histograms are added up as they come: all of them together would weigh as much as the tensor.
    """
    collected: list[list[Tensor]] = [[] for _ in small]
    counted = [torch.zeros(1 << DIGITS[digit][1], dtype=torch.int64) for _ in large]
    for found, counts in sweep.over(lambda chunks: _collect_and_count(measure, chunks, small, large, digit)):
        for parts, part in zip(collected, found, strict=True):
            parts.append(part)
        for histogram, count in zip(counted, counts, strict=True):
            histogram.add_(count)
    return collected, counted


def _bits(measure: Cuts, chunk: TensorChunk, searches: Iterable[_Search]) -> dict[int, Tensor]:
    which = [search.source for search in searches]
    return {i: values.view(torch.int64) for i, values in zip(which, measure.magnitudes(chunk, which), strict=True)}


def _collect_and_count(
    measure: Cuts, chunks: Iterable[TensorChunk], small: Sequence[_Search], large: Sequence[_Search], digit: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Of one span: the members of small bins as rows ``(bits, index)``, and a histogram for each large one."""
    shift, width = DIGITS[digit]
    collected: list[list[Tensor]] = [[] for _ in small]
    counted = [torch.zeros(1 << width, dtype=torch.int64) for _ in large]
    for chunk in chunks:  # what is found goes to where all spans' is put together
        bits = _bits(measure, chunk, [*small, *large])
        for rows, search in zip(collected, small, strict=True):
            found = search.members(bits[search.source]).nonzero().squeeze(1)
            rows.append(torch.stack((bits[search.source][found], found + chunk.start)).cpu())
        for histogram, search in zip(counted, large, strict=True):
            own = bits[search.source]
            own = own if search.shift == 63 else own[search.members(own)]
            digits = own.bitwise_right_shift(shift).bitwise_and_((1 << width) - 1)
            histogram.add_(torch.bincount(digits, minlength=1 << width).cpu())
    return [torch.cat(rows, dim=1) for rows in collected], counted


def _narrowed(search: _Search, histogram: Tensor, digit: int) -> _Search:
    """Go on in the bin that holds the cut: the first, from the largest down, whose running count reaches it."""
    shift, width = DIGITS[digit]
    running = histogram.flip(0).cumsum(0)
    steps = int((running < search.rank).sum())
    chosen = (1 << width) - 1 - steps
    above = int(running[steps - 1]) if steps else 0
    return replace(
        search,
        shift=shift,
        prefix=(search.prefix << width) | chosen,
        rank=search.rank - above,
        count=int(histogram[chosen]),
    )


def _value(bits: int) -> float:
    return float(torch.tensor(bits, dtype=torch.int64).view(torch.float64))


def _cut_among(search: _Search, parts: Sequence[Tensor]) -> Cut:
    """Pick the cut out of all values in question, which come in the order of their index."""
    bits, indices = torch.cat(list(parts), dim=1)
    order = torch.argsort(bits, descending=True, stable=True)
    at = order[search.rank - 1]
    return Cut(_value(int(bits[at])), int(indices[at]))


def _cut_among_equals(measure: Cuts, search: _Search, sweep: Sweep) -> Cut:
    """Find the index of the ``rank``-th of many equal values: count them by span, then look into that span."""

    def indices(chunks: Iterable[TensorChunk]) -> Iterator[Tensor]:
        for chunk in chunks:
            found = search.members(_bits(measure, chunk, [search])[search.source])
            yield found.nonzero().squeeze(1) + chunk.start

    counts = list(sweep.over(lambda chunks: sum(part.numel() for part in indices(chunks))))
    rank, span = search.rank, 0
    while rank > counts[span]:
        rank -= counts[span]
        span += 1
    (found,) = sweep.over(lambda chunks: torch.cat(list(indices(chunks))), [span])
    return Cut(_value(search.prefix), int(found[rank - 1]))
