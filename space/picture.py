"""How a plan mixes, as a picture: layers from left to right, a band for each parent, deeper where more of it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.plan.show.mixture import ROLES, Row, largest_of, rows_of

if TYPE_CHECKING:
    from engine.plan.plan import Plan

MOST_BANDS = 24
HUES = 6
"""How many colours the style sheet has; parents beyond begin again."""


@dataclass(frozen=True)
class Cell:
    """One layer of a band: its place, how deep its colour is (0 to 1), and what a reader is told."""

    layer: int
    depth: float
    told: str


@dataclass(frozen=True)
class Band:
    """One parent, or one part of its layers: ``values`` sums it up for those who do not see the picture."""

    label: str
    role: str
    hue: int
    cells: tuple[Cell, ...]
    values: str


@dataclass(frozen=True)
class Picture:
    """All bands over ``layers`` layers; ``left_out`` is how many more there are."""

    layers: int
    bands: tuple[Band, ...]
    left_out: int


def picture_of(plan: Plan) -> Picture | None:
    """Draw a plan; None where nothing is known of its layers."""
    rows = _by_parent(plan, rows_of(plan))
    if not rows or not plan.layers:
        return None
    largest = largest_of(tuple(rows))
    hues = {name: number % HUES for number, name in enumerate(dict.fromkeys(_split(row.label)[0] for row in rows))}
    bands = tuple(_band(row, hues, largest) for row in rows[:MOST_BANDS])
    return Picture(plan.layers, bands, max(len(rows) - MOST_BANDS, 0))


def _by_parent(plan: Plan, rows: tuple[Row, ...]) -> list[Row]:
    """Tell interpolation as shares of both parents: ``t`` of the other one, and the rest of the base."""
    shares = [row for row in rows if _split(row.label)[0] == "t"]
    if not shares or plan.recipe.merge_method != "slerp":
        return list(rows)
    base = plan.recipe.base_model.text if plan.recipe.base_model else ""
    others = [ref.text for ref, _ in plan.recipe.named() if ref.text != base]
    made = []
    for row in shares:
        role = f" · {_split(row.label)[1]}" if _split(row.label)[1] else ""
        rest = tuple(None if value is None else 1 - value for value in row.values)
        made.append(Row(f"{base}{role}", rest))
        made += [Row(f"{other}{role}", row.values) for other in others]
    return sorted(made, key=lambda row: _split(row.label)[0] != base)


def _split(label: str) -> tuple[str, str]:
    name, dot, role = label.rpartition(" · ")
    return (name, role) if dot and role in ROLES else (label, "")


def _band(row: Row, hues: dict[str, int], largest: float) -> Band:
    name, role = _split(row.label)
    cells = tuple(
        Cell(layer, min(max(value, 0.0) / largest, 1.0), f"{layer}: {value:.3g}")
        for layer, value in enumerate(row.values)
        if value is not None
    )
    return Band(name, role, hues[name], cells, _summed_up(row))


def _summed_up(row: Row) -> str:
    """Write a band's values once where they are all the same, and else the first, the middle and the last."""
    told = [value for value in row.values if value is not None]
    if not told:
        return ""
    if len(set(told)) == 1:
        return f"{told[0]:.3g}"
    return " … ".join(f"{told[index]:.3g}" for index in (0, len(told) // 2, -1))
