"""Recipe → sections: the output's slices, each with its models and the layers that they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.findings import error

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from engine.findings import Finding
    from engine.methods.contract import Method
    from engine.plan.models import Named
    from engine.recipe import Parameters, Places, Recipe, Slice, Source


@dataclass(frozen=True)
class Member:
    """A model within a section: ``start`` is the first of the layers that it gives."""

    model: int
    start: int
    parameters: Parameters
    at: tuple[str | int, ...]


@dataclass(frozen=True)
class Section:
    """One output slice: ``length`` layers mixed from ``members`` and, where the method has that role, ``base``.

    ``at`` is the slice's place in the recipe.
    """

    members: tuple[Member, ...]
    base: Member | None
    parameters: Parameters
    length: int
    at: tuple[str | int, ...] = ()

    @property
    def everyone(self) -> tuple[Member, ...]:
        """Base first, then the members."""
        return self.members if self.base is None else (self.base, *self.members)


def sections_of(
    recipe: Recipe, method: Method, models: Named, places: Places, foreign: Collection[int] = ()
) -> tuple[tuple[Section, ...], list[Finding]]:
    """Cut the recipe into sections; findings for layers that a model does not have.

    ``foreign`` are models that another finding refuses as a whole.
    """
    if recipe.slices is not None:
        return _from_slices(recipe, method, models, places)
    return _from_models(recipe, method, models, places, foreign)


def _split(members: Sequence[Member], base: int | None, method: Method) -> tuple[tuple[Member, ...], Member | None]:
    """Take the base out of the members where the method gives it a role of its own."""
    if method.inputs.base == "participant" or base is None:
        return tuple(members), None
    own = next((member for member in members if member.model == base), None)
    return tuple(member for member in members if member.model != base), own


def _from_models(
    recipe: Recipe, method: Method, models: Named, places: Places, foreign: Collection[int]
) -> tuple[tuple[Section, ...], list[Finding]]:
    listed = recipe.models or ()
    members = [Member(models.index(source.model), 0, source.parameters, source.at) for source in listed]
    base = None if recipe.base_model is None else models.index(recipe.base_model)
    if base is not None and all(member.model != base for member in members) and not method.inputs.lends_only:
        members.append(Member(base, 0, {}, ("base_model",)))
    findings = _layer_counts([member for member in members if member.model not in foreign], models, places)
    split, own = _split(members, base, method)
    return (Section(split, own, {}, models.layers(members[0].model)),), findings


def _layer_counts(members: Sequence[Member], models: Named, places: Places) -> list[Finding]:
    counts = [models.layers(member.model) for member in members]
    return [
        error(
            "layer-count",
            f"{models.ref(member.model)} has {count} layers and {models.ref(members[0].model)} has {counts[0]};"
            " under `models:` all must have the same number",
            "say which layers go together with `slices:`",
            places.value(member.at),
        )
        for member, count in zip(members[1:], counts[1:], strict=True)
        if count != counts[0]
    ]


def _from_slices(
    recipe: Recipe, method: Method, models: Named, places: Places
) -> tuple[tuple[Section, ...], list[Finding]]:
    sections, findings = [], []
    for part in recipe.slices or ():
        members = []
        for source in part.sources:
            findings += range_findings(source, models, places)
            start, _ = source.layer_range or (0, 0)
            members.append(Member(models.index(source.model), start, source.parameters, source.at))
        ref = part.base_model or recipe.base_model
        base = None if ref is None else models.index(ref)
        split, own = _split(members, base, method)
        sections.append(Section(split, own, part.parameters, _length(part), part.at))
    return tuple(sections), findings


def _length(part: Slice) -> int:
    start, stop = (part.sources[0].layer_range or (0, 0)) if part.sources else (0, 0)
    return stop - start


def range_findings(source: Source, models: Named, places: Places) -> list[Finding]:
    """A layer range that reaches outside its model."""
    count = models.layers(models.index(source.model))
    if source.layer_range is None or source.layer_range[1] <= count:
        return []
    start, stop = source.layer_range
    return [
        error(
            "layer-range",
            f"layer_range [{start}, {stop}] reaches outside {source.model.text}, which has {count} layers",
            f"end it at {count} or before",
            places.value((*source.at, "layer_range")),
        )
    ]
