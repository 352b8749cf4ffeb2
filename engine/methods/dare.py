"""What ``dare_linear`` and ``dare_ties`` share: random dropping, and making up for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.methods.contract import SUMS_SWEEPS, Mix, Steps, Sums
from engine.methods.task_vectors import Rule, blend_of, l1_ratios, l1_terms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from engine.methods.contract import Chunk


def _measured(mix: Mix) -> bool:
    by_norm = mix.parameters.rescale and mix.parameters.rescale_norm == "l1"
    return by_norm and any(_partial(source.density) for source in mix.sources)


def _partial(density: float) -> bool:
    return 0 < density < 1


def sweeps(mix: Mix) -> int:
    """One where L1 norms are measured, else none."""
    return SUMS_SWEEPS if _measured(mix) else 0


def _drop(mix: Mix, chunk: Chunk) -> list[Tensor]:
    """Keep each element with its model's density as probability, set the others to zero."""
    dropped = []
    for i, (source, delta) in enumerate(zip(mix.sources, chunk.models, strict=True)):
        if _partial(source.density):
            dropped.append(chunk.bernoulli(i, source.density).mul_(delta))
        else:
            dropped.append(delta if source.density > 0 else delta * 0.0)
    return dropped


def _divided(mix: Mix, dropped: Sequence[Tensor]) -> list[Tensor]:
    """Divide by the densities. A product with the reciprocal would be rounded once more, and miss exact midpoints."""
    return [
        delta.div_(source.density) if _partial(source.density) else delta
        for source, delta in zip(mix.sources, dropped, strict=True)
    ]


def steps(*, consensus: bool) -> Callable[[Mix], Steps]:
    """Make the steps of a DARE method, with or without sign consensus."""

    def _steps(mix: Mix) -> Steps:
        factors: list[float] | None = None
        if _measured(mix):
            factors = l1_ratios((yield Sums(lambda chunk: l1_terms(chunk.models, _drop(mix, chunk)))))

        def thin(chunk: Chunk) -> Sequence[Tensor]:
            dropped = _drop(mix, chunk)
            if factors is not None:
                return [delta * factor for delta, factor in zip(dropped, factors, strict=True)]
            return _divided(mix, dropped) if mix.parameters.rescale else dropped

        return blend_of(thin, mix, Rule.of(mix, consensus=consensus))

    return _steps
