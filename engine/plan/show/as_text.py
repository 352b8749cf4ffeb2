"""A plan in a terminal: will it work, what comes out, from what, how it is mixed, what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from engine.methods import METHODS
from engine.plan.show.mixture import largest_of, rows_of, sparkline, stages_of
from engine.plan.show.settings import settings_of
from engine.plan.show.words import count, plain, plural, short, size

if TYPE_CHECKING:
    from rich.console import RenderableType

    from engine.findings import Finding
    from engine.plan.plan import Plan
    from engine.plan.show.mixture import Row

LABEL = 24
"""Most characters of a row's label: with 32 layers beside it, it fits into 80 columns."""
STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def plan_as_text(plan: Plan) -> RenderableType:
    """Render one plan."""
    parts = (_title, _output, _parents, _stages, _mixture, _cost, _findings, _digest)
    return Group(*(part(plan) for part in parts))


def _title(plan: Plan) -> RenderableType:
    method = METHODS[plan.recipe.merge_method or ""]
    title = Text.assemble((plain(plan.title), "bold"), ("  ", ""), (f"{method.name}: {method.purpose}", "dim"))
    return Padding(title, (1, 0, 0, 0))


def _section(name: str, body: RenderableType) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=9, style="bold")
    grid.add_column()
    grid.add_row(name, body)
    return Padding(grid, (1, 0, 0, 0))


def _output(plan: Plan) -> RenderableType:
    layers = f", {plan.layers} layers" if plan.layers else ""
    files = ", ".join(file.name for file in plan.side_files) or "none"
    lines = [
        Text(f"{count(plan.parameters)} parameters{layers}, {plan.dtype}, licence {plain(plan.licence.license)}"),
        Text(f"{size(plan.bytes)} in {plural(len(plan.shards), 'shard')}"),
        Text(plain(f"with {files}"), style="dim"),
    ]
    if plan.repo:
        lines.append(Text(plain(f"to {plan.endpoint}/{plan.repo}{' (private)' if plan.private else ''}")))
    return _section("makes", Group(*lines))


def _parents(plan: Plan) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    for name, justify in (("model", "left"), ("commit", "left"), ("licence", "left"), ("parameters", "right")):
        table.add_column(name, justify="right" if justify == "right" else "left", overflow="fold")
    for number, pin in enumerate(plan.models):
        role = " (base)" if number == plan.base else ""
        licence = plain(pin.license or "not stated")
        table.add_row(Text(plain(pin.ref) + role), Text(short(pin.commit)), Text(licence), count(pin.parameters))
    return _section("from", table)


def _stages(plan: Plan) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for stage in stages_of(plan):
        grid.add_row(Text(plain(stage.name)), Text(plain(f"{stage.method} of {', '.join(stage.models)}")))
    return _section("stages", grid) if grid.row_count else Group()


def _mixture(plan: Plan) -> RenderableType:
    if not rows_of(plan):
        return Text("")
    grid = Table.grid(padding=(0, 2))
    _picture(grid, rows_of(plan), settings_of(plan))
    for stage in stages_of(plan):
        rows = rows_of(plan, stage.name)
        if rows:
            grid.add_row(Text(f"in {_label(stage.name)}", style="dim"), "", "")
            _picture(grid, rows, settings_of(plan, stage.name))
    grid.add_row("", Text(f"layer 0 to {(plan.layers or 1) - 1}", style="dim"), "")
    return _section("mixes", grid)


def _picture(grid: Table, rows: tuple[Row, ...], settings: str) -> None:
    largest = largest_of(rows)
    for row in rows:
        known = [value for value in row.values if value is not None]
        span = f"{known[0]:.3g}" if len(set(known)) == 1 else f"{min(known):.3g} to {max(known):.3g}"
        grid.add_row(Text(_label(row.label)), Text(sparkline(row, largest), style="green"), Text(span, style="dim"))
    if settings:
        grid.add_row("", Text(plain(settings), style="dim"), "")


def _label(label: str) -> str:
    """Shorten a model's name to what tells it apart, so that the layers beside it have room."""
    short = plain(label).rsplit("/", 1)[-1]
    return short if len(short) <= LABEL else f"{short[: LABEL - 1]}…"


def _cost(plan: Plan) -> RenderableType:
    cost = plan.cost
    body = Table.grid()
    body.add_row(f"reads {size(cost.bytes_read)}, writes {size(cost.bytes_written)}")
    body.add_row(f"needs {size(cost.peak_memory_bytes)} of memory and {size(cost.peak_disk_bytes)} of disk at a time")
    return _section("costs", body)


def _findings(plan: Plan) -> RenderableType:
    if not plan.findings:
        return _section("findings", Text("none: ready to merge", style="green"))
    return _section("findings", Group(*(finding_as_text(plan.path, finding) for finding in plan.findings)))


def finding_as_text(path: str, finding: Finding) -> Text:
    """One finding on one line, its level in colour."""
    level = (f"{finding.level} ", STYLES[finding.level])
    return Text.assemble(level, plain(finding.line_for(path)))


def _digest(plan: Plan) -> RenderableType:
    body = Text.assemble(("plan ", "dim"), plan.digest[:16], ("  weights ", "dim"), plan.weights_digest[:16])
    return _section("digest", body)
