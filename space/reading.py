"""A recipe's text, read for the form. Whatever the text holds that has no control is named, and stays in the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.methods import METHODS
from engine.recipe import parse
from engine.recipe.text import Leaf, read_text
from space.controls import of_merge, of_model
from space.kept import at, kept_of, text_of
from space.sheet import FIELDS, MOST_BYTES, MOST_POINTS, MOST_ROWS, Block, Control, Point, Row, Sheet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.methods.contract import Method
    from engine.recipe import Path
    from engine.recipe.text import Document, Tree
    from space.controls import Knob


def sheet_of(text: str) -> Sheet:
    """Read a text for the form. Never raises; mistakes are the plan's to tell."""
    if len(text.encode(errors="surrogatepass")) > MOST_BYTES:
        return Sheet(readable=False)
    documents, findings = read_text(text)
    number = _shown(text, documents)
    if number is None:
        return Sheet(readable=False, empty=any(finding.id == "empty" for finding in findings))
    tree = documents[number].tree
    if not isinstance(tree, dict):
        return Sheet(readable=False)
    name = text_of(tree.get("merge_method"))
    method = METHODS.get(name)
    base = text_of(tree.get("base_model"))
    blocks = tuple(_within(_blocks(tree, method, base)))
    return Sheet(
        readable=True,
        number=number,
        method=name,
        base=base,
        base_listed=any(row.is_base for block in blocks for row in block.rows),
        blocks=blocks,
        controls=_controls(tree, (), of_merge(method)) if method else (),
        fields={key: text_of(at(tree, path)) for key, path in FIELDS.items()},
        stages=tuple(text_of(d.tree.get("name")) for d in documents if isinstance(d.tree, dict) and d.tree is not tree),
        kept=tuple(kept_of(tree, method, blocks)),
    )


def _shown(text: str, documents: Sequence[Document]) -> int | None:
    """Number of the document that is the result: of several, the one that is no stage."""
    if len(documents) < 2:
        return 0 if documents else None
    recipe = parse(text).recipe
    stages = set(recipe.stages) if recipe else set()
    names = [text_of(d.tree.get("name")) if isinstance(d.tree, dict) else "" for d in documents]
    return next((number for number, name in enumerate(names) if name not in stages), len(documents) - 1)


def _blocks(tree: dict[str, Tree], method: Method | None, base: str) -> Iterable[Block]:
    models = tree.get("models")
    if isinstance(models, list):
        yield Block(("models",), tuple(_rows(models, ("models",), method, base)))
    slices = tree.get("slices")
    for number, part in enumerate(slices if isinstance(slices, list) else ()):
        at = ("slices", number, "sources")
        sources = part.get("sources") if isinstance(part, dict) else None
        own = text_of(part.get("base_model")) if isinstance(part, dict) else ""
        rows = _rows(sources, at, method, own or base) if isinstance(sources, list) else ()
        yield Block(at, tuple(rows), at[:2])


def _within(blocks: Iterable[Block]) -> Iterable[Block]:
    """Leave out what would make the form longer than anybody reads."""
    room = MOST_ROWS
    for block in blocks:
        yield Block(block.path, block.rows[:room], block.slice)
        room -= max(len(block.rows), 1)
        if room <= 0:
            return


def _rows(rows: list[Tree], at: Path, method: Method | None, base: str) -> Iterable[Row]:
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            continue
        if number >= MOST_ROWS:
            break
        path, model = (*at, number), text_of(row.get("model")) or name_in(row.get("model"))
        ends = row.get("layer_range")
        first, last = (text_of(ends[0]), text_of(ends[1])) if isinstance(ends, list) and len(ends) == 2 else ("", "")
        is_base = bool(method and method.inputs.base == "required" and model and model == base)
        # Where task vectors are taken, the base gives none of its own.
        knobs = of_model(method) if method and not is_base else ()
        fixed = isinstance(row.get("model"), dict)
        yield Row(path, model, is_base, first, last, _controls(row, path, knobs), fixed)


def name_in(tree: Tree | None) -> str:
    """Find the name in a model that is written as a mapping."""
    path = tree.get("model") if isinstance(tree, dict) else None
    if not isinstance(path, dict):
        return text_of(path)
    name, revision = text_of(path.get("path")), text_of(path.get("revision"))
    return f"{name}@{revision}" if name and revision else name


def _controls(holder: dict[str, Tree], at: Path, knobs: Sequence[Knob]) -> tuple[Control, ...]:
    block = holder.get("parameters")
    given = block if isinstance(block, dict) else {}
    return tuple(_control((*at, "parameters", knob.name), knob, given.get(knob.name)) for knob in knobs)


def _control(path: Path, knob: Knob, tree: Tree | None) -> Control:
    if isinstance(tree, dict):
        return Control(path, knob, (_part(path, tree),), by_part=True)
    if isinstance(tree, list) and any(isinstance(item, dict) for item in tree):
        parts = [_part((*path, i), item) for i, item in enumerate(tree[:MOST_POINTS]) if isinstance(item, dict)]
        return Control(path, knob, tuple(parts), by_part=True)
    return Control(path, knob, (_point(path, tree),))


def _part(path: Path, tree: dict[str, Tree]) -> Point:
    point = _point((*path, "value"), tree.get("value"))
    return Point(point.path, point.shape, point.values, text_of(tree.get("filter")), (*path, "filter"))


def _point(path: Path, tree: Tree | None) -> Point:
    if isinstance(tree, list):
        points = tuple(text_of(item) for item in tree[:MOST_POINTS])
        return Point(path, "layers" if len(tree) <= MOST_POINTS else "long", points)
    return Point(path, "one", (text_of(tree),)) if isinstance(tree, Leaf) else Point(path, "unset", ())
