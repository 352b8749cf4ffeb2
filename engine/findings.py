"""Findings: what a plan has to say about a recipe, each with its place and the next step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, order=True)
class Place:
    """A position in the recipe's text, both counted from 1 as editors do."""

    line: int
    column: int


@dataclass(frozen=True)
class Finding:
    """One thing to know about a recipe.

    ``id`` is stable kebab-case, ``message`` says what happened and what was expected, ``fix`` what to do.
    """

    id: str
    level: Level
    message: str
    fix: str
    line: int
    column: int

    def line_for(self, path: str) -> str:
        """Render as ``path:line:col: what; what was expected; what to do``."""
        text = f"{self.message}; {self.fix}" if self.fix else self.message
        return f"{path}:{self.line}:{self.column}: {text}"


def error(identity: str, message: str, fix: str, place: Place) -> Finding:
    """Make a finding that stops the merge."""
    return Finding(identity, "error", message, fix, place.line, place.column)


def warning(identity: str, message: str, fix: str, place: Place) -> Finding:
    """Make a finding that a reviewer should weigh."""
    return Finding(identity, "warning", message, fix, place.line, place.column)


def note(identity: str, message: str, fix: str, place: Place) -> Finding:
    """Make a finding that is good to know."""
    return Finding(identity, "note", message, fix, place.line, place.column)
