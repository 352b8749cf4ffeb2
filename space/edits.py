"""What a control does to the recipe's text. The page sends these; each is checked before it touches anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from engine.methods import METHODS
from space.choosing import choose
from space.document import changed, drop, look, plain, plainly, put
from space.rows import add_model, add_slice, put_layer, rename
from space.shapes import add_part, as_one, reshape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from space.tree import Map

Key = Annotated[str, Field(max_length=64)] | Annotated[int, Field(ge=0, le=1000)]
Place = Annotated[tuple[Key, ...], Field(min_length=1, max_length=8)]
Text = Annotated[str, Field(max_length=2000)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True)]
Value = Annotated[bool, Field(strict=True)] | Whole | Number | Text
Gradient = Annotated[list[Number], Field(min_length=1, max_length=64)]


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

    @property
    def path(self) -> Place:
        """Where the form shows it."""
        return ("merge_method",)


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
    """Return the text with the edit made in its document of that number; ``layers`` is what is known of models.

    ``NotEditableError`` where the text is written in a way that the form cannot change.
    """
    return changed(text, number, lambda tree: _change(tree, edit, layers or {}))


def _change(tree: Map, edit: Edit, layers: Mapping[str, int]) -> None:
    match edit:
        case Put():
            _put(tree, edit)
        case Choose():
            choose(tree, METHODS[edit.value], layers)
        case Rename():
            rename(tree, edit.path, edit.value)
        case Add(do="add-model"):
            add_model(tree, edit.path, layers)
        case Add(do="add-slice"):
            add_slice(tree, layers)
        case Add():
            add_part(tree, edit.path)
        case Remove():
            _remove(tree, edit.path)
        case Shape():
            reshape(tree, edit.path, edit.do, edit.start)


def _put(tree: Map, edit: Put) -> None:
    nothing = edit.value is None or edit.value == ""
    value = plainly(edit.value) if isinstance(edit.value, list) else plain(edit.value)
    if edit.path[-2:-1] == ("layer_range",) and isinstance(edit.path[-1], int):
        at = edit.path[:-1]
        put(tree, at, put_layer(look(tree, at), edit.path[-1], None if nothing else value))
    elif nothing and edit.path[-1] == "filter":
        return  # somebody is about to type another one
    elif nothing:
        drop(tree, edit.path)
    else:
        put(tree, edit.path, value)


def _remove(tree: Map, at: tuple[Key, ...]) -> None:
    drop(tree, at)
    above = look(tree, at[:-1])
    if isinstance(above, list) and not above and at[-2:-1] == ("sources",):
        drop(tree, at[:-2])
    if isinstance(above, list) and "parameters" in at:
        as_one(tree, at[:-1], above)
