"""Recipes to start from: the article's, the tiny models', and what somebody brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.resources import EXAMPLES
from space.bench import START
from space.sheet import MOST_BYTES
from space.words import sayer

if TYPE_CHECKING:
    from pathlib import Path

_FOLDERS = (("recipes", "start_tiny"), ("article", "start_article"))


def choices(language: str) -> list[tuple[str, str]]:
    """List the examples as a form offers them: what it says, and the name to ask for."""
    say = sayer(language)
    return [
        (f"{path.stem} · {say(word)}", f"{folder}/{path.stem}") for folder, word in _FOLDERS for path in _files(folder)
    ]


def example(name: str | None) -> str:
    """Return an example's text; a new recipe for a name that none has."""
    known = {f"{folder}/{path.stem}": path for folder, _ in _FOLDERS for path in _files(folder)}
    path = known.get(name or "")
    return path.read_text(encoding="utf-8") if path else START


def uploaded(data: bytes) -> str:
    """Read a file that somebody brought: what is not text comes as text that says so where it stands."""
    return data[: MOST_BYTES + 1].decode("utf-8", errors="replace")


def _files(folder: str) -> list[Path]:
    return sorted((EXAMPLES / folder).glob("*.yaml"))
