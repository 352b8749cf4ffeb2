"""Thinning by size, which ``ties`` and the two ``breadcrumbs`` share: a band of magnitudes stays, the rest goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from engine.methods.contract import CUTS_SWEEPS, SUMS_SWEEPS, Cut, Cuts, Mix
from engine.methods.task_vectors import Rule, Summed
from engine.methods.thinning import Dense, blended, partial, thinner

if TYPE_CHECKING:
    from torch import Tensor

    from engine.methods.contract import Chunk, Steps


class Outliers(Dense):
    """Per model, where the largest elements go too."""

    gamma: float = Field(default=0.01, ge=0, le=1, description="share of the task vector, its largest, that is dropped")


class Rescaled(Summed):
    """For the whole tensor."""

    rescale: bool = Field(default=False, description="scale each thinned task vector back to its L1 norm")


@dataclass(frozen=True)
class Band:
    """Of a task vector's elements, larger ones first and equal ones by index: skip some, keep the next, drop the rest.

    Nothing is skipped where nothing is kept.
    """

    skip: int
    keep: int


Bands = Callable[[Mix], Sequence[Band]]
"""The band of each source."""


def largest(mix: Mix) -> list[Band]:
    """Keep ``max(1, ⌊density·size⌋)``; none at density 0."""
    return [Band(0, max(1, int(s.density * mix.size)) if s.density > 0 else 0) for s in mix.sources]


def without_outliers(mix: Mix) -> list[Band]:
    """Skip ``⌊gamma·size⌋`` and keep ``⌊density·size⌋``; skip fewer where so many are not left."""
    bands = []
    for source in mix.sources:
        keep = int(source.density * mix.size)
        bands.append(Band(min(int(source.gamma * mix.size), mix.size - keep), keep))
    return bands


def _shares(mix: Mix, bands: Sequence[Band]) -> list[float]:
    return [band.keep / max(mix.size, 1) for band in bands]


def sweeps(bands_of: Bands) -> Callable[[Mix], int]:
    """Make the method's ``sweeps``: for the cuts where any task vector is kept in part, and for the L1 norms."""

    def _sweeps(mix: Mix) -> int:
        if not partial(_shares(mix, bands_of(mix))):
            return 0
        return CUTS_SWEEPS + (SUMS_SWEEPS if mix.parameters.rescale else 0)

    return _sweeps


def steps(bands_of: Bands, *, consensus: bool) -> Callable[[Mix], Steps]:
    """Make the steps of a method that keeps such bands, with or without sign consensus."""

    def _steps(mix: Mix) -> Steps:
        bands = bands_of(mix)
        shares = _shares(mix, bands)
        ends = [
            (i, rank) for i in partial(shares) for rank in (bands[i].skip, bands[i].skip + bands[i].keep) if rank > 0
        ]
        cuts: dict[tuple[int, int], Cut] = {}
        if ends:
            sources, ranks = zip(*ends, strict=True)
            found = yield Cuts(lambda chunk, which: _magnitudes(chunk, [sources[i] for i in which]), ranks, plain=True)
            cuts = dict(zip(ends, found, strict=True))

        def part(chunk: Chunk, i: int) -> Tensor:
            return _selected(chunk, i, cuts.get((i, bands[i].skip)), cuts[i, bands[i].skip + bands[i].keep])

        rule = Rule.of(mix, consensus=consensus)
        by_norm = bool(ends) and mix.parameters.rescale
        single = all(cut.single for cut in cuts.values())
        return (yield from blended(thinner(shares, part), mix, rule, by_norm=by_norm, single=single))

    return _steps


def _magnitudes(chunk: Chunk, sources: Sequence[int]) -> list[Tensor]:
    """One tensor for each; those of one source share theirs."""
    of_source = {i: chunk.models[i].abs() for i in dict.fromkeys(sources)}
    return [of_source[i] for i in sources]


def _selected(chunk: Chunk, i: int, skipped: Cut | None, kept: Cut) -> Tensor:
    """What the second cut selects and the first one does not, with zeros in between."""
    delta = chunk.models[i]
    part = kept.kept(delta, chunk.upto(kept.last))
    return part if skipped is None else part.sub_(skipped.kept(delta, chunk.upto(skipped.last)))
