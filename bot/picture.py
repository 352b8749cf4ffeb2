"""How a plan mixes, as a small table: a bar for each layer, and the values at a few of them.

Text in a code span, so that it is as readable on a dark page as on a light one, in a mail, and to a screen reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.plan.show.mixture import ROLES, largest_of, rows_of, sparkline
from engine.plan.show.settings import settings_of

if TYPE_CHECKING:
    from engine.plan.plan import Plan
    from engine.plan.show.mixture import Row

TICKS = 5
MOST_ROWS = 60


def picture(plan: Plan) -> dict[str, Any]:
    """Make what ``templates/comment.md.j2`` shows of a mixture; ``has_mixture`` is False where there is none."""
    rows = rows_of(plan)
    layers = plan.layers or 0
    if not rows:
        return {"has_mixture": False}
    largest = largest_of(rows)
    ticks = ticks_of(layers)
    return {
        "has_mixture": True,
        "scale": _scale(plan, largest),
        "settings": settings_of(plan),
        "last": layers - 1,
        "ticks": ticks,
        "rows": [_row(row, ticks, largest) for row in rows[:MOST_ROWS]],
    }


def ticks_of(layers: int) -> tuple[int, ...]:
    """Choose the layers whose values are written: first, last, and some in between."""
    return tuple(dict.fromkeys(round(i * (layers - 1) / (TICKS - 1)) for i in range(TICKS)))


def _scale(plan: Plan, largest: float) -> str:
    method = plan.recipe.merge_method
    if method == "slerp":
        return "`t`: 0 is the base, 1 is the other model."
    if method == "passthrough":
        return "a stack: a bar where a layer comes from that model."
    return f"weights, on a scale from 0 to {largest:g}."


def _row(row: Row, ticks: tuple[int, ...], largest: float) -> dict[str, Any]:
    label, dot, role = row.label.rpartition(" · ")
    named = bool(dot) and role in ROLES
    return {
        "label": (label if named else row.label)[:100],
        "role": f" {role}" if named else "",
        "bar": sparkline(row, largest),
        "cells": [_number(row.values[tick]) for tick in ticks],
    }


def _number(value: float | None) -> str:
    return "·" if value is None else f"{value:.3g}"
