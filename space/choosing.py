"""Another method for a recipe's text: what it needs is added, what it lacks goes, models and comments stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from space.controls import of_merge, of_model
from space.document import insert, look, mapping, plain, put, rows
from space.rows import give_starts, method_of, names_of, new_slice, rows_of
from space.tree import Map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.methods.contract import Method


def choose(tree: Map, method: Method, layers: Mapping[str, int]) -> None:
    """Take a method: stack or list the models, name a base or none, drop what it lacks, add what it needs."""
    before = method_of(tree)
    tree["merge_method"] = method.name
    if method.name == "passthrough":
        _as_stack(tree, layers)
    elif before is not None and before.name == "passthrough":
        _as_list(tree)
    _choose_base(tree, method)
    for row in rows_of(tree):
        _refit(row, method, own=True)
        # Where a base is needed and listed, it has no weight of its own.
        if not (method.inputs.base == "required" and row.get("model") and row["model"] == tree.get("base_model")):
            give_starts(row, method)
        else:
            row.pop("parameters", None)
    for part in rows(tree, "slices"):
        _refit(part, method, own=False)
    _refit(tree, method, own=False)
    for knob in of_merge(method):
        if knob.required and look(tree, ("parameters", knob.name)) is None:
            put(tree, ("parameters", knob.name), plain(knob.start))


def _as_stack(tree: Map, layers: Mapping[str, int]) -> None:
    names = names_of(tree)
    if len(rows(tree, "slices")) > 1:
        return
    at = list(tree).index("models") if "models" in tree else 0
    tree.pop("models", None)
    tree.pop("slices", None)
    insert(tree, at, "slices", [new_slice(name, layers) for name in names or (None, None)])


def _as_list(tree: Map) -> None:
    names = names_of(tree)
    if any(len(rows(part, "sources")) > 1 for part in rows(tree, "slices")):
        return
    at = list(tree).index("slices") if "slices" in tree else 0
    if tree.pop("slices", None) is not None:
        insert(tree, at, "models", [mapping(model=name) for name in names])


def _choose_base(tree: Map, method: Method) -> None:
    names, base = names_of(tree), tree.get("base_model")
    if method.inputs.base == "required" and base is None:
        at = list(tree).index("merge_method") + 1
        insert(tree, at, "base_model", names[0] if names else None)
    elif method.inputs.base == "participant" and base is not None:
        tree.pop("base_model")


def _refit(holder: Map | None, method: Method, *, own: bool) -> None:
    """Drop the parameters that a method has not."""
    block = look(holder, ("parameters",))
    if not isinstance(block, Map) or holder is None:
        return
    known = {knob.name for knob in of_model(method)} | method.inert
    if not own:
        known |= {knob.name for knob in of_merge(method)}
    for name in [name for name in block if name not in known]:
        block.pop(name)
    if not block:
        holder.pop("parameters")
