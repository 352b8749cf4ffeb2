"""The page's parts as HTML: the form, the plan beside it, and the merges below. Nothing typed becomes markup."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from engine.methods import METHODS
from engine.plan.show.words import count, size
from engine.resources import TEMPLATES
from space.picture import picture_of
from space.sheet import FIELDS
from space.words import sayer, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.findings import Finding
    from engine.jobs.values import Job, Queue
    from engine.methods.contract import Method
    from space.controls import Knob
    from space.look import Look
    from space.sheet import Sheet

COMMON = ("slerp", "linear", "ties", "dare_ties", "task_arithmetic", "passthrough")
"""Methods that are seen at once; the others are a click away."""
_TICKS = re.compile(r"`([^`]+)`")
_TOKEN = re.compile(r"set HF_TOKEN(?: to a(?: [a-z]+)+)?")
_AT_A_PAGE = {
    "this token may not read it": "you may not read it",
    "use a token that may do this": "publish it under your own name, or an organisation's that lets you",
}
"""What the engine says to who has tokens, and what that is to who signs in."""
FINDINGS = 24
"""Findings of a kind that are listed."""
SHOWN = 2
"""Settings of the whole merge that are seen at once."""


def head(language: str) -> str:
    """Render the page's title."""
    return _render("head.html.j2", language)


def form(sheet: Sheet, language: str, known: Sequence[str]) -> str:
    """Render the form; ``known`` are models that its search boxes offer before anything is typed."""
    method = METHODS.get(sheet.method)
    common = tuple(METHODS[name] for name in COMMON)
    return _render(
        "form.html.j2",
        language,
        sheet=sheet,
        method=method,
        common=common,
        rare=tuple(one for one in METHODS.values() if one not in common),
        fields=FIELDS,
        known=known,
        may_add=_may_add(sheet, method),
        total=_total(sheet),
        shown=SHOWN,
        help=lambda knob: _help(knob, language),
    )


def plan(look: Look, language: str, fit: str) -> str:
    """Render the plan, or what is in its way; ``fit`` says whether this machine can make it."""
    state = "blank" if look.missing else "fine" if look.plan else "wrong"

    def short(finding: Finding) -> str:
        return short_of(finding, language)

    drawn = picture_of(look.plan) if look.plan else None
    shown = {"look": look, "plan": look.plan, "picture": drawn, "state": state, "fit": fit}
    return _render("plan.html.j2", language, **shown, most=FINDINGS, short_of=short)


def jobs(entries: Sequence[Job], queue: Queue, language: str, *, signed_in: bool) -> str:
    """Render the merges of whoever is signed in."""
    return _render("jobs.html.j2", language, jobs=entries, queue=queue, signed_in=signed_in)


def short_of(finding: Finding, language: str) -> str:
    """Sum a finding up in the page's language; "" where that is the engine's own, which says it better."""
    return words(language).get(f"finding.{finding.id}", "")


def told(text: str) -> str:
    """Say what the engine says at a terminal to somebody who is at a page: there one signs in."""
    text = _TOKEN.sub("sign in", text.removeprefix("mergesmith: "))
    for ours, theirs in _AT_A_PAGE.items():
        text = text.replace(ours, theirs)
    return text


def duration(seconds: float, language: str) -> str:
    """Write a time as people say it: seconds below a minute and a half, then minutes."""
    say = sayer(language)
    return say("seconds", count=round(seconds)) if seconds < 90 else say("minutes", count=round(seconds / 60))


def _may_add(sheet: Sheet, method: Method | None) -> bool:
    """Whether the method takes one more model."""
    if method is None or method.inputs.most is None:
        return True
    if method.name == "passthrough":
        return False
    most = method.inputs.most + (method.inputs.base == "required")
    return any(len(block.rows) < most for block in sheet.blocks)


def _total(sheet: Sheet) -> int | None:
    """Layers of all slices together, where all are told."""
    ends = [block.rows[0] for block in sheet.blocks if block.rows]
    if not ends or not all(row.first.isdecimal() and row.last.isdecimal() for row in ends):
        return None
    return sum(int(row.last) - int(row.first) for row in ends)


def _help(knob: Knob, language: str) -> str:
    return words(language).get(f"help.{knob.name}", knob.help)


def _render(template: str, language: str, **values: object) -> str:
    environment = _environment(language)
    return environment.get_template(f"space/{template}").render(say=sayer(language), language=language, **values)


def _ticks(text: str) -> Markup:
    """Write a sentence of the engine's for a page, with what stands between backticks as code."""
    return Markup(_TICKS.sub(r"<code>\1</code>", str(escape(told(text)))))  # noqa: S704 - escaped before


@cache
def _environment(language: str) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "ticks": _ticks,
        "at": lambda path: json.dumps(list(path)),
        "count": count,
        "size": size,
        "path": lambda repo: quote(repo or ""),
        "time": lambda seconds: duration(seconds, language),
    }
    return environment
