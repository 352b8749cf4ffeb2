"""The models of a recipe's text, and its slices: named, added, begun with what their method needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from engine.methods import METHODS
from space.controls import of_model
from space.document import in_line, listed, look, mapping, plain, put

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.methods.contract import Method
    from engine.recipe import Path

MOST_ROWS = 64
"""Models or slices that the form adds at most; a text may have more."""
LAYERS = 32
"""Layers that a slice is given where nobody knows yet how many there are."""


def rename(tree: CommentedMap, path: Path, name: str) -> None:
    """Name another model in a row; a base of the same name goes along."""
    before, base = look(tree, path), tree.get("base_model")
    put(tree, path, name or None)
    # A base that nobody has named yet is the first model that somebody does.
    if "base_model" in tree and (not base or (base == before and before not in names_of(tree))):
        tree["base_model"] = name or None


def rows_of(tree: CommentedMap) -> Iterator[CommentedMap]:
    """Every model's row, of all lists, in order."""
    lists = [tree.get("models"), *(look(item, ("sources",)) for item in tree.get("slices") or ())]
    for rows in lists:
        yield from (row for row in rows or () if isinstance(row, CommentedMap))


def names_of(tree: CommentedMap) -> list[str]:
    """Every model that is named, once."""
    return list(dict.fromkeys(str(row["model"]) for row in rows_of(tree) if row.get("model")))


def method_of(tree: CommentedMap) -> Method | None:
    """The recipe's method, if it is one that we know."""
    name = tree.get("merge_method")
    return METHODS.get(name) if isinstance(name, str) else None


def add_model(tree: CommentedMap, at: Path, layers: Mapping[str, int]) -> None:
    """Add a row to the list at ``at``, or begin a list; a slice's row takes as many layers as those beside it."""
    rows = look(tree, at) if at else None
    if not isinstance(rows, CommentedSeq):
        rows = tree["models"] = listed([])
    if len(rows) >= MOST_ROWS:
        return
    row = mapping(model=None)
    beside = rows[-1].get("layer_range") if rows and isinstance(rows[-1], CommentedMap) else None
    if at[:1] == ("slices",):
        row["layer_range"] = in_line(list(beside) if beside else [0, _most(layers)])
    if method := method_of(tree):
        give_starts(row, method)
    rows.append(row)


def give_starts(row: CommentedMap, method: Method) -> None:
    """Set what a method's model needs, and what people set first."""
    for knob in of_model(method):
        if knob.required or knob.name in ("weight", "density"):
            put(row, ("parameters", knob.name), plain(knob.start))


def _most(layers: Mapping[str, int]) -> int:
    return max(layers.values(), default=LAYERS)


def add_slice(tree: CommentedMap, layers: Mapping[str, int]) -> None:
    """Add a slice of one model that nobody has chosen yet."""
    if not isinstance(tree.get("slices"), CommentedSeq):
        tree["slices"] = listed([])
    if len(tree["slices"]) < MOST_ROWS:
        tree["slices"].append(new_slice(None, layers))


def new_slice(name: str | None, layers: Mapping[str, int]) -> CommentedMap:
    """Make a slice of all layers of a model, as far as its number is known."""
    last = layers.get(name or "", _most(layers))
    return mapping(sources=listed([mapping(model=name, layer_range=[0, last])]))
