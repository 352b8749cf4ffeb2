"""What a recipe's text holds that the form has no control for: it stays in the text, and is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.recipe.text import Leaf
from space.controls import of_merge
from space.sheet import FIELDS, MOST_POINTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.methods.contract import Method
    from engine.recipe import Path
    from engine.recipe.text import Tree
    from space.sheet import Block, Control, Row

MOST_NAMES = 24
"""Names that are listed, each with at most so many characters as ``LONGEST``."""
LONGEST = 64
_PARTS = frozenset({"merge_method", "models", "slices", "parameters", "publish"})


def kept_of(tree: dict[str, Tree], method: Method | None, blocks: Sequence[Block]) -> tuple[str, ...]:
    """Name everything that is not shown, by its place in the text."""
    names = [".".join(map(str, path))[:LONGEST] for path in _kept(tree, method, blocks)]
    return (*names[:MOST_NAMES], *(["…"] if len(names) > MOST_NAMES else []))


def _kept(tree: dict[str, Tree], method: Method | None, blocks: Sequence[Block]) -> Iterable[Path]:
    shown = {path[0] for path in FIELDS.values()} | _PARTS
    yield from ((key,) for key in tree if key not in shown)
    # A field whose value is no plain one looks empty in the form.
    yield from (path for path in FIELDS.values() if isinstance(at(tree, path), dict | list))
    yield from _beyond(tree, ("publish",), {str(path[-1]) for path in FIELDS.values()})
    yield from _beyond(tree, ("parameters",), {knob.name for knob in of_merge(method)} if method else set())
    slices = tree.get("slices")
    for number, part in enumerate(slices if isinstance(slices, list) else ()):
        if isinstance(part, dict):
            yield from (("slices", number, key) for key in part if key != "sources")
    for block in blocks:
        yield from _of_block(tree, block)


def _of_block(tree: dict[str, Tree], block: Block) -> Iterable[Path]:
    rows = {row.path: row for row in block.rows}
    given = at(tree, block.path)
    for number, row in enumerate(given if isinstance(given, list) else ()):
        path = (*block.path, number)
        if path not in rows:
            yield path
        elif isinstance(row, dict):
            yield from _of_row(tree, rows[path])


def _of_row(tree: dict[str, Tree], row: Row) -> Iterable[Path]:
    if row.fixed:
        yield (*row.path, "model")
    yield from _beyond(tree, row.path, {"model", "parameters", *(("layer_range",) if "slices" in row.path else ())})
    yield from _beyond(tree, (*row.path, "parameters"), {control.knob.name for control in row.controls})
    yield from (control.path for control in row.controls if _is_long(tree, control))


def _is_long(tree: dict[str, Tree], control: Control) -> bool:
    given = at(tree, control.path)
    return isinstance(given, list) and len(given) > MOST_POINTS


def _beyond(tree: dict[str, Tree], path: Path, known: set[str]) -> Iterable[Path]:
    holder = at(tree, path)
    yield from ((*path, key) for key in (holder if isinstance(holder, dict) else ()) if key not in known)


def at(tree: Tree | None, path: Path) -> Tree | None:
    """Return what is at a path, or None."""
    for key in path:
        if isinstance(tree, dict):
            tree = tree.get(key) if isinstance(key, str) else None
        elif isinstance(tree, list) and isinstance(key, int) and key < len(tree):
            tree = tree[key]
        else:
            return None
    return tree


def text_of(tree: Tree | None) -> str:
    """Write a leaf as the form does: as it stands in the text; anything else is nothing."""
    if not isinstance(tree, Leaf) or tree.value is None:
        return ""
    return ("true" if tree.value else "false") if isinstance(tree.value, bool) else tree.text
