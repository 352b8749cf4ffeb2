"""``mergesmith plan``: plan each recipe, print all of them, and say whether they can be merged."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console

from engine.commands import plan_for_review
from engine.errors import MergesmithError, RecipeError
from engine.plan.show.as_json import plan_as_json, plans_as_json, refused_as_json
from engine.plan.show.as_markdown import planned_entry, plans_as_markdown, refused_entry
from engine.plan.show.as_text import plan_as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from engine.hub_client import Hub
    from engine.plan.plan import Options, Plan

FORMATS = ("text", "markdown", "json")


def show_plans(recipes: Sequence[Path], form: str, open_hub: Callable[[], Hub], options: Options) -> int:
    """Print the plans of ``recipes`` as ``form``; errors go to standard error. Returns the exit status."""
    if form not in FORMATS:
        raise MergesmithError(f"--format {form}: expected one of {', '.join(FORMATS)}")
    results: list[Plan | RecipeError] = []
    for recipe in recipes:
        try:
            results.append(plan_for_review(recipe, open_hub, options).plan)
        except RecipeError as refusal:
            results.append(refusal)
    _print(results, form)
    refused = [result for result in results if isinstance(result, RecipeError)]
    for refusal in refused:
        sys.stderr.write(f"{refusal}\n")
    return refused[0].exit_status if refused else 0


def _print(results: Sequence[Plan | RecipeError], form: str) -> None:
    if form == "text":
        console = Console(highlight=False, soft_wrap=False)
        for result in results:
            if not isinstance(result, RecipeError):
                console.print(plan_as_text(result))
        return
    entries: list[dict[str, Any]] = []
    for result in results:
        if isinstance(result, RecipeError):
            make_refused = refused_as_json if form == "json" else refused_entry
            entries.append(make_refused(result.path, result.findings))
        else:
            entries.append(plan_as_json(result) if form == "json" else planned_entry(result))
    if form == "json":
        sys.stdout.write(json.dumps(plans_as_json(entries), indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(plans_as_markdown(entries))
