"""Values as YAML that the engine reads back as they are: YAML 1.1, where ``yes`` is no text and ``1e-5`` no number."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import yaml

from space.tree import is_flat


@dataclass(frozen=True)
class Style:
    """How a text is laid out: columns that a mapping's content, and a list's dashes, are further in than their key."""

    step: int = 2
    dash: int = 2


def in_line(value: Any, *, flow: bool = False) -> str:  # noqa: ANN401 - any part of a recipe
    """Write a value on one line; ``flow``: as it may stand between brackets. Nothing is an empty text elsewhere."""
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{in_line(key, flow=True)}: {in_line(one, flow=True)}" for key, one in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(in_line(one, flow=True) for one in value) + "]"
    if value is None:
        return "null" if flow else ""
    if not isinstance(value, str | int | float):
        raise TypeError(f"{type(value).__name__} is no value of a recipe")
    return _scalar(value, flow=flow)


def _scalar(value: str | float, *, flow: bool) -> str:
    style = '"' if isinstance(value, str) and any(end in value for end in "\n\r\u0085\u2028\u2029") else None
    options: dict[str, Any] = {"width": inf, "allow_unicode": True, "default_style": style}
    if flow:
        return str(yaml.safe_dump([value], default_flow_style=True, **options)).strip()[1:-1]
    return str(yaml.safe_dump(value, **options)).rstrip("\n").removesuffix("\n...")


def in_lines(value: Any, column: int, style: Style) -> list[str]:  # noqa: ANN401 - as above
    """Write a mapping's or a list's entries from this column on, each on lines of its own."""
    lines: list[str] = []
    if isinstance(value, dict):
        for key, one in value.items():
            lines += entry(str(key), one, column, style)
    else:
        for one in value:
            lines += item(one, column, style)
    return lines


def entry(key: str, value: Any, column: int, style: Style) -> list[str]:  # noqa: ANN401 - as above
    """Write a key and its value."""
    head = " " * column + in_line(key) + ":"
    if is_flat(value):
        return [f"{head} {in_line(value)}".rstrip(" ")]
    return [head, *in_lines(value, column + (style.step if isinstance(value, dict) else style.dash), style)]


def item(value: Any, column: int, style: Style) -> list[str]:  # noqa: ANN401 - as above
    """Write a list's item behind its dash."""
    if is_flat(value):
        return [f"{' ' * column}- {in_line(value)}".rstrip(" ")]
    first, *more = in_lines(value, column + 2, style)
    return [f"{' ' * column}- {first.lstrip(' ')}", *more]
