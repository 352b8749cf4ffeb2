"""YAML text → nodes: its documents, safe, and no deeper than any recipe."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import yaml

from engine.findings import Place, error
from engine.recipe.places import TOP

if TYPE_CHECKING:
    from yaml.error import Mark

    from engine.findings import Finding

MAX_DEPTH = 50
MAX_VALUES = 50_000
"""How many values a recipe may have, counting what aliases repeat. A large one has some thousand."""
MAX_DOCUMENTS = 64

_NULL = "tag:yaml.org,2002:null"
_HINTS = {
    "mapping values are not allowed here": "indent keys of one mapping alike, and quote text that holds `: `",
    "found character '\\t' that cannot start any token": "indent with spaces, not with tabs",
    "could not find expected ':'": "write `key: value`, with a space after the colon",
}


class TooManyValuesError(yaml.MarkedYAMLError):
    """A text that aliases blow up, or one far larger than any recipe."""


class Bound:
    """Counts values up to ``MAX_VALUES``."""

    def __init__(self) -> None:
        self._values = 0

    def count(self, mark: Mark) -> None:
        """Count one more; ``TooManyValuesError`` at the first too many."""
        self._values += 1
        if self._values > MAX_VALUES:
            problem = f"more than {MAX_VALUES} values, counting what aliases repeat"
            raise TooManyValuesError(problem=problem, problem_mark=mark)


class _TooDeepError(yaml.MarkedYAMLError):
    """Nested deeper than any recipe."""


class _Loader(yaml.SafeLoader):
    """Composes nodes and counts them; an alias stands where it is written, not where it points."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._bound, self._depth = Bound(), 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's
        """Compose one node, at most ``MAX_DEPTH`` deep."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # untyped in the stubs
        self._bound.count(event.start_mark)
        if self._depth >= MAX_DEPTH:
            raise _TooDeepError(problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.AliasEvent) and node is not None:
            node = copy.copy(node)
            node.start_mark = event.start_mark
        return node


def composed(text: str) -> list[yaml.Node] | Finding:
    """Compose the documents that hold anything, or say why that cannot be."""
    try:
        return _documents(_Loader(text))
    except yaml.reader.ReaderError as refusal:
        before = text[: refusal.position]
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        code = f"U+{ord(text[refusal.position]):04X}"
        return error("yaml", f"not valid YAML: the character {code} is not allowed", "remove it", place)
    except yaml.MarkedYAMLError as refusal:
        return refused(refusal)


def _documents(loader: _Loader) -> list[yaml.Node] | Finding:
    nodes: list[yaml.Node] = []
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is not None and node.tag != _NULL:
                nodes.append(node)
    except (ValueError, OverflowError):
        # PyYAML lets chr() fail on an escape such as "\UFFFFFFFF"
        place = place_of(loader.get_mark())
        return error("yaml", "not valid YAML: an escape that names no character", "correct the escape", place)
    if len(nodes) > MAX_DOCUMENTS:
        message = f"the recipe has {len(nodes)} documents, expected at most {MAX_DOCUMENTS}"
        fix = "publish some stages as models of their own, and name those"
        return error("too-many-documents", message, fix, place_of(nodes[MAX_DOCUMENTS].start_mark))
    return nodes or empty()


def empty() -> Finding:
    """Say that there is nothing in the recipe."""
    return error("empty", "the recipe is empty", "write a `merge_method` and the `models` to merge", TOP)


def refused(refusal: yaml.MarkedYAMLError) -> Finding:
    """Put what PyYAML, or one of our bounds, refused into a finding at its place."""
    mark = refusal.problem_mark or refusal.context_mark
    place = TOP if mark is None else place_of(mark)
    said = str(refusal.problem)
    if isinstance(refusal, _TooDeepError):
        return error("too-deep", said, "flatten it", place)
    if isinstance(refusal, TooManyValuesError):
        return error("too-many-values", said, "shorten it, or repeat less", place)
    context = f"{refusal.context}, " if refusal.context else ""
    fix = _HINTS.get(said, "check indentation, quotes and brackets here and just before")
    return error("yaml", f"not valid YAML: {context}{said}", fix, place)


def place_of(mark: Mark) -> Place:
    """Count as editors do, from 1."""
    return Place(mark.line + 1, mark.column + 1)
