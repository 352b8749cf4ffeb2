"""Text → Recipe, with everything that there is to say about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.recipe.checks import check
from engine.recipe.decode import read_recipe
from engine.recipe.places import Places
from engine.recipe.reading import Reading
from engine.recipe.stages import Part, joined
from engine.recipe.text import BROKEN, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.findings import Finding
    from engine.recipe.text import Document
    from engine.recipe.values import Recipe


@dataclass(frozen=True)
class Parsed:
    """What a text says: ``recipe`` as far as it was understood, and the findings in the order of their places.

    ``recipe`` is None only where no document is a mapping. It makes a merge only if no finding is an error. Where
    there are several documents it is the result, with the others as its stages.
    """

    recipe: Recipe | None
    findings: tuple[Finding, ...]
    places: Places

    @property
    def sound(self) -> Recipe | None:
        """The recipe, if it makes a merge."""
        return None if any(finding.level == "error" for finding in self.findings) else self.recipe


def parse(text: str) -> Parsed:
    """Read a recipe. Never raises: every mistake is a finding, all at once, each with its place."""
    documents, findings = read_text(text)
    parts = _parts(documents, findings)
    recipe, number = joined(parts, whole=len(parts) == len(documents)) if parts else (None, 0)
    places = [document.places for document in documents] or [Places({}, {})]
    if len(places) > 1:
        places[number] = places[number].joined(dict(enumerate(places)))
    return Parsed(recipe, tuple(sorted(set(findings), key=_position)), places[number])


def _parts(documents: Sequence[Document], findings: list[Finding]) -> list[Part]:
    """Read and check every document on its own."""
    parts = []
    for number, document in enumerate(documents):
        reading = Reading(document.places, findings)
        tree = document.tree
        recipe = None if tree is BROKEN else read_recipe(reading, tree, alone=len(documents) == 1)
        if recipe is not None:
            check(recipe, reading)
            parts.append(Part.of(number, recipe, reading, tree))
    return parts


def _position(finding: Finding) -> tuple[int, int, str, str]:
    return finding.line, finding.column, finding.id, finding.message
