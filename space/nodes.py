"""Where things stand in a YAML text: its nodes, as PyYAML finds them, and the lines and columns around them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from space.written import Style

if TYPE_CHECKING:
    from collections.abc import Iterator

MERGE = "tag:yaml.org,2002:merge"
_NULL = "tag:yaml.org,2002:null"
ALIAS = "alias"
ANCHOR = re.compile(r"(?:&\S+[ \t]*)?")
# Possessive all through: a text full of `#` or `!` must not be tried in every possible way.
_PROPERTIES = re.compile(r"(?:[&!]\S*+[ \t]*+)*+")
_GAP = r"(?:\s|(?<=[\s,\[{])#[^\r\n]*+)*+"
COMMA = re.compile(_GAP + ",")
_COLON = re.compile(r"\s*:")
_DASH = re.compile(_GAP + "-")
HEAD = re.compile(r"[ \t]*+(?:[&!]\S*+[ \t]*+)*+(?:#[^\r\n]*+)?(?:[\r\n]|\Z)")
BLANKS = re.compile(r"[ \t]*")
_LINE_END = re.compile(r"\r\n|\r|\n|\Z")


class CannotSpliceError(Exception):
    """A text that is written in a way for which there is no splice."""


class _Loader(yaml.SafeLoader):
    """Composes nodes, with an alias as a node of its own, so that nothing stands in two places."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's
        if not self.check_event(yaml.AliasEvent):
            return super().compose_node(parent, index)
        event: Any = self.get_event()  # type: ignore[no-untyped-call]  # untyped in the stubs
        return yaml.ScalarNode(ALIAS, event.anchor, event.start_mark, event.end_mark)


def documents(text: str) -> list[yaml.Node]:
    """Compose the documents that hold anything, in the order in which the engine numbers them."""
    loader, nodes = _Loader(text), []
    while loader.check_node():
        node = loader.get_node()
        if node is not None and node.tag != _NULL:
            nodes.append(node)
    return nodes


def style_of(node: yaml.Node) -> Style:
    """Lay out as the first mapping and the first list in the text are."""
    steps = [(type(value), _column(value) - _column(key)) for key, value in _pairs(node) if is_block(value)]
    step = next((by for kind, by in steps if kind is yaml.MappingNode and by > 0), 2)
    return Style(step, next((by for kind, by in steps if kind is yaml.SequenceNode and by >= 0), 2))


def _pairs(node: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    for pair in node.value if not isinstance(node, yaml.ScalarNode) else ():
        if isinstance(pair, tuple):
            yield pair
        yield from _pairs(pair[1] if isinstance(pair, tuple) else pair)


def _column(node: yaml.Node) -> int:
    """Column of a node, or of what is in it where an anchor is before that."""
    first: Any = node
    if is_block(node) and isinstance(node, yaml.MappingNode):
        first = node.value[0][0]
    return int(first.start_mark.column)


def is_block(node: yaml.Node) -> bool:
    """Whether a node is a mapping or a list over several lines, without brackets."""
    return isinstance(node, yaml.CollectionNode) and not node.flow_style and bool(node.value)


class Places:
    """The places of a text; all are numbers of characters from its start."""

    def __init__(self, text: str) -> None:
        self.text = text

    def end(self, node: yaml.Node) -> int:
        """End of what a node is written with: the last character that is neither space nor comment."""
        if is_block(node):
            last = node.value[-1]
            return self.end(last[1] if isinstance(last, tuple) else last)
        start, end = node.start_mark.index, node.end_mark.index
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            header = self.text[start : self.line_end(start)]
            return int(end) if "+" in header else int(start) + len(self.text[start:end].rstrip())
        return int(end)

    def after_properties(self, node: yaml.Node) -> int:
        """Where a node begins behind its anchor and its tag."""
        found = _PROPERTIES.match(self.text, node.start_mark.index)
        return found.end() if found else int(node.start_mark.index)

    def line_start(self, at: int) -> int:
        """Where the line of a place begins, behind a byte order mark."""
        start = max(self.text.rfind("\n", 0, at), self.text.rfind("\r", 0, at)) + 1
        return start + self.text.startswith("\ufeff", start)

    def line_end(self, at: int) -> int:
        """Where the line of a place ends, before its line end."""
        found = _LINE_END.search(self.text, at)
        return found.start() if found else len(self.text)

    def after_line(self, at: int) -> int:
        """Where the line after this place begins; a place at the start of a line is one already."""
        if at and self.text[at - 1] in "\r\n":
            return at
        found = _LINE_END.search(self.text, at)
        return found.end() if found else len(self.text)

    def after_colon(self, key: yaml.Node) -> int:
        """Where a key's colon ends; ``CannotSpliceError`` for a key behind a question mark."""
        line = self.text[self.line_start(key.start_mark.index) : key.start_mark.index]
        found = _COLON.match(self.text, key.end_mark.index)
        if found is None or line.rstrip().endswith("?"):
            raise CannotSpliceError
        return found.end()

    def dashes(self, node: yaml.SequenceNode) -> list[int]:
        """Where the dashes of a list's items are."""
        found, at = [], self.after_properties(node)
        for one in node.value:
            dash = _DASH.match(self.text, at)
            if dash is None:
                raise CannotSpliceError
            found.append(dash.end() - 1)
            at = self.end(one)
        return found
