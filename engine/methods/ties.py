"""Trim, elect a sign, merge what agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from engine.methods.contract import CUTS_SWEEPS, SUMS_SWEEPS, Cut, Cuts, Method, Mix, Steps, Sums
from engine.methods.task_vectors import INPUTS, Dense, Rule, Summed, blend_of, l1_ratios, l1_terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from engine.methods.contract import Chunk


class Parameters(Summed):
    """For the whole tensor."""

    normalize: bool = Field(default=True, description="divide by the sum of the weights that agree")
    rescale: bool = Field(default=False, description="scale each trimmed task vector back to its L1 norm")


def kept(density: float, size: int) -> int:
    """How many of ``size`` elements stay: ``max(1, ⌊density·size⌋)``, none at density 0."""
    return max(1, int(density * size)) if density > 0 else 0


def _trimmed(mix: Mix) -> list[int]:
    """Indices of the sources of which a part, and not all, is kept."""
    return [i for i, source in enumerate(mix.sources) if 0 < kept(source.density, mix.size) < mix.size]


def _sweeps(mix: Mix) -> int:
    if not _trimmed(mix):
        return 0
    return CUTS_SWEEPS + (SUMS_SWEEPS if mix.parameters.rescale else 0)


def _trim(mix: Mix, chunk: Chunk, cuts: dict[int, Cut]) -> list[Tensor]:
    trimmed = []
    for i, (source, delta) in enumerate(zip(mix.sources, chunk.models, strict=True)):
        if i in cuts:
            trimmed.append(cuts[i].selects(delta.abs(), chunk.start).mul_(delta))
        else:
            trimmed.append(delta if source.density > 0 else delta * 0.0)
    return trimmed


def _steps(mix: Mix) -> Steps:
    partial = _trimmed(mix)
    cuts: dict[int, Cut] = {}
    factors = [1.0] * len(mix.sources)
    if partial:
        keep = tuple(kept(mix.sources[i].density, mix.size) for i in partial)
        found = yield Cuts(lambda chunk: tuple(chunk.models[i].abs() for i in partial), keep)
        cuts = dict(zip(partial, found, strict=True))
        if mix.parameters.rescale:
            factors = l1_ratios((yield Sums(lambda chunk: l1_terms(chunk.models, _trim(mix, chunk, cuts)))))

    def thin(chunk: Chunk) -> Sequence[Tensor]:
        trimmed = _trim(mix, chunk, cuts)
        return [delta if f == 1.0 else delta * f for delta, f in zip(trimmed, factors, strict=True)]

    return blend_of(thin, mix, Rule.of(mix, consensus=True))


METHOD = Method(
    name="ties",
    purpose="merge many fine-tunes of one base where their changes conflict",
    formula="base + λ·Σ agreeing wᵢδᵢ / Σ agreeing wᵢ, each δ trimmed to its largest elements",
    paper="2306.01708",
    inputs=INPUTS,
    source_parameters=Dense,
    parameters=Parameters,
    steps=_steps,
    sweeps=_sweeps,
    inert=frozenset({"int8_mask"}),
)
