"""A recipe's text, changed at one place: all else, comments too, stays as it was written."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.errors import MergesmithError
from engine.recipe.text import Leaf, read_text
from space.nodes import CannotSpliceError
from space.splices import spliced
from space.tree import Map, numbered, same

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.recipe import Path
    from engine.recipe.text import Tree

Node: TypeAlias = Any
"""A part of a recipe as it is changed: a ``Map``, a list, or a value."""
MOST_PASSES = 6
"""What an alias stands for is written out in a second pass, and what a ``<<`` brought in a third."""


class NotEditableError(MergesmithError):
    """A place that only somebody who edits the text can change."""


def changed(text: str, number: int, change: Callable[[Map], None]) -> str:
    """Apply ``change`` to the document of that number, and nothing else to what the text says.

    Only the places that differ are written anew. Where the text has aliases that this would break, they are written
    out first. ``NotEditableError`` where the text is written in a way that neither does for.
    """
    first = _trees(text)
    wanted = [numbered(tree) for tree in first]
    if not (0 <= number < len(wanted) and isinstance(wanted[number], Map)):
        raise NotEditableError("the text is no recipe")
    change(wanted[number])
    try:
        return _until(text, number, wanted, first)
    except CannotSpliceError:
        pass
    try:
        text = spliced(text, number, first[number], first[number], expand=True)
        return _until(text, number, wanted, _trees(text))
    except CannotSpliceError:
        raise NotEditableError("this place can be changed in the text only") from None


def _until(text: str, number: int, wanted: list[Node], now: list[Node]) -> str:
    """Splice until the text says what is wanted."""
    for _ in range(MOST_PASSES):
        if len(now) != len(wanted):
            break
        if same(now, wanted):
            return text
        text = spliced(text, number, now[number], wanted[number])
        # What is new has its place now.
        wanted = [*wanted[:number], numbered(wanted[number]), *wanted[number + 1 :]]
        now = _trees(text)
    raise CannotSpliceError


def _trees(text: str) -> list[Node]:
    return [_plain(document.tree) for document in read_text(text)[0]]


def _plain(tree: Tree, origin: int | None = None) -> Node:
    if isinstance(tree, dict):
        return Map({key: _plain(value) for key, value in tree.items()}, origin)
    if isinstance(tree, list):
        return [_plain(item, index) for index, item in enumerate(tree)]
    return tree.value if isinstance(tree, Leaf) else tree


def put(tree: Map, path: Path, value: Node) -> None:
    """Set the value at ``path``; mappings that are not there yet are made on the way."""
    at: Node = tree
    for key, below in pairwise(path):
        if isinstance(at, Map) and isinstance(key, str) and isinstance(below, str) and not _holds(at.get(key)):
            at[key] = Map()
        at = look(at, (key,))
    last = path[-1]
    if isinstance(at, Map) and isinstance(last, str):
        if last not in at or not _equal(at[last], value):
            at[last] = value
    elif isinstance(at, list) and isinstance(last, int) and last < len(at):
        at[last] = at[last] if _equal(at[last], value) else value
    else:
        raise NotEditableError("there is no such place")


def _holds(value: Node) -> bool:
    return isinstance(value, Map | list)


def _equal(one: Node, other: Node) -> bool:
    """Whether two values are the same, however a number is written; ``true`` is none."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def drop(tree: Map, path: Path) -> None:
    """Remove what is at ``path``, if it is there, and mappings that are empty without it."""
    found = look(tree, path[:-1])
    if isinstance(found, Map) and isinstance(path[-1], str):
        found.pop(path[-1], None)
        if not found and len(path) > 1:
            drop(tree, path[:-1])
    elif isinstance(found, list) and isinstance(path[-1], int) and path[-1] < len(found):
        del found[path[-1]]


def look(tree: Node, path: Path) -> Node:
    """Return what is at ``path``, or None."""
    for key in path:
        if isinstance(tree, Map):
            tree = tree.get(key) if isinstance(key, str) else None
        elif isinstance(tree, list) and isinstance(key, int) and 0 <= key < len(tree):
            tree = tree[key]
        else:
            return None
    return tree


def insert(tree: Map, at: int, key: str, value: Node) -> None:
    """Put a key at a place among the others."""
    pairs = [pair for pair in tree.items() if pair[0] != key]
    pairs.insert(at, (key, value))
    tree.clear()
    tree.update(pairs)


def mapping(**values: Node) -> Map:
    """Make a mapping in this order."""
    return Map(values)


def rows(holder: Node, key: str) -> list[Node]:
    """Return the list under a key; an empty one where there is none."""
    found = holder.get(key) if isinstance(holder, Map) else None
    return found if isinstance(found, list) else []


def plain(value: Node) -> Node:
    """Write whole numbers without a fraction, as people do."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def plainly(values: Sequence[Node]) -> list[Node]:
    """Write a gradient's numbers as people do."""
    return [plain(value) for value in values]
