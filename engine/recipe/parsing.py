"""Text → Recipe, with everything that there is to say about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.recipe.checks import check
from engine.recipe.decode import read_recipe
from engine.recipe.reading import Reading
from engine.recipe.text import BROKEN, read_text

if TYPE_CHECKING:
    from engine.findings import Finding
    from engine.recipe.places import Places
    from engine.recipe.values import Recipe


@dataclass(frozen=True)
class Parsed:
    """What a text says: ``recipe`` as far as it was understood, and the findings in the order of their places.

    ``recipe`` is None only where the text is no mapping at all. It makes a merge only if no finding is an error.
    """

    recipe: Recipe | None
    findings: tuple[Finding, ...]
    places: Places


def parse(text: str) -> Parsed:
    """Read a recipe. Never raises: every mistake is a finding, all at once, each with its place."""
    tree, places, findings = read_text(text)
    reading = Reading(places, findings)
    recipe = None if tree is BROKEN else read_recipe(reading, tree)
    if recipe is not None:
        check(recipe, reading)
    return Parsed(recipe, tuple(sorted(set(reading.findings), key=_position)), places)


def _position(finding: Finding) -> tuple[int, int, str, str]:
    return finding.line, finding.column, finding.id, finding.message
