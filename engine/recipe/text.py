"""YAML text → plain trees with positions, one for each document. Safe and bounded, whatever the text.

YAML 1.1, as mergekit reads it. Strings, numbers, booleans, lists and mappings only; what a text of a megabyte
could blow up into is refused at its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from engine.findings import error
from engine.recipe.nodes import MAX_DEPTH, Bound, TooManyValuesError, composed, place_of, refused
from engine.recipe.places import TOP, Places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.findings import Finding, Place
    from engine.recipe.values import Path

MAX_BYTES = 1024 * 1024
MAX_NUMBER = 100
"""How many characters a number may have: YAML 1.1's base 60 takes quadratic time."""

_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset(_TAG + kind for kind in ("str", "int", "float", "bool", "null", "timestamp", "value"))
_TAGS = {
    yaml.ScalarNode: _SCALARS,
    yaml.SequenceNode: frozenset({_TAG + "seq"}),
    yaml.MappingNode: frozenset({_TAG + "map"}),
}
_MERGE = _TAG + "merge"


@dataclass(frozen=True)
class Leaf:
    """A scalar: its value, and the text as written (which tells ``no`` from ``false``)."""

    value: str | int | float | bool | None
    text: str


@dataclass(frozen=True)
class Broken:
    """Stands for a part that could not be read, and that a finding already tells of."""


BROKEN = Broken()
Tree = Leaf | Broken | dict[str, "Tree"] | list["Tree"]


@dataclass(frozen=True)
class Document:
    """One document of a text. What is nowhere in it is where the text starts, or the document if there are several."""

    tree: Tree
    places: Places


def read_text(text: str) -> tuple[tuple[Document, ...], list[Finding]]:
    """Read a text's documents; empty ones are none. Where the text as a whole cannot be read there are none."""
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        return (), [error("too-large", "the recipe is larger than 1 MiB", "shorten it", TOP)]
    nodes = composed(text)
    if not isinstance(nodes, list):
        return (), [nodes]
    findings: list[Finding] = []
    bound, documents = Bound(), []
    for node in nodes:
        walk = _Walk(bound, findings)
        try:
            tree = walk.tree(node, ())
        except TooManyValuesError as refusal:
            return (), [refused(refusal)]
        top = TOP if len(nodes) == 1 else place_of(node.start_mark)
        documents.append(Document(tree, Places(walk.key_places, walk.value_places, top)))
    return tuple(documents), findings


class _Walk:
    """One walk from nodes to a tree; collects positions, and findings, on its way."""

    def __init__(self, bound: Bound, findings: list[Finding]) -> None:
        self.key_places: dict[Path, Place] = {}
        self.value_places: dict[Path, Place] = {}
        self._bound, self._findings = bound, findings
        self._open: list[int] = []
        self._scalars = yaml.constructor.SafeConstructor()

    def tree(self, node: yaml.Node, at: Path) -> Tree:
        """Convert a node; what is wrong within it becomes findings and ``BROKEN``."""
        self._bound.count(node.start_mark)
        place = self.value_places[at] = place_of(node.start_mark)
        if node.tag not in _TAGS[type(node)]:
            tag = node.tag.replace(_TAG, "!!")
            message = f"the tag `{tag}` is not allowed; a recipe holds text, numbers, booleans, lists and mappings"
            return self._tell("yaml-tag", message, "remove the tag", place)
        if isinstance(node, yaml.ScalarNode):
            return self._leaf(node, place)
        return self._collection(node, at, place)

    def _tell(self, identity: str, message: str, fix: str, place: Place) -> Broken:
        self._findings.append(error(identity, message, fix, place))
        return BROKEN

    def _leaf(self, node: yaml.ScalarNode, place: Place) -> Leaf | Broken:
        if node.tag in (_TAG + "timestamp", _TAG + "value"):
            return Leaf(node.value, node.value)
        try:
            if node.tag == _TAG + "str" or len(node.value) <= MAX_NUMBER:
                return Leaf(self._scalars.construct_object(node), node.value)
        except (ValueError, LookupError):
            pass
        message = f"`{node.value[:40]}` is no valid {node.tag.replace(_TAG, '')}"
        return self._tell("yaml", message, "correct it, or quote it to make it text", place)

    def _collection(self, node: yaml.Node, at: Path, place: Place) -> Tree:
        if id(node.value) in self._open:
            return self._tell("alias-loop", "this alias repeats what it stands in, without end", "remove it", place)
        if len(at) >= MAX_DEPTH:
            message = f"nested deeper than {MAX_DEPTH} levels, counting what aliases repeat"
            return self._tell("too-deep", message, "flatten it", place)
        self._open.append(id(node.value))
        tree = self._list(node, at) if isinstance(node, yaml.SequenceNode) else self._mapping(node, at)
        self._open.pop()
        return tree

    def _list(self, node: yaml.Node, at: Path) -> Tree:
        for index, item in enumerate(node.value):
            self.key_places[(*at, index)] = place_of(item.start_mark)
        return [self.tree(item, (*at, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.Node, at: Path) -> Tree:
        fields: dict[str, Tree] = {}
        for key, value in node.value:
            place = place_of(key.start_mark)
            if key.tag == _MERGE:
                continue
            if not isinstance(key, yaml.ScalarNode) or key.tag not in _SCALARS:
                self._tell("yaml-key", "a key must be plain text", "write `key: value`", place)
            elif key.value in fields:
                first = self.key_places[(*at, key.value)].line
                message = f"`{key.value}` is given twice, first in line {first}"
                self._tell("duplicate-key", message, "keep one of them", place)
            else:
                self.key_places[(*at, key.value)] = place
                fields[key.value] = self.tree(value, (*at, key.value))
        for key, value in self._merged(node):
            if key.value not in fields:
                self.key_places[(*at, key.value)] = place_of(key.start_mark)
                fields[key.value] = self.tree(value, (*at, key.value))
        return fields

    def _merged(self, node: yaml.Node) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        """Pairs that ``<<: *other`` brings, nearest first; a mapping's own pairs win over them."""
        for given in [value for key, value in node.value if key.tag == _MERGE]:
            for other in given.value if isinstance(given, yaml.SequenceNode) else [given]:
                self._bound.count(other.start_mark)
                place = place_of(other.start_mark)
                if len(self._open) > MAX_DEPTH:
                    self._tell("too-deep", f"`<<` reaches more than {MAX_DEPTH} mappings deep", "flatten it", place)
                elif not isinstance(other, yaml.MappingNode) or id(other.value) in self._open:
                    self._tell("yaml-merge", "`<<` takes another mapping", "name one with an alias", place)
                else:
                    yield from self._pairs(other)

    def _pairs(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        self._open.append(id(node.value))
        yield from ((k, v) for k, v in node.value if isinstance(k, yaml.ScalarNode) and k.tag in _SCALARS)
        yield from self._merged(node)
        self._open.pop()
