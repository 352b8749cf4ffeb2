"""The shapes of a setting: one value, a value for each layer, or a setting for each part of a layer."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Literal

from space.document import Node, drop, look, mapping, plain, put
from space.tree import Map

if TYPE_CHECKING:
    from engine.recipe import Path

MOST_PARTS = 64
"""Parts that the form adds at most; a text may have more."""


def as_one(tree: Map, at: Path, parts: list[Node]) -> None:
    """Write a setting plainly where one part that takes every tensor is left; drop it where none is."""
    if not parts:
        drop(tree, at)
    elif len(parts) == 1 and isinstance(parts[0], Map) and "filter" not in parts[0]:
        put(tree, at, parts[0].get("value"))


def add_part(tree: Map, at: Path) -> None:
    """Add a part before the rest, with the value that the rest has."""
    parts = look(tree, at)
    if isinstance(parts, Map):  # one part alone, written without a list
        parts = [copy.copy(parts)]
        put(tree, at, parts)
    if not isinstance(parts, list) or not parts or len(parts) >= MOST_PARTS:
        return
    named = {part.get("filter") for part in parts if isinstance(part, Map)}
    free = next((name for name in ("self_attn", "mlp", "norm", "embed", "lm_head") if name not in named), "layers")
    rest = parts[-1].get("value", 0.5) if isinstance(parts[-1], Map) else 0.5
    last = isinstance(parts[-1], Map) and "filter" not in parts[-1]
    parts.insert(len(parts) - last, mapping(filter=free, value=copy.copy(rest)))


def reshape(tree: Map, path: Path, shape: Literal["one", "layers", "parts"], start: Node) -> None:
    """Give the setting at ``path`` another shape; one that is not set begins with ``start``."""
    now = look(tree, path)
    now = start if now is None else now
    value = 0.5 if now is None else now
    if shape == "parts":
        if not _has_parts(now):
            put(tree, path, [mapping(filter="self_attn", value=copy.copy(value)), mapping(value=copy.copy(value))])
    elif shape == "layers":
        if not isinstance(now, list):
            put(tree, path, [plain(value)] * 5)
    else:
        put(tree, path, _one_of(value))


def _has_parts(value: Node) -> bool:
    return isinstance(value, Map) or (isinstance(value, list) and any(isinstance(part, Map) for part in value))


def _one_of(value: Node) -> Node:
    """Choose the one value that stands for a setting: of parts the last, which is the rest; of a gradient its mean."""
    while isinstance(value, list | Map):
        if isinstance(value, Map):
            value = value.get("value", 0.5)
        elif _has_parts(value):
            value = value[-1]
        else:
            value = _mean(value)
    return value


def _mean(points: list[Node]) -> Node:
    try:
        numbers = [float(point) for point in points]
    except (TypeError, ValueError):
        return 0.5
    return plain(round(sum(numbers) / len(numbers), 3)) if numbers else 0.5
