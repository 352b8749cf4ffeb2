"""From one tree to another, in the text: which pieces to cut out, and what to write instead.

Longer than our modules are: every function adds to the one list of splices, by the places of the same nodes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from space.nodes import (
    ALIAS,
    ANCHOR,
    BLANKS,
    COMMA,
    HEAD,
    MERGE,
    CannotSpliceError,
    Places,
    documents,
    is_block,
    style_of,
)
from space.tree import Map, is_flat, same
from space.written import entry, in_line, in_lines, item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from space.written import Style


@dataclass(frozen=True)
class Slot:
    """Where a value stands: ``after`` the colon or dash before it, in a holder whose entries begin at ``column``."""

    after: int
    column: int
    flow: bool
    listed: bool = False
    root: bool = False


def spliced(text: str, number: int, old: Map, new: Map, *, expand: bool = False) -> str:
    """Change the document of that number from ``old`` to ``new``; with ``expand`` no alias is left in it.

    One pass: what an alias stands for may have changed with what it points to. ``CannotSpliceError`` where it is
    written in a way that is not known here.
    """
    try:
        node = documents(text)[number]
        work = _Work(text, style_of(node), expand=expand)
        work.value(node, old, new, Slot(0, 0, flow=False, root=True))
        return work.done()
    except (yaml.YAMLError, IndexError, TypeError, ValueError) as error:
        raise CannotSpliceError from error


class _Work:
    """Collects the splices of one pass."""

    def __init__(self, text: str, style: Style, *, expand: bool) -> None:
        self._text, self._places, self._style, self._expand = text, Places(text), style, expand
        self._splices: list[tuple[int, int, str]] = []
        found = re.search(r"\r\n|\r|\n", text)
        self._newline = found[0] if found else "\n"

    def done(self) -> str:
        """Write the text with all splices made."""
        made, at = [], 0
        for start, end, new in sorted(self._splices, key=lambda splice: splice[:2]):
            if start < at:
                raise CannotSpliceError
            made += [self._text[at:start], new]
            at = end
        return "".join([*made, self._text[at:]])

    def value(self, node: yaml.Node, old: Any, new: Any, slot: Slot) -> None:  # noqa: ANN401 - any part of a recipe
        """Change a value where it stands."""
        if same(old, new) and not self._expand:
            return
        if isinstance(node, yaml.MappingNode) and isinstance(old, Map) and isinstance(new, Map):
            self._mapping(node, old, new, slot)
        elif isinstance(node, yaml.SequenceNode) and isinstance(old, list) and isinstance(new, list):
            self._list(node, old, new, slot)
        elif node.tag == ALIAS or not same(old, new):
            self._replace(node, new, slot)

    # Mappings

    def _mapping(self, node: yaml.MappingNode, old: Map, new: Map, slot: Slot) -> None:
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
                own.setdefault(key.value, (key, value))
        kept = [key for key in own if key in new]
        if not kept:
            self._replace(node, new, slot)
            return
        flow = slot.flow or bool(node.flow_style)
        # What ``<<`` brings cannot be taken away one by one.
        unmerged = self._expand or any(key not in new for key in old if key not in own)
        cut = [
            number
            for number, (key, _) in enumerate(node.value)
            if (unmerged if key.tag == MERGE else isinstance(key, yaml.ScalarNode) and key.value not in new)
        ]
        self._cut([(key, value) for key, value in node.value], cut, flow=flow)
        for key in kept:
            if same(old[key], new[key]) and not self._expand:
                continue
            name, value = own[key]
            column = int(name.start_mark.column)
            self.value(value, old[key], new[key], Slot(self._places.after_colon(name), column, flow))
        self._add_keys(own, kept, old, new, flow=flow)

    def _add_keys(
        self, own: dict[str, tuple[yaml.Node, yaml.Node]], kept: list[str], old: Map, new: Map, *, flow: bool
    ) -> None:
        before: str | None = None
        first = own[kept[0]][0]
        column = int(first.start_mark.column)
        for key, value in new.items():
            if key in own:
                before = key
            elif (key in old and same(old[key], value)) and not self._expand:
                continue
            elif flow:
                self._put_in_flow(f"{in_line(key, flow=True)}: {in_line(value, flow=True)}", own[before or kept[-1]][1])
            elif before is None:
                head, *more = entry(key, value, column, self._style)
                self._put(first.start_mark.index, self._newline.join([head.lstrip(" "), *more, " " * column]))
            else:
                self._put_lines(self._places.end(own[before][1]), entry(key, value, column, self._style))

    # Lists

    def _list(self, node: yaml.SequenceNode, old: list[Any], new: list[Any], slot: Slot) -> None:
        flow = slot.flow or bool(node.flow_style)
        origins = _origins(old, new)
        kept = [place for place in origins if place is not None]
        if not kept or kept != sorted(set(kept)):
            self._replace(node, new, slot)
            return
        dashes = [] if flow else self._places.dashes(node)
        cut = [place for place in range(len(old)) if place not in kept]
        self._cut([(one, one) for one in node.value], cut, dashes, flow=flow)
        before: int | None = None
        for place, value in zip(origins, new, strict=True):
            if place is not None:
                before = place
                after = node.value[place].start_mark.index if flow else dashes[place] + 1
                column = after - 1 - self._places.line_start(after - 1)
                self.value(node.value[place], old[place], value, Slot(after, column, flow, listed=True))
            elif flow and before is None:
                self._put(node.value[kept[0]].start_mark.index, f"{in_line(value, flow=True)}, ")
            elif flow:
                self._put_in_flow(in_line(value, flow=True), node.value[before])
            else:
                self._add_item(dashes[kept[0]], None if before is None else node.value[before], value)

    def _add_item(self, dash: int, before: yaml.Node | None, value: object) -> None:
        """Add an item in lines of its own, with its dash in the column of ``dash``."""
        start = self._places.line_start(dash)
        lines = item(value, dash - start, self._style)
        if before is None:
            self._put(start, self._newline.join([*lines, ""]))
        else:
            self._put_lines(self._places.end(before), lines)

    # Pieces

    def _cut(
        self,
        entries: Sequence[tuple[yaml.Node, yaml.Node]],
        chosen: Sequence[int],
        dashes: Sequence[int] = (),
        *,
        flow: bool,
    ) -> None:
        """Cut entries out; of those on lines of their own the whole lines."""
        for number in chosen:
            start = dashes[number] if dashes else entries[number][0].start_mark.index
            end = self._places.end(entries[number][1])
            if flow:
                self._cut_in_flow(entries, number, chosen)
            elif not self._text[(line := self._places.line_start(start)) : start].strip(" "):
                self._splices.append((line, self._places.after_line(end), ""))
            elif not dashes and number + 1 < len(entries) and number + 1 not in chosen:
                self._splices.append((start, entries[number + 1][0].start_mark.index, ""))
            else:
                raise CannotSpliceError

    def _cut_in_flow(self, entries: Sequence[tuple[yaml.Node, yaml.Node]], number: int, chosen: Sequence[int]) -> None:
        start, end = entries[number][0].start_mark.index, self._places.end(entries[number][1])
        if comma := COMMA.match(self._text, end):
            behind = BLANKS.match(self._text, comma.end())
            self._splices.append((start, behind.end() if behind else comma.end(), ""))
            return
        self._splices.append((start, end, ""))
        kept = [before for before in range(number) if before not in chosen]
        if kept and (comma := COMMA.match(self._text, self._places.end(entries[kept[-1]][1]))):
            self._splices.append((comma.end() - 1, comma.end() + self._text[comma.end() :].startswith(" "), ""))

    def _replace(self, node: yaml.Node, new: Any, slot: Slot) -> None:  # noqa: ANN401 - any part of a recipe
        """Write another value in the place of a node; an anchor stays, for aliases may point to it."""
        start, end = node.start_mark.index, self._places.end(node)
        found = ANCHOR.match(self._text, start)
        anchor = f" {found[0].strip()}" if found and found[0] else ""
        if slot.flow:
            self._splices.append((start, end, f"{anchor} {in_line(new, flow=True)}".lstrip(" ")))
            return
        below = is_block(node)
        if slot.root or (below and not HEAD.match(self._text, slot.after)):
            raise CannotSpliceError
        behind = max(end, slot.after)
        if below:
            behind = self._places.after_properties(node) if anchor else slot.after
            self._splices.append((self._places.after_line(slot.after), self._places.after_line(end), ""))
        if is_flat(new):
            self._splices.append((slot.after, behind, f"{anchor} {in_line(new)}".rstrip(" ")))
        elif slot.listed:
            raise CannotSpliceError
        else:
            self._splices.append((slot.after, behind, anchor))
            by = self._style.step if isinstance(new, dict) else self._style.dash
            self._put_lines(slot.after if below else end, in_lines(new, slot.column + by, self._style))

    def _put(self, at: int, new: str) -> None:
        self._splices.append((at, at, new))

    def _put_lines(self, end: int, lines: Sequence[str]) -> None:
        at = self._places.after_line(end)
        if at == len(self._text) and not self._text.endswith(("\n", "\r")):
            self._put(at, "".join(self._newline + line for line in lines))
        else:
            self._put(at, "".join(line + self._newline for line in lines))

    def _put_in_flow(self, new: str, behind: yaml.Node) -> None:
        self._put(self._places.end(behind), f", {new}")


def _origins(old: list[Any], new: list[Any]) -> list[int | None]:
    """Say for each new item which old one it was."""
    if not any(isinstance(value, Map) for value in (*old, *new)):
        return [place if place < len(old) else None for place in range(len(new))]
    return [value.origin if isinstance(value, Map) else _found(old, place, value) for place, value in enumerate(new)]


def _found(old: list[Any], place: int, value: object) -> int | None:
    return place if place < len(old) and same(old[place], value) else None
