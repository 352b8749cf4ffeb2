"""What a control does to the recipe's text. The page sends these; each is checked before it touches anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from engine.methods import METHODS
from space.controls import of_merge, of_model
from space.document import Node, changed, drop, in_line, listed, look, mapping, put

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.methods.contract import Method

Key = Annotated[str, Field(max_length=64)] | Annotated[int, Field(ge=0, le=1000)]
Place = Annotated[tuple[Key, ...], Field(min_length=1, max_length=8)]
Text = Annotated[str, Field(max_length=2000)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True)]
Value = Annotated[bool, Field(strict=True)] | Whole | Number | Text
Gradient = Annotated[list[Number], Field(min_length=1, max_length=64)]

MOST_ROWS = 64
"""Models, slices or parts that the form adds at most; a text may have more."""
LAYERS = 32
"""Layers that a slice is given where nobody knows yet how many there are."""


class _Edit(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Put(_Edit):
    """Set a value; an empty text or None removes it."""

    do: Literal["put"]
    path: Place
    value: Value | Gradient | None


class Choose(_Edit):
    """Take another method, with the parameters that it needs and none that it lacks."""

    do: Literal["method"]
    value: Literal[tuple(METHODS)]  # type: ignore[valid-type]


class Rename(_Edit):
    """Name another model in a row; a base of the same name goes along."""

    do: Literal["rename"]
    path: Place
    value: Text


class Add(_Edit):
    """Add to what ``path`` leads to: a model, a slice, or a part of a setting."""

    do: Literal["add-model", "add-slice", "add-part"]
    path: tuple[Key, ...] = ()


class Remove(_Edit):
    """Remove a model, a slice, or a part of a setting."""

    do: Literal["remove"]
    path: Place


class Shape(_Edit):
    """Give a setting another shape: one value, a value for each layer, or a setting for each part of a layer."""

    do: Literal["one", "layers", "parts"]
    path: Place
    start: Value | None = None


Edit = Annotated[Put | Choose | Rename | Add | Remove | Shape, Field(discriminator="do")]
_EDIT: TypeAdapter[Edit] = TypeAdapter(Edit)


def read_edit(data: object) -> Edit:
    """Read what the page sent; ``pydantic.ValidationError`` for anything that no control sends."""
    return _EDIT.validate_python(data)


def apply(text: str, number: int, edit: Edit, layers: Mapping[str, int] | None = None) -> str:
    """Return the text with the edit made in its document of that number; ``layers`` is what is known of models."""
    return changed(text, number, lambda tree: _change(tree, edit, layers or {}))


def _change(tree: CommentedMap, edit: Edit, layers: Mapping[str, int]) -> None:
    match edit:
        case Put():
            _put(tree, edit)
        case Choose():
            _choose(tree, METHODS[edit.value], layers)
        case Rename():
            _rename(tree, edit)
        case Add(do="add-model"):
            _add_model(tree, edit.path, layers)
        case Add(do="add-slice"):
            _add_slice(tree, layers)
        case Add():
            _add_part(tree, edit.path)
        case Remove():
            _remove(tree, edit.path)
        case Shape():
            _shape(tree, edit)


def _put(tree: CommentedMap, edit: Put) -> None:
    if edit.value is None or edit.value == "":
        drop(tree, edit.path)
        return
    value = [_plain(point) for point in edit.value] if isinstance(edit.value, list) else _plain(edit.value)
    put(tree, edit.path, value)


def _plain(value: Node) -> Node:
    """Write whole numbers without a fraction, as people do."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _rename(tree: CommentedMap, edit: Rename) -> None:
    before, base = look(tree, edit.path), tree.get("base_model")
    put(tree, edit.path, edit.value or None)
    # A base that nobody has named yet is the first model that somebody does.
    if "base_model" in tree and (not base or (base == before and before not in _names(tree))):
        tree["base_model"] = edit.value or None


def _rows(tree: CommentedMap) -> Iterator[CommentedMap]:
    lists = [tree.get("models"), *(look(item, ("sources",)) for item in tree.get("slices") or ())]
    for rows in lists:
        yield from (row for row in rows or () if isinstance(row, CommentedMap))


def _names(tree: CommentedMap) -> list[str]:
    return list(dict.fromkeys(str(row["model"]) for row in _rows(tree) if row.get("model")))


def _method(tree: CommentedMap) -> Method | None:
    name = tree.get("merge_method")
    return METHODS.get(name) if isinstance(name, str) else None


def _add_model(tree: CommentedMap, at: tuple[Key, ...], layers: Mapping[str, int]) -> None:
    rows = look(tree, at) if at else None
    if not isinstance(rows, CommentedSeq):
        rows = tree["models"] = listed([])
    if len(rows) >= MOST_ROWS:
        return
    row = mapping(model=None)
    beside = rows[-1].get("layer_range") if rows and isinstance(rows[-1], CommentedMap) else None
    if at[:1] == ("slices",):
        row["layer_range"] = in_line(list(beside) if beside else [0, _most(layers)])
    if method := _method(tree):
        _give_starts(row, method)
    rows.append(row)


def _give_starts(row: CommentedMap, method: Method) -> None:
    for knob in of_model(method):
        if knob.required or knob.name in ("weight", "density"):
            put(row, ("parameters", knob.name), _plain(knob.start))


def _most(layers: Mapping[str, int]) -> int:
    return max(layers.values(), default=LAYERS)


def _add_slice(tree: CommentedMap, layers: Mapping[str, int]) -> None:
    if not isinstance(tree.get("slices"), CommentedSeq):
        tree["slices"] = listed([])
    if len(tree["slices"]) < MOST_ROWS:
        tree["slices"].append(_slice(None, layers))


def _slice(name: str | None, layers: Mapping[str, int]) -> CommentedMap:
    last = layers.get(name or "", _most(layers))
    return mapping(sources=listed([mapping(model=name, layer_range=[0, last])]))


def _remove(tree: CommentedMap, at: tuple[Key, ...]) -> None:
    drop(tree, at)
    above = look(tree, at[:-1])
    if isinstance(above, CommentedSeq) and not above and at[-2:-1] == ("sources",):
        drop(tree, at[:-2])
    if isinstance(above, CommentedSeq) and "parameters" in at:
        _as_one(tree, at[:-1], above)


def _as_one(tree: CommentedMap, at: tuple[Key, ...], parts: CommentedSeq) -> None:
    """Write a setting plainly where one part that takes every tensor is left; drop it where none is."""
    if not parts:
        drop(tree, at)
    elif len(parts) == 1 and isinstance(parts[0], CommentedMap) and "filter" not in parts[0]:
        put(tree, at, parts[0].get("value"))


def _add_part(tree: CommentedMap, at: tuple[Key, ...]) -> None:
    parts = look(tree, at)
    if not isinstance(parts, CommentedSeq) or len(parts) >= MOST_ROWS:
        return
    named = {part.get("filter") for part in parts if isinstance(part, CommentedMap)}
    free = next((name for name in ("self_attn", "mlp", "norm", "embed", "lm_head") if name not in named), "layers")
    rest = parts[-1].get("value", 0.5) if isinstance(parts[-1], CommentedMap) else 0.5
    last = isinstance(parts[-1], CommentedMap) and "filter" not in parts[-1]
    parts.insert(len(parts) - last, mapping(filter=free, value=_copy(rest)))


def _copy(value: Node) -> Node:
    return in_line(list(value)) if isinstance(value, CommentedSeq) else value


def _shape(tree: CommentedMap, edit: Shape) -> None:
    now = look(tree, edit.path)
    now = edit.start if now is None else now
    if edit.do == "parts":
        if not _has_parts(now):
            value = 0.5 if now is None else now
            put(tree, edit.path, listed([mapping(filter="self_attn", value=_copy(value)), mapping(value=_copy(value))]))
    elif edit.do == "layers":
        if not isinstance(now, CommentedSeq):
            value = _plain(0.5 if now is None else now)
            put(tree, edit.path, [value] * 5)
    else:
        value = _one_of(now)
        put(tree, edit.path, value)


def _has_parts(value: Node) -> bool:
    return isinstance(value, CommentedSeq) and any(isinstance(part, CommentedMap) for part in value)


def _one_of(value: Node) -> Node:
    """Choose the one value that stands for a setting: of parts the last, which is the rest; of a gradient its mean."""
    while isinstance(value, CommentedSeq | CommentedMap):
        if isinstance(value, CommentedMap):
            value = value.get("value", 0.5)
        elif _has_parts(value):
            value = value[-1]
        else:
            points = [float(point) for point in value]
            value = _plain(round(sum(points) / len(points), 3))
    return value


def _choose(tree: CommentedMap, method: Method, layers: Mapping[str, int]) -> None:
    before = _method(tree)
    tree["merge_method"] = method.name
    if method.name == "passthrough":
        _as_stack(tree, layers)
    elif before is not None and before.name == "passthrough":
        _as_list(tree)
    _choose_base(tree, method)
    for row in _rows(tree):
        _refit(row, method, own=True)
        # Where a base is needed and listed, it has no weight of its own.
        if not (method.inputs.base == "required" and row.get("model") and row["model"] == tree.get("base_model")):
            _give_starts(row, method)
        else:
            row.pop("parameters", None)
    for part in tree.get("slices") or ():
        _refit(part, method, own=False)
    _refit(tree, method, own=False)
    for knob in of_merge(method):
        if knob.required and look(tree, ("parameters", knob.name)) is None:
            put(tree, ("parameters", knob.name), _plain(knob.start))


def _as_stack(tree: CommentedMap, layers: Mapping[str, int]) -> None:
    names = _names(tree)
    if "slices" in tree and len(tree["slices"]) > 1:
        return
    at = list(tree).index("models") if "models" in tree else 0
    tree.pop("models", None)
    tree.pop("slices", None)
    tree.insert(at, "slices", listed([_slice(name, layers) for name in names or (None, None)]))


def _as_list(tree: CommentedMap) -> None:
    names = _names(tree)
    if any(len(look(part, ("sources",)) or ()) > 1 for part in tree.get("slices") or ()):
        return
    at = list(tree).index("slices") if "slices" in tree else 0
    if tree.pop("slices", None) is not None:
        tree.insert(at, "models", listed([mapping(model=name) for name in names]))


def _choose_base(tree: CommentedMap, method: Method) -> None:
    names, base = _names(tree), tree.get("base_model")
    if method.inputs.base == "required" and base is None:
        at = list(tree).index("merge_method") + 1
        tree.insert(at, "base_model", names[0] if names else None)
    elif method.inputs.base == "participant" and base is not None:
        tree.pop("base_model")


def _refit(holder: Node, method: Method, *, own: bool) -> None:
    """Drop the parameters that a method has not."""
    block = look(holder, ("parameters",))
    if not isinstance(block, CommentedMap):
        return
    known = {knob.name for knob in of_model(method)} | method.inert
    if not own:
        known |= {knob.name for knob in of_merge(method)}
    for name in [name for name in block if name not in known]:
        block.pop(name)
    if not block:
        holder.pop("parameters")
