"""The shapes of a setting: one value, a value for each layer, or a setting for each part of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from space.document import Node, drop, in_line, listed, look, mapping, plain, put

if TYPE_CHECKING:
    from engine.recipe import Path

MOST_PARTS = 64
"""Parts that the form adds at most; a text may have more."""


def as_one(tree: CommentedMap, at: Path, parts: CommentedSeq) -> None:
    """Write a setting plainly where one part that takes every tensor is left; drop it where none is."""
    if not parts:
        drop(tree, at)
    elif len(parts) == 1 and isinstance(parts[0], CommentedMap) and "filter" not in parts[0]:
        put(tree, at, parts[0].get("value"))


def add_part(tree: CommentedMap, at: Path) -> None:
    """Add a part before the rest, with the value that the rest has."""
    parts = look(tree, at)
    if not isinstance(parts, CommentedSeq) or len(parts) >= MOST_PARTS:
        return
    named = {part.get("filter") for part in parts if isinstance(part, CommentedMap)}
    free = next((name for name in ("self_attn", "mlp", "norm", "embed", "lm_head") if name not in named), "layers")
    rest = parts[-1].get("value", 0.5) if isinstance(parts[-1], CommentedMap) else 0.5
    last = isinstance(parts[-1], CommentedMap) and "filter" not in parts[-1]
    parts.insert(len(parts) - last, mapping(filter=free, value=_copy(rest)))


def _copy(value: Node) -> Node:
    return in_line(list(value)) if isinstance(value, CommentedSeq) else value


def reshape(tree: CommentedMap, path: Path, shape: Literal["one", "layers", "parts"], start: Node) -> None:
    """Give the setting at ``path`` another shape; one that is not set begins with ``start``."""
    now = look(tree, path)
    now = start if now is None else now
    if shape == "parts":
        if not _has_parts(now):
            value = 0.5 if now is None else now
            put(tree, path, listed([mapping(filter="self_attn", value=_copy(value)), mapping(value=_copy(value))]))
    elif shape == "layers":
        if not isinstance(now, CommentedSeq):
            value = plain(0.5 if now is None else now)
            put(tree, path, [value] * 5)
    else:
        value = _one_of(now)
        put(tree, path, value)


def _has_parts(value: Node) -> bool:
    return isinstance(value, CommentedSeq) and any(isinstance(part, CommentedMap) for part in value)


def _one_of(value: Node) -> Node:
    """Choose the one value that stands for a setting: of parts the last, which is the rest; of a gradient its mean."""
    while isinstance(value, CommentedSeq | CommentedMap):
        if isinstance(value, CommentedMap):
            value = value.get("value", 0.5)
        elif _has_parts(value):
            value = value[-1]
        else:
            points = [float(point) for point in value]
            value = plain(round(sum(points) / len(points), 3))
    return value
