"""Which files of a repo are recipes, and which of them a change touches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine.plan.lock import lock_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Kind = Literal["added", "changed", "renamed", "lock changed", "removed"]


@dataclass(frozen=True)
class Change:
    """What happened to a recipe; ``was`` is its old path where it was renamed."""

    path: str
    kind: Kind
    was: str | None = None


def lock_of(recipe: str) -> str:
    """Path of a recipe's lock."""
    return str(lock_path(Path(recipe)))


def matcher(patterns: Iterable[str], folder: str) -> re.Pattern[str]:
    """Make one expression of patterns that are relative to ``folder``.

    ``**`` stands for any folders, ``*`` and ``?`` for what is within a name; everything else for itself.
    """
    prefix = re.escape(folder + "/") if folder else ""
    return re.compile("|".join(f"(?:{prefix}{_translate(pattern)})" for pattern in patterns) or r"(?!)", re.DOTALL)


def _translate(pattern: str) -> str:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.removeprefix("./"))
    wild = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(wild.get(part) or re.escape(part) for part in parts)


def recipes_among(paths: Iterable[str], pattern: re.Pattern[str]) -> tuple[str, ...]:
    """Choose the recipes, sorted by path."""
    return tuple(sorted(path for path in paths if pattern.fullmatch(path)))


def changes(
    before: Mapping[str, str], after: Mapping[str, str], pattern: re.Pattern[str], renames: Mapping[str, str]
) -> tuple[Change, ...]:
    """Compare two listings (git's hash by path); ``renames`` has old paths by new ones, as GitHub recognised them.

    A file that moved unchanged is renamed, whatever ``renames`` says. Sorted by path.
    """
    gone = [path for path in before if path not in after]
    moved = {before[path]: path for path in gone}
    found, sources = [], set()
    for path in recipes_among(after, pattern):
        if path in before:
            if kind := _kind(path, before, after):
                found.append(Change(path, kind))
            continue
        was = moved.get(after[path]) or renames.get(path)
        if was in gone and was not in sources:
            sources.add(was)
            found.append(Change(path, "renamed", was))
        else:
            found.append(Change(path, "added"))
    left = [path for path in recipes_among(gone, pattern) if path not in sources]
    return _sorted([*found, *(Change(path, "removed") for path in left)])


def _kind(path: str, before: Mapping[str, str], after: Mapping[str, str]) -> Kind | None:
    if before[path] != after[path]:
        return "changed"
    lock = lock_of(path)
    return "lock changed" if before.get(lock) != after.get(lock) else None


def _sorted(found: Sequence[Change]) -> tuple[Change, ...]:
    return tuple(sorted(found, key=lambda change: change.path))
