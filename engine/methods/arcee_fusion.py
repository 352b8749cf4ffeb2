"""Take from another model only the elements that matter most, and leave the rest of the base alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.methods.arithmetic import row_totals
from engine.methods.contract import (
    CUTS_SWEEPS,
    SUMS_SWEEPS,
    Cuts,
    Inputs,
    Method,
    Mix,
    NoParameters,
    Rows,
    last_dimension,
)
from engine.methods.exponential import NEAR, atanh_tail, exp, log

if TYPE_CHECKING:
    from torch import Tensor

    from engine.methods.contract import Chunk, Steps

SMOOTHING = 1e-8
FENCE = 1.5
"""How many distances between the quartiles above the median the important elements begin."""


def _smoothed_softmax(rows: Tensor) -> Tensor:
    powers = exp(rows - rows.amax(1, keepdim=True))
    return powers.div_(row_totals(powers).unsqueeze(1)).add_(SMOOTHING)


def divergence(p: Tensor, q: Tensor) -> Tensor:
    """Kullback-Leibler divergence of each row of ``p`` from that of ``q``; both positive, with the same totals.

    Summed are not ``p·ln(p/q)``, which cancel where the rows are nearly equal, but ``p·ln(p/q) - p + q``, of which none
    is negative. With ``s = (p - q) / (p + q)`` that is ``(p + q)·(s² + (1 + s)·(atanh s - s))``.
    """
    both = p + q
    s = (p - q) / both
    tail = atanh_tail(s.clamp(-NEAR, NEAR)).where(s.abs() <= NEAR, log(p / q).mul_(0.5).sub_(s))
    return row_totals(tail.mul_(s + 1.0).add_(s * s).mul_(both))


def _divergences(chunk: Chunk, row: int) -> Tensor:
    (other,) = chunk.models
    return divergence(*(_smoothed_softmax(values.view(-1, row)) for values in (other, chunk.base)))


def _importance(chunk: Chunk, row: int, divergences: Tensor) -> Tensor:
    """``|Δ|`` times the divergence of the row that the element is in."""
    (other,) = chunk.models
    change = (other - chunk.base).abs_().view(-1, row)
    first = chunk.start // row
    return change.mul_(divergences[first : first + change.shape[0]].unsqueeze(1)).flatten()


def _ranks(size: int) -> tuple[int, ...]:
    """Of the quartiles (the sorted values at ``⌊q·(n - 1)⌋``), counted from the largest."""
    return tuple(size - quarters * (size - 1) // 4 for quarters in (1, 2, 3))


def _steps(mix: Mix) -> Steps:
    row = last_dimension(mix)
    (divergences,) = yield Rows(lambda chunk: (_divergences(chunk, row),))
    first, median, third = yield Cuts(
        lambda chunk, which: (_importance(chunk, row, divergences),) * len(which), _ranks(mix.size)
    )
    least = median.value + FENCE * (third.value - first.value)

    def blend(chunk: Chunk) -> Tensor:
        (other,) = chunk.models
        unimportant = _importance(chunk, row, divergences).lt_(least)
        taken = other * (1.0 - unimportant)
        return unimportant.mul_(chunk.base).add_(taken)

    return blend


METHOD = Method(
    name="arcee_fusion",
    purpose="take over only the most important changes of another model",
    formula="x where |x - base|·KL(softmax x ‖ softmax base) >= median + 1.5·(q3 - q1) of it, else base",
    paper="",
    inputs=Inputs(base="required", least=1, most=1),
    source_parameters=NoParameters,
    parameters=NoParameters,
    steps=_steps,
    sweeps=lambda _mix: SUMS_SWEEPS + CUTS_SWEEPS,
    row=last_dimension,
)
