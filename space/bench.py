"""What happens when somebody changes the form or the text: the new text, the form, the plan, and what is marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from engine.errors import HubError
from engine.plan.plan import Options
from engine.plan.show.words import size
from space import pages
from space.document import NotEditableError
from space.edits import Put, apply, read_edit
from space.look import Look, layers_of, look_at
from space.reading import sheet_of
from space.sheet import MOST_BYTES
from space.words import sayer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.findings import Finding
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
MOST_MARKS = 64
"""Findings that are told at their controls; the first ones are told beside the plan too."""
MOST_EDITS = 16
"""Edits of one batch: the page sends what a person does in a moment, and a large text takes a second for each."""


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

    def view(
        self, text: str, language: str, token: str | None, *, form: bool = True, stuck: Sequence[Edit] = ()
    ) -> View:
        """Show a text; without ``form`` the form is left as it is. ``stuck`` are edits that could not be made."""
        sheet = sheet_of(text)
        look = self.look(text, sheet, token)
        made = pages.form(sheet, language, self.known()) if form else None
        told = [{"path": list(edit.path), "level": "warning", "text": sayer(language)("stuck")} for edit in stuck]
        plan = pages.plan(look, language, self.fit(look, language))
        return View(text, made, plan, [*marks_of(look, language), *told], look)

    def edit(self, text: str, edits: object, language: str, token: str | None) -> View:
        """Make what the form's controls asked for. What no control asks for changes nothing."""
        sheet, plain = sheet_of(text), True
        stuck: list[Edit] = []
        for edit in read_edits(edits):
            if not sheet.readable or len(text) > MOST_BYTES:
                break
            try:
                text = self._edited(text, sheet, edit, token)
            except NotEditableError:
                stuck.append(edit)
            plain = plain and _is_plain(edit) and not stuck
            sheet = sheet_of(text)
        return self.view(text, language, token, form=not plain, stuck=stuck)

    def _edited(self, text: str, sheet: Sheet, edit: Edit, token: str | None) -> str:
        layers = {} if isinstance(edit, Put) else self._layers(text, sheet, token)
        made = apply(text, sheet.number, edit, layers)
        if len(made) > max(MOST_BYTES, len(text)):
            raise NotEditableError("what aliases repeat is too much to write out")
        return made

    def search(self, text: object) -> list[str]:
        """Find models for a search box, as nobody in particular."""
        if not isinstance(text, str) or not 2 <= len(text) <= 96 or not text.isprintable():
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


def marks_of(look: Look, language: str) -> list[dict[str, Any]]:
    """Tell the page which controls to mark, and with what."""
    return [
        {
            "path": list(mark.path),
            "level": mark.finding.level,
            "text": _sentence(mark.finding, language),
        }
        for mark in look.marks[:MOST_MARKS]
    ]


def _sentence(finding: Finding, language: str) -> str:
    said = pages.told(f"{finding.message}; {finding.fix}" if finding.fix else finding.message)
    short = pages.short_of(finding, language)
    return f"{short}\n{said}" if short else said


def _is_plain(edit: Edit) -> bool:
    """Whether an edit leaves the form as it is, but for what was typed; some values are shown in other places too."""
    if not isinstance(edit, Put):
        return False
    return edit.path != ("base_model",) and edit.path[-1] != "filter" and "layer_range" not in edit.path
