"""What happens when somebody changes the form or the text: the new text, the form, the plan, and what is marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from engine.errors import HubError
from engine.plan.plan import Options
from engine.plan.show.words import size
from space import pages
from space.edits import Put, apply, read_edit
from space.look import MOST_BYTES, Look, layers_of, look_at
from space.sheet import sheet_of
from space.words import sayer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.hub_client import Hub
    from space.edits import Edit
    from space.sheet import Sheet

START = """\
models:
  - model:
  - model:
merge_method: slerp
base_model:
parameters:
  t: 0.5
dtype: bfloat16
"""
"""What somebody finds who comes without a recipe: two models and one button is enough."""
MOST_EDITS = 64


@dataclass(frozen=True)
class Room:
    """What this machine can give to a merge, in bytes; None where nothing is merged here."""

    memory: int
    disk: int


@dataclass(frozen=True)
class Bench:
    """Where recipes are worked on. ``open_hub`` opens the Hub for a token; ``known`` are models to offer."""

    open_hub: Callable[[str | None], Hub]
    endpoint: str
    room: Room | None
    known: Callable[[], Sequence[str]] = tuple

    def options(self) -> Options:
        """How everything is planned here: models on the Hub only."""
        return Options(local=False, endpoint=self.endpoint)

    def look(self, text: str, sheet: Sheet, token: str | None) -> Look:
        """Plan a text as whoever has the token."""
        return look_at(text, sheet, lambda: self.open_hub(token), self.options())

    def view(self, text: str, language: str, token: str | None, *, form: bool = True) -> View:
        """Show a text; without ``form`` the form is left as it is."""
        sheet = sheet_of(text)
        look = self.look(text, sheet, token)
        made = pages.form(sheet, language, self.known()) if form else None
        return View(text, made, pages.plan(look, language, self.fit(look, language)), marks_of(look), look)

    def edit(self, text: str, edits: object, language: str, token: str | None) -> View:
        """Make what the form's controls asked for. What no control asks for changes nothing."""
        sheet, plain = sheet_of(text), True
        for edit in read_edits(edits):
            if not sheet.readable or len(text) > MOST_BYTES:
                break
            layers = {} if isinstance(edit, Put) else self._layers(text, sheet, token)
            text = apply(text, sheet.number, edit, layers)
            plain = plain and _is_plain(edit)
            sheet = sheet_of(text)
        return self.view(text, language, token, form=not plain)

    def search(self, text: str) -> list[str]:
        """Find models for a search box, as nobody in particular."""
        if not 2 <= len(text) <= 96:
            return []
        try:
            return [found.repo for found in self.open_hub(None).search(text)]
        except HubError:
            return []

    def _layers(self, text: str, sheet: Sheet, token: str | None) -> dict[str, int]:
        return layers_of(self.look(text, sheet, token).plan)

    def fit(self, look: Look, language: str) -> str:
        """Say whether this machine can make it; nothing where it makes none."""
        if look.plan is None or self.room is None:
            return ""
        say, cost = sayer(language), look.plan.cost
        if cost.peak_memory_bytes <= self.room.memory and cost.peak_disk_bytes <= self.room.disk:
            return say("fits")
        needs = f"{size(cost.peak_memory_bytes)} + {size(cost.peak_disk_bytes)}"
        has = f"{size(self.room.memory)} + {size(self.room.disk)}"
        return say("fits_not", needs=needs, has=has, instead=say("fits_instead"))


@dataclass(frozen=True)
class View:
    """A text as the page shows it; ``form`` is None where it need not be drawn again."""

    text: str
    form: str | None
    plan: str
    marks: list[dict[str, Any]]
    look: Look


def read_edits(data: object) -> tuple[Edit, ...]:
    """Read a batch of edits; () for anything that the page would not send."""
    if not isinstance(data, list) or len(data) > MOST_EDITS:
        return ()
    try:
        return tuple(read_edit(one) for one in data)
    except ValidationError:
        return ()


def marks_of(look: Look) -> list[dict[str, Any]]:
    """Tell the page which controls to mark, and with what."""
    return [
        {
            "path": list(mark.path),
            "level": mark.finding.level,
            "text": _sentence(mark.finding.message, mark.finding.fix),
        }
        for mark in look.marks
    ]


def _sentence(message: str, fix: str) -> str:
    return pages.told(f"{message}; {fix}" if fix else message)


def _is_plain(edit: Edit) -> bool:
    """Whether an edit leaves the form as it is, but for what was typed; some values are shown in other places too."""
    if not isinstance(edit, Put):
        return False
    return edit.path != ("base_model",) and edit.path[-1] != "filter" and "layer_range" not in edit.path
