"""What the form shows of a recipe's text: its values, each with the place where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.recipe import Path
    from space.controls import Knob

Shape = Literal["unset", "one", "layers", "long"]
"""``long``: a value for each step, but more than a curve can show."""
MOST_BYTES = 64 * 1024
"""A text that is longer is none that this page works on."""
MOST_ROWS = 128
"""Models that the form shows; a text may have more."""
MOST_POINTS = 64
"""Values of a curve, and parts of a setting, that the form shows."""


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
    """A model that goes in. ``first`` and ``last`` are its half-open range of layers, empty where it has none.

    ``fixed``: its name is written as a mapping, which only the text can change.
    """

    path: Path
    model: str
    is_base: bool
    first: str
    last: str
    controls: tuple[Control, ...]
    fixed: bool = False


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
    holds that the form has no control for. ``empty``: there is nothing but comments.
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
    empty: bool = False

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
    "tokenizer": ("tokenizer_source",),
    "seed": ("seed",),
    "name": ("name",),
    "repo": ("publish", "repo"),
    "private": ("publish", "private"),
    "license": ("publish", "license"),
    "description": ("publish", "description"),
}
"""The form's plain fields, and where the recipe has them."""
