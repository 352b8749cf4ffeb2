"""The models of a recipe's text, and its slices: named, added, begun with what their method needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.methods import METHODS
from space.controls import of_model
from space.document import NotEditableError, look, mapping, plain, put, rows
from space.tree import Map

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.methods.contract import Method
    from engine.recipe import Path

MOST_ROWS = 64
"""Models or slices that the form adds at most; a text may have more."""
LAYERS = 32
"""Layers that a slice is given where nobody knows yet how many there are."""


def rename(tree: Map, path: Path, name: str) -> None:
    """Name another model in a row; a base of the same name goes along."""
    before, base = look(tree, path), tree.get("base_model")
    put(tree, path, name or None)
    # A base that nobody has named yet is the first model that somebody does.
    if "base_model" in tree and (not base or (base == before and before not in names_of(tree))):
        tree["base_model"] = name or None


def rows_of(tree: Map) -> Iterator[Map]:
    """Every model's row, of all lists, in order."""
    for found in (rows(tree, "models"), *(rows(part, "sources") for part in rows(tree, "slices"))):
        yield from (row for row in found if isinstance(row, Map))


def names_of(tree: Map) -> list[str]:
    """Every model that is named, once."""
    return list(dict.fromkeys(row["model"] for row in rows_of(tree) if row.get("model") and _is_name(row["model"])))


def _is_name(model: object) -> bool:
    return isinstance(model, str)


def method_of(tree: Map) -> Method | None:
    """The recipe's method, if it is one that we know."""
    name = tree.get("merge_method")
    return METHODS.get(name) if isinstance(name, str) else None


def add_model(tree: Map, at: Path, layers: Mapping[str, int]) -> None:
    """Add a row to the list at ``at``, or begin a list; a slice's row takes as many layers as those beside it."""
    found = look(tree, at) if at else None
    if not isinstance(found, list):
        if tree.get("models") is not None:
            raise NotEditableError("`models` is no list")
        found = tree["models"] = []
    if len(found) >= MOST_ROWS:
        return
    row = mapping(model=None)
    beside = look(found, (len(found) - 1, "layer_range"))
    if at[:1] == ("slices",):
        row["layer_range"] = list(beside) if isinstance(beside, list) else [0, _most(layers)]
    if method := method_of(tree):
        give_starts(row, method)
    found.append(row)


def give_starts(row: Map, method: Method) -> None:
    """Set what a method's model needs, and what people set first, where it is not set yet."""
    for knob in of_model(method):
        if (knob.required or knob.name in ("weight", "density")) and look(row, ("parameters", knob.name)) is None:
            put(row, ("parameters", knob.name), plain(knob.start))


def _most(layers: Mapping[str, int]) -> int:
    return max(layers.values(), default=LAYERS)


def add_slice(tree: Map, layers: Mapping[str, int]) -> None:
    """Add a slice of one model that nobody has chosen yet."""
    if not isinstance(tree.get("slices"), list):
        tree["slices"] = []
    if len(tree["slices"]) < MOST_ROWS:
        tree["slices"].append(new_slice(None, layers))


def new_slice(name: str | None, layers: Mapping[str, int]) -> Map:
    """Make a slice of all layers of a model, as far as its number is known."""
    last = layers.get(name or "", _most(layers))
    return mapping(sources=[mapping(model=name, layer_range=[0, last])])


def put_layer(row_range: object, end: int, value: object) -> list[object]:
    """Set one end of a range of layers; the other one stays, or is the nearest that makes sense."""
    if isinstance(row_range, list) and len(row_range) == 2:
        return [value, row_range[1]] if end == 0 else [row_range[0], value]
    if end == 0:
        return [value, max(value + 1, LAYERS) if isinstance(value, int) else LAYERS]
    return [0, value]
