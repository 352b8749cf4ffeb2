"""What the page says, in each of its languages."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

LANGUAGES = ("en", "ja")
_FOLDER = Path(__file__).parent


def words(language: str) -> dict[str, str]:
    """Return a language's texts by key; ``KeyError`` for a language that is none of ours."""
    if language not in LANGUAGES:
        raise KeyError(language)
    return _read(language)


@cache
def _read(language: str) -> dict[str, str]:
    read = yaml.safe_load((_FOLDER / f"{language}.yaml").read_text(encoding="utf-8"))
    return {str(key): str(text) for key, text in read.items()}


def sayer(language: str) -> Callable[..., str]:
    """Make the function that says a key's text, filled in; ``KeyError`` for a key that there is not."""
    texts = words(language)
    return lambda key, **values: texts[key].format(**values)


def preferred(accepted: str | None) -> str:
    """Choose a language by an ``Accept-Language`` header: of those that we have the one that is wanted most."""
    wanted = []
    for part in (accepted or "").split(","):
        name, _, quality = part.strip().partition(";q=")
        language = name.partition("-")[0].lower()
        if language in LANGUAGES:
            wanted.append((_quality(quality), language))
    return max(wanted, key=lambda one: one[0], default=(1.0, LANGUAGES[0]))[1]


def _quality(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0
