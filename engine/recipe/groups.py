"""The models that are merged with each other: those of one slice, or all under `models:`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.methods.contract import Method
    from engine.recipe.values import ModelRef, Parameters, Path, Recipe, Slice, Source

BASE_AT: Path = ("base_model",)


@dataclass(frozen=True)
class Group:
    """Sources that are merged with each other; ``at`` is their list.

    ``base`` is the slice's, else the recipe's; ``base_places`` are where it may be named, the one that counts first.
    ``added`` says that it takes part without being listed. ``levels`` are the blocks that a parameter is looked up
    in after the model's own, each with its place.
    """

    sources: tuple[Source, ...]
    at: Path
    base: ModelRef | None
    base_places: tuple[Path, ...]
    added: bool
    levels: tuple[tuple[Path, Parameters], ...]

    @property
    def listed(self) -> bool:
        """Whether the base is among the sources."""
        return any(source.model == self.base for source in self.sources)

    @property
    def base_is_known(self) -> bool:
        """Whether there is a base, and it takes part."""
        return self.listed or self.added

    def is_base(self, source: Source, method: Method) -> bool:
        """Whether a source is the base, and has that role of its own in the method."""
        return method.inputs.base != "participant" and source.model == self.base

    def mixed(self, method: Method) -> tuple[Source, ...]:
        """Return the sources that a method mixes: all but the base."""
        return tuple(source for source in self.sources if not self.is_base(source, method))


def groups_of(recipe: Recipe) -> tuple[Group, ...]:
    """List the groups in the recipe's order."""
    models = () if recipe.models is None else (_all_models(recipe, recipe.models),)
    return (*models, *(_slice(recipe, part) for part in recipe.slices or ()))


def _all_models(recipe: Recipe, models: tuple[Source, ...]) -> Group:
    base = recipe.base_model
    added = base is not None and all(source.model != base for source in models)
    return Group(models, ("models",), base, (BASE_AT,), added, ((("parameters",), recipe.parameters),))


def _slice(recipe: Recipe, part: Slice) -> Group:
    own = (*part.at, "base_model")
    places = (own,) if part.base_model is not None else (BASE_AT, own)
    levels = (((*part.at, "parameters"), part.parameters), (("parameters",), recipe.parameters))
    return Group(
        part.sources, (*part.at, "sources"), part.base_model or recipe.base_model, places, added=False, levels=levels
    )
