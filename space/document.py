"""A recipe's text, changed at one place: all else, comments too, stays as it was written."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.recipe import Path

Node: TypeAlias = Any
"""A part of a text as ruamel.yaml has it: mapping, list or value. It keeps comments, and has no types."""

_FIRST_LIST = re.compile(r"^( *)[^\s#-][^\n]*:[ \t]*(?:#[^\n]*)?\n(?:[ \t]*(?:#[^\n]*)?\n)*( *)-(?:\s|$)", re.MULTILINE)


def changed(text: str, number: int, change: Callable[[CommentedMap], None]) -> str:
    """Apply ``change`` to the document of that number, and write the text again as its author had it.

    Lists are indented as the first of the text is. The text must be one that ``engine.recipe.parse`` could read.
    """
    yaml = _yaml(text)
    documents = list(yaml.load_all(text))
    change(documents[number])
    out = io.StringIO()
    yaml.dump_all(documents, out)
    return out.getvalue()


def _yaml(text: str) -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    found = _FIRST_LIST.search(text)
    offset = max(len(found[2]) - len(found[1]), 0) if found else 2
    yaml.indent(mapping=2, sequence=offset + 2, offset=offset)
    return yaml


def put(tree: CommentedMap, path: Path, value: Node) -> None:
    """Set the value at ``path``; mappings that are not there yet are made on the way."""
    at: Node = tree
    for key in path[:-1]:
        if isinstance(at, CommentedMap) and not isinstance(at.get(key), CommentedMap | CommentedSeq):
            at[key] = CommentedMap()
        at = at[key]
    if isinstance(at, CommentedMap) and path[-1] in at and at[path[-1]] == value:
        return
    at[path[-1]] = _written(value)


def drop(tree: CommentedMap, path: Path) -> None:
    """Remove what is at ``path``, if it is there, and mappings that are empty without it."""
    found = look(tree, path[:-1])
    if isinstance(found, CommentedMap):
        found.pop(path[-1], None)
        if not found and len(path) > 1:
            drop(tree, path[:-1])
    elif isinstance(found, CommentedSeq) and isinstance(path[-1], int) and path[-1] < len(found):
        del found[path[-1]]


def look(tree: Node, path: Path) -> Node:
    """Return what is at ``path``, or None."""
    for key in path:
        if isinstance(tree, CommentedMap):
            tree = tree.get(key)
        elif isinstance(tree, CommentedSeq) and isinstance(key, int) and 0 <= key < len(tree):
            tree = tree[key]
        else:
            return None
    return tree


def in_line(values: Sequence[Node]) -> CommentedSeq:
    """Make a list that is written on one line: ``[0, 0.5, 1]``."""
    made = CommentedSeq(values)
    made.fa.set_flow_style()
    return made


def mapping(**values: Node) -> CommentedMap:
    """Make a mapping in this order."""
    return CommentedMap((key, _written(value)) for key, value in values.items())


def listed(values: Sequence[Node]) -> CommentedSeq:
    """Make a list with one item on each line."""
    return CommentedSeq(values)


def plain(value: Node) -> Node:
    """Write whole numbers without a fraction, as people do."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _written(value: Node) -> Node:
    return in_line(value) if isinstance(value, list) and not isinstance(value, CommentedSeq) else value
