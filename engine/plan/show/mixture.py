"""How a plan mixes: for each layer, how much of what. A small picture of it is made from these rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.plan.plan import Mixture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.plan.plan import Input, Plan

BLOCKS = "▁▂▃▄▅▆▇█"
ROLES = ("attention", "mlp", "other")
WIDEST = 32


@dataclass(frozen=True)
class Row:
    """One line of the picture: a value per output layer, None where it says nothing."""

    label: str
    values: tuple[float | None, ...]


def role_of(name: str) -> str:
    """Which part of a layer a tensor belongs to."""
    if "attn" in name or "attention" in name:
        return "attention"
    if any(part in name for part in ("mlp", "feed_forward", "experts", "ffn", ".fc")):
        return "mlp"
    return "other"


@dataclass(frozen=True)
class StageLine:
    """A stage in one line: what it is called, its method, and what its recipe names."""

    name: str
    method: str
    models: tuple[str, ...]


def stages_of(plan: Plan) -> tuple[StageLine, ...]:
    """List the stages in the order in which each is made of those before it."""
    return tuple(
        StageLine(name, stage.merge_method or "", tuple(ref.text for ref, _ in stage.named()))
        for name, stage in plan.recipe.stages.items()
    )


def rows_of(plan: Plan, stage: str = "") -> tuple[Row, ...]:
    """Rows of the picture: ``t`` by role for slerp, weights by model, and for stacks where layers come from.

    Of a ``stage``, they tell what it gives to each layer of the result; nothing, where that is bytes as they are.
    """
    mixed = [
        (tensor.layer, role_of(tensor.name), _values(plan, mixture))
        for tensor in plan.tensors
        if tensor.layer is not None and (mixture := tensor.mixture.of_stage(stage)) is not None
    ]
    labels = dict.fromkeys(label for _, _, values in mixed for label in values)
    series = {label: _by_role(mixed, label, plan.layers or 0) for label in labels}
    rows = []
    for label, by_role in series.items():
        told = {role: values for role, values in by_role.items() if any(value is not None for value in values)}
        if len(set(told.values())) == 1:
            rows.append(Row(label, next(iter(told.values()))))
        else:
            rows += [Row(f"{label} · {role}", values) for role, values in told.items()]
    return tuple(rows)


def _values(plan: Plan, mixture: Mixture) -> dict[str, float]:
    if "t" in mixture.parameters:
        return {"t": float(mixture.parameters["t"])}
    weights = [values.get("weight", 1.0) for values in mixture.source_parameters]
    names = [name_of(plan, item) for item in mixture.sources]
    return {name: float(weight) for name, weight in zip(names, weights, strict=True)}


def name_of(plan: Plan, item: Input | Mixture) -> str:
    """Say what a source is called: a stage by its name, a model as the recipe has it."""
    return item.stage if isinstance(item, Mixture) else plan.models[item.model].ref


def _by_role(
    mixed: Sequence[tuple[int, str, dict[str, float]]], label: str, layers: int
) -> dict[str, tuple[float | None, ...]]:
    found: dict[str, list[float | None]] = {role: [None] * layers for role in ROLES}
    for layer, role, values in mixed:
        if label in values:
            found[role][layer] = values[label]
    return {role: tuple(values) for role, values in found.items()}


def sparkline(row: Row, largest: float) -> str:
    """Draw a row: a block per layer (or per run of layers, where there are many), a dot where there is nothing."""
    step = -(-len(row.values) // WIDEST) if row.values else 1
    return "".join(_block(row.values[i : i + step], largest) for i in range(0, len(row.values), step))


def _block(values: tuple[float | None, ...], largest: float) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "·"
    level = max(0.0, sum(known) / len(known)) / largest if largest > 0 else 0.0
    return BLOCKS[min(len(BLOCKS) - 1, round(level * (len(BLOCKS) - 1)))]


def largest_of(rows: tuple[Row, ...]) -> float:
    """Scale of the picture: its largest value, but 1 for rows that stay below it."""
    return max([1.0, *(value for row in rows for value in row.values if value is not None)])
