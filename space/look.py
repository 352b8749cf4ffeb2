"""What the page shows beside the form: the plan of a text, or why there is none yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import HubError, RecipeError
from engine.findings import Place, error
from engine.plan.build import build
from engine.recipe import parse
from space.sheet import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.findings import Finding
    from engine.hub_client import Hub
    from engine.plan.plan import Options, Plan
    from engine.recipe import Path
    from engine.recipe.parsing import Parsed
    from space.sheet import Sheet

FILE = "recipe.yaml"
"""How a plan calls the text: people name the file when they take it along."""
MOST_MODELS = 32
TOP = Place(1, 1)


@dataclass(frozen=True)
class Mark:
    """A finding, and the path of what caused it: () where that has no place in the form."""

    path: Path
    finding: Finding


@dataclass(frozen=True)
class Look:
    """A plan, or what stands in its way: findings, or ``trouble``, which is the Hub's.

    ``missing`` counts the models that nobody has chosen yet: until then nothing is looked up. ``layers`` are those of
    each model that could be opened.
    """

    plan: Plan | None = None
    marks: tuple[Mark, ...] = ()
    trouble: str = ""
    missing: int = 0

    @property
    def errors(self) -> tuple[Mark, ...]:
        """What stops the merge."""
        return tuple(mark for mark in self.marks if mark.finding.level == "error")

    @property
    def hints(self) -> tuple[Mark, ...]:
        """What is good to know."""
        return tuple(mark for mark in self.marks if mark.finding.level != "error")


def look_at(text: str, sheet: Sheet, open_hub: Callable[[], Hub], options: Options) -> Look:
    """Plan a text; never raises for what is wrong with it, with a model or with the Hub."""
    if len(text.encode(errors="surrogatepass")) > MOST_BYTES:
        message = f"the recipe is larger than {MOST_BYTES // 1024} KiB, more than this page takes"
        return _refused(error("too-large", message, "shorten it, or use the command line", TOP))
    parsed = parse(text)
    named = len(parsed.recipe.references()) if parsed.recipe else 0
    if named > MOST_MODELS:
        message = f"the recipe names {named} models; this page looks up at most {MOST_MODELS}"
        return _refused(error("too-many", message, "leave some out, or use the command line", TOP))
    missing = sum(not row.model for block in sheet.blocks for row in block.rows)
    if sheet.readable and sheet.method and missing:
        return Look(missing=missing)
    if parsed.sound is None:
        return Look(marks=_marks(parsed, parsed.findings))
    return _planned(text, parsed, open_hub, options)


def _planned(text: str, parsed: Parsed, open_hub: Callable[[], Hub], options: Options) -> Look:
    try:
        plan, _ = build(FILE, text, open_hub, options)
    except RecipeError as refusal:
        return Look(marks=_marks(parsed, refusal.findings))
    except HubError as failure:
        return Look(marks=_marks(parsed, parsed.findings), trouble=str(failure))
    return Look(plan=plan, marks=_marks(parsed, plan.findings))


def _refused(finding: Finding) -> Look:
    """Tell of a text that would keep this machine, or the Hub, busy for its own sake."""
    return Look(marks=(Mark((), finding),))


def _marks(parsed: Parsed, findings: tuple[Finding, ...]) -> tuple[Mark, ...]:
    return tuple(Mark(parsed.places.at(Place(finding.line, finding.column)), finding) for finding in findings)


def layers_of(plan: Plan | None) -> dict[str, int]:
    """How many layers each model of a plan is used up to: what a new slice starts with."""
    if plan is None:
        return {}
    recipe = plan.recipe
    ranged = [source for part in recipe.slices or () for source in part.sources if source.layer_range]
    found = {source.model.text: source.layer_range[1] for source in ranged if source.layer_range}
    whole = plan.layers if recipe.models is not None else None
    return found | ({source.model.text: whole for source in recipe.models or ()} if whole else {})
