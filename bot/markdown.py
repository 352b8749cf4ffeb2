"""Strangers' text → Markdown that says that text and does nothing: no markup, no mention, no link, no cross-reference.

GitHub looks for mentions, issue numbers and addresses in the rendered text too, so escaping alone does not stop them;
inside a code span it does not look.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.plan.show.words import count, plural, short, size
from engine.resources import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 2000
"""Characters of one text that are shown."""
_GAP = "\u200b"
_SPAN = re.compile(r"`([^`]+)`|(https?://[^\s`|<>\"']*[^\s`|<>\"'.,;:!?)\]])")
_MARKUP = re.compile(r"[\\`*_{}\[\]|~^$!]|^[-+]|(?<=^\d)[.)]")
_REFERENCE = re.compile(r"[@#]|://|\bGH-|\bwww\.", re.IGNORECASE)
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def flat(text: str) -> str:
    """Make one line, with every character visible: what hides or reorders others is written out."""
    line = " ".join(str(text).split())
    line = line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
    return "".join(f"\\u{ord(c):04x}" if unicodedata.category(c) in _HIDDEN else c for c in line)


def _plain(text: str) -> str:
    """Escape a piece of a line that is no code."""
    piece = _MARKUP.sub(lambda found: f"\\{found[0]}", html.escape(text, quote=False))
    return _REFERENCE.sub(lambda found: f"{found[0]}{_GAP}", piece)


def code(text: str) -> str:
    """Make a code span; in a table too, where a bar would end the cell."""
    line = flat(text).replace("|", "¦") or " "
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence, pad = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def prose(text: str) -> str:
    """Make a sentence: what stands in backticks, and addresses, are code spans; all else is as written."""
    line, pieces, end = flat(text), [], 0
    for found in _SPAN.finditer(line):
        pieces += [_plain(line[end : found.start()]), code(found[1] or found[2])]
        end = found.end()
    return "".join([*pieces, _plain(line[end:])])


def address(url: str) -> str:
    """Make an address safe within ``(…)`` of a link."""
    return quote(url, safe="/:@?=&%.-_~+,#")


def part(text: str) -> str:
    """Quote one text as a part of an address: a name, a branch, a path."""
    return quote(text, safe="/-._~")


def fenced(lines: Iterable[str], language: str) -> str:
    """Make a fenced block that its lines cannot end."""
    shown = "\n".join("".join(_visible(c) for c in line) for line in lines)
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def _visible(char: str) -> str:
    hidden = char != "\t" and unicodedata.category(char) in _HIDDEN
    return f"\\u{ord(char):04x}" if hidden else char


def macros(template: str) -> Any:  # noqa: ANN401 - jinja's module: one function for each macro
    """Load a template's macros. A name that is missing is an error, not an empty text."""
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "address": address,
        "code": code,
        "count": count,
        "fenced": fenced,
        "part": part,
        "plural": plural,
        "prose": prose,
        "short": short,
        "size": size,
    }
    return environment.get_template(template).module
