"""What a recipe says, as frozen values: what ``parse`` makes of a text and the planner works from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Scalar = float | bool | str
Path = tuple[str | int, ...]
"""Way to a part of the recipe: ``("models", 1, "parameters", "weight")``."""


@dataclass(frozen=True)
class Case:
    """A parameter's value for the tensors whose name contains ``filter``.

    ``""`` and ``"*"`` match everything. One point is a scalar, several are a gradient over the layers.
    """

    filter: str
    points: tuple[Scalar, ...]

    def matches(self, tensor: str) -> bool:
        """Whether the tensor of that name takes this value."""
        return self.for_all or self.filter in tensor

    @property
    def for_all(self) -> bool:
        """Whether every tensor takes this value."""
        return self.filter in ("", "*")


Setting = tuple[Case, ...]
"""What one parameter is set to: the first case that matches wins."""
Parameters = Mapping[str, Setting]


@dataclass(frozen=True)
class ModelRef:
    """A model as the recipe names it, in one line: ``org/name@revision+org/lora``, or a folder.

    Kept as written, for a folder's name may hold ``@`` and ``+``.
    """

    text: str


@dataclass(frozen=True)
class HubName:
    """A model on the Hub: repo, revision where one is named, and a LoRA adapter where one is added."""

    repo: str
    revision: str | None = None
    adapter: HubName | None = None


def hub_name(ref: ModelRef) -> HubName:
    """Split ``repo@revision+adapter@revision`` at the first ``+``, and each part at its first ``@``.

    Whether the parts are names that the Hub would take is left to whoever asks it.
    """
    model, plus, adapter = ref.text.partition("+")
    return _at_revision(model, _at_revision(adapter) if plus else None)


def _at_revision(text: str, adapter: HubName | None = None) -> HubName:
    repo, at, revision = text.partition("@")
    return HubName(repo, revision if at else None, adapter)


@dataclass(frozen=True)
class Source:
    """One model that goes into a slice; ``layer_range`` is half-open, None where all layers are meant."""

    model: ModelRef
    layer_range: tuple[int, int] | None
    parameters: Parameters
    at: Path


@dataclass(frozen=True)
class Slice:
    """A run of output layers: the sources that they are merged from."""

    sources: tuple[Source, ...]
    base_model: ModelRef | None
    parameters: Parameters
    at: Path


@dataclass(frozen=True)
class Publish:
    """Where the model goes on the Hub, and what its card says beyond what is computed."""

    repo: str | None = None
    private: bool | None = None
    license: str | None = None
    license_name: str | None = None
    tags: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    description: str | None = None


@dataclass(frozen=True)
class Recipe:
    """A recipe as far as it was understood: a sound one has a method, and either ``models`` or ``slices``.

    ``stages`` are the other documents of its text, by name, each after those that it names itself: models that are
    merged first. A reference that is a stage's name means that stage. ``at`` leads to a stage's document in the
    places of the whole text; all other paths in it are within that document.
    """

    merge_method: str | None = None
    models: tuple[Source, ...] | None = None
    slices: tuple[Slice, ...] | None = None
    base_model: ModelRef | None = None
    dtype: str | None = None
    out_dtype: str | None = None
    parameters: Parameters = field(default_factory=dict)
    seed: int = 0
    name: str | None = None
    publish: Publish | None = None
    stages: Mapping[str, Recipe] = field(default_factory=dict)
    at: Path = ()

    def references(self) -> tuple[ModelRef, ...]:
        """Every model that is named, once, in the order of ``mentions``."""
        return tuple(ref for ref, _ in self.mentions())

    def mentions(self) -> tuple[tuple[ModelRef, Path], ...]:
        """Every model with the place that names it first: sources in order, then bases not among them.

        A stage is no model: where it is named first, those that it names come in its stead.
        """
        first: dict[ModelRef, Path] = {}
        seen: set[str] = set()
        for recipe in (self, *self.stages.values()):
            self._leaves(recipe, first, seen)
        return tuple(first.items())

    def _leaves(self, recipe: Recipe, first: dict[ModelRef, Path], seen: set[str]) -> None:
        for ref, at in recipe.named():
            if ref.text not in self.stages:
                first.setdefault(ref, (*recipe.at, *at))
            elif ref.text not in seen:
                seen.add(ref.text)
                self._leaves(self.stages[ref.text], first, seen)

    def named(self) -> tuple[tuple[ModelRef, Path], ...]:
        """All that this document itself names, be it a model or a stage, as ``mentions`` does."""
        first: dict[ModelRef, Path] = {}
        for ref, at in self._named():
            first.setdefault(ref, at)
        return tuple(first.items())

    def _named(self) -> Iterator[tuple[ModelRef, Path]]:
        parts = self.slices or ()
        for source in (*(self.models or ()), *(source for part in parts for source in part.sources)):
            yield source.model, (*source.at, "model")
        for part in parts:
            if part.base_model is not None:
                yield part.base_model, (*part.at, "base_model")
        if self.base_model is not None:
            yield self.base_model, ("base_model",)
