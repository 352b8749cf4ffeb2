"""Plans as Markdown, from ``templates/plan.md.j2``: for a pull request, a job's summary, or a file."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.methods import METHODS
from engine.plan.show.mixture import largest_of, rows_of, sparkline, stages_of
from engine.plan.show.settings import settings_of
from engine.plan.show.words import count, plain, plural, short, size
from engine.resources import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.findings import Finding
    from engine.plan.plan import Plan
    from engine.plan.show.mixture import Row


def cell(text: str) -> str:
    """Make untrusted text safe in a table's cell or a line: one line, no markup, no HTML, no mention of anybody.

    A zero-width space after ``@`` and ``#`` keeps GitHub from telling a person, or linking an issue.
    """
    flat = plain(" ".join(str(text).split()))
    escaped = "".join(f"\\{char}" if char in r"\`*_{}[]#|~" else char for char in html.escape(flat, quote=False))
    for mark in "@#":
        escaped = escaped.replace(mark, mark + "\u200b")
    return escaped


def plans_as_markdown(entries: Sequence[dict[str, Any]]) -> str:
    """Render entries made by ``planned_entry`` and ``refused_entry``."""
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = cell
    return environment.get_template("plan.md.j2").render(plans=list(entries)).strip() + "\n"


def refused_entry(path: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """Entry of a recipe that cannot be planned."""
    return {
        "title": path,
        "headline": "This recipe cannot be merged as it is.",
        "findings": [_finding(path, finding) for finding in findings],
        "models": [],
        "stages": [],
        "rows": [],
        "digest": None,
    }


def planned_entry(plan: Plan) -> dict[str, Any]:
    """Entry of a planned recipe."""
    method = METHODS[plan.recipe.merge_method or ""]
    layers = f"{plan.layers} layers, " if plan.layers else ""
    stages = stages_of(plan)
    target = f", to {plan.endpoint}/{plan.repo}" if plan.repo else ""
    return {
        "title": plan.title,
        "headline": f"{method.name} makes {count(plan.parameters)} parameters, {layers}{plan.dtype}, "
        f"{size(plan.bytes)} in {plural(len(plan.shards), 'shard')}, licence {plan.licence.license}{target}.",
        "findings": [_finding(plan.path, finding) for finding in plan.findings],
        "models": [
            {
                "ref": pin.ref,
                "is_base": number == plan.base,
                "commit": short(pin.commit),
                "licence": pin.license or "not stated",
                "parameters": count(pin.parameters),
            }
            for number, pin in enumerate(plan.models)
        ],
        "stages": [vars(stage) for stage in stages],
        "rows": [
            *_picture(rows_of(plan), settings_of(plan)),
            *(line for stage in stages for line in _stage_picture(plan, stage.name)),
        ],
        "cost": f"Reads {size(plan.cost.bytes_read)}, writes {size(plan.cost.bytes_written)}; needs "
        f"{size(plan.cost.peak_memory_bytes)} of memory and {size(plan.cost.peak_disk_bytes)} of disk at a time.",
        "digest": plan.digest,
        "weights_digest": plan.weights_digest,
    }


def _picture(rows: tuple[Row, ...], settings: str) -> list[str]:
    width = max((len(_label(row.label)) for row in rows), default=0)
    largest = largest_of(rows)
    lines = [f"{_label(row.label):<{width}}  {sparkline(row, largest)}" for row in rows]
    return [*lines, plain(settings).replace("`", "")] if settings else lines


def _stage_picture(plan: Plan, stage: str) -> list[str]:
    rows = rows_of(plan, stage)
    return ["", f"in {_label(stage)}:", *_picture(rows, settings_of(plan, stage))] if rows else []


def _label(label: str) -> str:
    """Make a label safe within a block of code, and short."""
    return plain(label).replace("`", "")[:60]


def _finding(path: str, finding: Finding) -> dict[str, str]:
    text = f"{finding.message}; {finding.fix}" if finding.fix else finding.message
    return {"level": finding.level, "where": f"{path}:{finding.line}:{finding.column}", "text": text}
