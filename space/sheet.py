"""A recipe's text as the form shows it. Whatever the text holds that has no control is named, and stays in the text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from engine.methods import METHODS
from engine.recipe import parse
from engine.recipe.text import Leaf, read_text
from space.controls import of_merge, of_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from engine.methods.contract import Method
    from engine.recipe import Path
    from engine.recipe.text import Document, Tree
    from space.controls import Knob

Shape = Literal["unset", "one", "layers"]


@dataclass(frozen=True)
class Point:
    """One value, or one for each step over the layers, and where it stands. ``filter`` is None for a whole setting."""

    path: Path
    shape: Shape
    values: tuple[str, ...]
    filter: str | None = None
    filter_path: Path = ()


@dataclass(frozen=True)
class Control:
    """A knob with what it is set to; ``points`` are several where parts of a layer differ."""

    path: Path
    knob: Knob
    points: tuple[Point, ...]
    by_part: bool = False


@dataclass(frozen=True)
class Row:
    """A model that goes in. ``first`` and ``last`` are its half-open range of layers, empty where it has none."""

    path: Path
    model: str
    is_base: bool
    first: str
    last: str
    controls: tuple[Control, ...]


@dataclass(frozen=True)
class Block:
    """Models that are merged with each other: all of the recipe's, or those of one slice."""

    path: Path
    rows: tuple[Row, ...]
    slice: Path = ()


@dataclass(frozen=True)
class Sheet:
    """The form's content. ``readable`` is False for a text that is no recipe at all: then there is nothing to show.

    ``number`` is the document that is shown, ``stages`` the names of the others; ``kept`` tells what else the text
    holds that the form has no control for.
    """

    readable: bool
    number: int = 0
    method: str = ""
    base: str = ""
    base_listed: bool = False
    blocks: tuple[Block, ...] = ()
    controls: tuple[Control, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def sliced(self) -> bool:
        """Whether models go in by their layers."""
        return any(block.slice for block in self.blocks)

    @property
    def models(self) -> tuple[str, ...]:
        """Every model in a row, once."""
        return tuple(dict.fromkeys(row.model for block in self.blocks for row in block.rows if row.model))


FIELDS: Mapping[str, Path] = {
    "base": ("base_model",),
    "dtype": ("dtype",),
    "seed": ("seed",),
    "name": ("name",),
    "repo": ("publish", "repo"),
    "private": ("publish", "private"),
    "license": ("publish", "license"),
    "description": ("publish", "description"),
}
"""The form's plain fields, and where the recipe has them."""
_OWN_PARTS = frozenset({"merge_method", "models", "slices", "parameters", "publish"})


def sheet_of(text: str) -> Sheet:
    """Read a text for the form. Never raises; mistakes are the plan's to tell."""
    documents, _ = read_text(text)
    number = _shown(text, documents)
    if number is None:
        return Sheet(readable=False)
    tree = documents[number].tree
    if not isinstance(tree, dict):
        return Sheet(readable=False)
    name = _text(tree.get("merge_method"))
    method = METHODS.get(name)
    base = _text(tree.get("base_model"))
    blocks = tuple(_blocks(tree, method, base))
    return Sheet(
        readable=True,
        number=number,
        method=name,
        base=base,
        base_listed=any(row.is_base for block in blocks for row in block.rows),
        blocks=blocks,
        controls=_controls(tree, (), of_merge(method)) if method else (),
        fields={key: _text(_at(tree, path)) for key, path in FIELDS.items()},
        stages=tuple(_text(d.tree.get("name")) for d in documents if isinstance(d.tree, dict) and d.tree is not tree),
        kept=tuple(_kept(tree, method)),
    )


def _shown(text: str, documents: Sequence[Document]) -> int | None:
    """Number of the document that is the result: of several, the one that is no stage."""
    if len(documents) < 2:
        return 0 if documents else None
    recipe = parse(text).recipe
    stages = set(recipe.stages) if recipe else set()
    names = [_text(d.tree.get("name")) if isinstance(d.tree, dict) else "" for d in documents]
    return next((number for number, name in enumerate(names) if name not in stages), len(documents) - 1)


def _blocks(tree: dict[str, Tree], method: Method | None, base: str) -> Iterable[Block]:
    models = tree.get("models")
    if isinstance(models, list):
        yield Block(("models",), tuple(_rows(models, ("models",), method, base)))
    slices = tree.get("slices")
    for number, part in enumerate(slices if isinstance(slices, list) else ()):
        at = ("slices", number, "sources")
        sources = part.get("sources") if isinstance(part, dict) else None
        own = _text(part.get("base_model")) if isinstance(part, dict) else ""
        rows = _rows(sources, at, method, own or base) if isinstance(sources, list) else ()
        yield Block(at, tuple(rows), at[:2])


def _rows(rows: list[Tree], at: Path, method: Method | None, base: str) -> Iterable[Row]:
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            continue
        path, model = (*at, number), _text(row.get("model"))
        ends = row.get("layer_range")
        first, last = (_text(ends[0]), _text(ends[1])) if isinstance(ends, list) and len(ends) == 2 else ("", "")
        is_base = bool(method and method.inputs.base == "required" and model and model == base)
        # Where task vectors are taken, the base gives none of its own.
        knobs = of_model(method) if method and not is_base else ()
        yield Row(path, model, is_base, first, last, _controls(row, path, knobs))


def _controls(holder: dict[str, Tree], at: Path, knobs: Sequence[Knob]) -> tuple[Control, ...]:
    block = holder.get("parameters")
    given = block if isinstance(block, dict) else {}
    return tuple(_control((*at, "parameters", knob.name), knob, given.get(knob.name)) for knob in knobs)


def _control(path: Path, knob: Knob, tree: Tree | None) -> Control:
    if isinstance(tree, dict):
        return Control(path, knob, (_part(path, tree),), by_part=True)
    if isinstance(tree, list) and any(isinstance(item, dict) for item in tree):
        parts = [_part((*path, i), item) for i, item in enumerate(tree) if isinstance(item, dict)]
        return Control(path, knob, tuple(parts), by_part=True)
    return Control(path, knob, (_point(path, tree),))


def _part(path: Path, tree: dict[str, Tree]) -> Point:
    point = _point((*path, "value"), tree.get("value"))
    return Point(point.path, point.shape, point.values, _text(tree.get("filter")), (*path, "filter"))


def _point(path: Path, tree: Tree | None) -> Point:
    if isinstance(tree, list):
        return Point(path, "layers", tuple(_text(item) for item in tree))
    return Point(path, "one", (_text(tree),)) if isinstance(tree, Leaf) else Point(path, "unset", ())


def _kept(tree: dict[str, Tree], method: Method | None) -> Iterable[str]:
    shown = {path[0] for path in FIELDS.values()} | _OWN_PARTS
    yield from (key for key in tree if key not in shown)
    publish = tree.get("publish")
    ours = {path[1] for path in FIELDS.values() if len(path) > 1}
    yield from (f"publish.{key}" for key in (publish if isinstance(publish, dict) else ()) if key not in ours)
    known = {knob.name for knob in (*of_model(method), *of_merge(method))} if method else set()
    parameters = tree.get("parameters")
    whole = {knob.name for knob in of_merge(method)} if method else set()
    for key in parameters if isinstance(parameters, dict) else ():
        if key not in known or key not in whole:
            yield f"parameters.{key}"
    slices = tree.get("slices")
    for number, part in enumerate(slices if isinstance(slices, list) else ()):
        yield from (f"slices.{number}.{key}" for key in (part if isinstance(part, dict) else ()) if key != "sources")


def _at(tree: Tree | None, path: Path) -> Tree | None:
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) and isinstance(key, str) else None
    return tree


def _text(tree: Tree | None) -> str:
    """Write a leaf as the form does: as it stands in the text; anything else is nothing."""
    if not isinstance(tree, Leaf) or tree.value is None:
        return ""
    return ("true" if tree.value else "false") if isinstance(tree.value, bool) else tree.text
