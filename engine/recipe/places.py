"""Where each part of a recipe stands in its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.findings import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.recipe.values import Path

TOP = Place(1, 1)


class Places:
    """Positions by path. A path that the text does not have is where its nearest ancestor is."""

    def __init__(self, keys: Mapping[Path, Place], values: Mapping[Path, Place]) -> None:
        self._keys, self._values = keys, values

    def key(self, at: Path) -> Place:
        """Return where the key stands; for a list's item, where the item starts."""
        return _nearest(self._keys, at)

    def value(self, at: Path) -> Place:
        """Return where the value starts; for a list's item, where the item starts."""
        return _nearest(self._values, at)


def _nearest(places: Mapping[Path, Place], at: Path) -> Place:
    for length in range(len(at), 0, -1):
        if at[:length] in places:
            return places[at[:length]]
    return TOP
