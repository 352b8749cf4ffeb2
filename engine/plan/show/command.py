"""``mergesmith plan``: plan each recipe, print all of them, and say whether they can be merged."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console

from engine.commands import plan_for_review
from engine.errors import MergesmithError, RecipeError
from engine.findings import Place, error
from engine.plan.show.as_json import plan_as_json, plans_as_json, refused_as_json
from engine.plan.show.as_markdown import planned_entry, plans_as_markdown, refused_entry
from engine.plan.show.as_text import plan_as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from engine.findings import Finding
    from engine.hub_client import Hub
    from engine.plan.plan import Options, Plan

FORMATS = ("text", "markdown", "json")


def show_plans(
    recipes: Sequence[Path], form: str, open_hub: Callable[[], Hub], options: Options
) -> list[MergesmithError]:
    """Print the plans of ``recipes`` as ``form``. Returns what kept any of them from being planned."""
    if form not in FORMATS:
        raise MergesmithError(f"--format {form}: expected one of {', '.join(FORMATS)}")
    results = [(str(recipe), _planned(recipe, open_hub, options)) for recipe in recipes]
    if form == "text":
        console = Console(highlight=False, soft_wrap=False)
        for _, result in results:
            if not isinstance(result, MergesmithError):
                console.print(plan_as_text(result))
    elif form == "json":
        entries = plans_as_json([_json_entry(path, result) for path, result in results])
        sys.stdout.write(json.dumps(entries, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(plans_as_markdown([_markdown_entry(path, result) for path, result in results]))
    return [result for _, result in results if isinstance(result, MergesmithError)]


def _planned(recipe: Path, open_hub: Callable[[], Hub], options: Options) -> Plan | MergesmithError:
    """Plan one recipe; what is wrong with it does not keep the others from being planned."""
    try:
        return plan_for_review(recipe, open_hub, options).plan
    except MergesmithError as refusal:
        return refusal


def _json_entry(path: str, result: Plan | MergesmithError) -> dict[str, Any]:
    return refused_as_json(path, _findings(result)) if isinstance(result, MergesmithError) else plan_as_json(result)


def _markdown_entry(path: str, result: Plan | MergesmithError) -> dict[str, Any]:
    return refused_entry(path, _findings(result)) if isinstance(result, MergesmithError) else planned_entry(result)


def _findings(refusal: MergesmithError) -> Sequence[Finding]:
    if isinstance(refusal, RecipeError):
        return refusal.findings
    return (error("not-planned", str(refusal), "", Place(1, 1)),)
