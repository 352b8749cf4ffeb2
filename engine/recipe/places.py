"""Where each part of a recipe stands in its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.findings import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.recipe.values import Path

TOP = Place(1, 1)


class Places:
    """Positions by path, in one document of a recipe. A path that it does not have is where its nearest ancestor is.

    ``top`` is where the document is. In the result's places, a path that starts with a number leads into the places
    of another document: ``stages`` has those by that number.
    """

    def __init__(
        self,
        keys: Mapping[Path, Place],
        values: Mapping[Path, Place],
        top: Place = TOP,
        stages: Mapping[int, Places] | None = None,
    ) -> None:
        self._keys, self._values, self.top, self._stages = keys, values, top, stages or {}

    def key(self, at: Path) -> Place:
        """Return where the key stands; for a list's item, where the item starts."""
        own = self.within(at)
        return _nearest(self._keys, at, self.top) if own is self else own.key(at[1:])

    def value(self, at: Path) -> Place:
        """Return where the value starts; for a list's item, where the item starts."""
        own = self.within(at)
        return _nearest(self._values, at, self.top) if own is self else own.value(at[1:])

    def at(self, place: Place) -> Path:
        """Return the longest path whose key or value stands at ``place``; () where nothing does."""
        found = (path for paths in (self._keys, self._values) for path, where in paths.items() if where == place)
        return max(found, key=len, default=())

    def within(self, at: Path) -> Places:
        """Return the places of the document that a path leads into; these, for a path in the result's."""
        return self._stages[at[0]] if at and isinstance(at[0], int) and at[0] in self._stages else self

    def joined(self, stages: Mapping[int, Places]) -> Places:
        """Make these the places of a result, beside those of its stages."""
        return Places(self._keys, self._values, self.top, stages)


def _nearest(places: Mapping[Path, Place], at: Path, top: Place) -> Place:
    for length in range(len(at), 0, -1):
        if at[:length] in places:
            return places[at[:length]]
    return top
