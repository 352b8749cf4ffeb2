"""What does not fit between a recipe and its models, collected by kind so that one mistake is one finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.checkpoints.layout import is_vocabulary
from engine.findings import error, note, warning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.findings import Finding, Place
    from engine.plan.models import Named
    from engine.plan.sections import Member
    from engine.recipe import Places

At = tuple[str | int, ...]
Shape = tuple[int, ...]


class Problems:
    """Collects problems tensor by tensor; ``findings()`` tells them, each once, with an example and a count.

    ``foreign`` are models that another finding refuses as a whole: nothing that follows from it is told of them.
    """

    def __init__(self, models: Named, places: Places, foreign: frozenset[int] = frozenset()) -> None:
        self._models, self._places, self._foreign = models, places, foreign
        self._groups: dict[tuple[object, ...], tuple[Callable[[str], Finding], set[object]]] = {}

    def _add(self, key: tuple[object, ...], item: object, make: Callable[[str], Finding]) -> None:
        """Note a problem with ``item``; ``make`` is given the words that say how many more there are like it."""
        self._groups.setdefault(key, (make, set()))[1].add(item)

    def findings(self) -> list[Finding]:
        """All problems so far; of models of different size not also that their vocabularies differ."""
        sizes = {key[1:] for key in self._groups if key[0] == "shape"}
        return [
            make(_more(len(items) - 1))
            for key, (make, items) in self._groups.items()
            if key[0] != "vocabulary" or key[1:] not in sizes
        ]

    def lacks(self, tensor: str, lacking: Sequence[Member], having: Iterable[int]) -> None:
        """Some models have a tensor and others do not."""
        lacking = [member for member in lacking if member.model not in self._foreign]
        having = tuple(model for model in having if model not in self._foreign)
        if not lacking or not having:
            return
        who = [self._models.ref(member.model) for member in lacking]
        others = _and([self._models.ref(model) for model in having])
        verb, verb_of_others = _have(len(who)), _have(len(having))
        self._add(
            ("lacks", *who),
            tensor,
            lambda more: error(
                "tensor-missing",
                f"{_and(who)} {verb} no tensor {tensor!r}{more}, which {others} {verb_of_others}",
                "name models that have the same tensors",
                self._places.value(lacking[0].at),
            ),
        )

    def same_shape(self, tensor: str, members: Sequence[Member], shapes: Sequence[Shape]) -> bool:
        """Check that all have one shape."""
        pairs = [pair for pair in zip(members, shapes, strict=True) if pair[0].model not in self._foreign]
        for member, shape in pairs[1:]:
            self.fits(tensor, (pairs[0][0].model, pairs[0][1]), (member, shape))
        return len(set(shapes)) == 1

    def fits(self, tensor: str, one: tuple[int, Shape], other: tuple[Member, Shape]) -> None:
        """Check that a tensor has the same shape in a model and in another one."""
        (model, shape), (member, other_shape) = one, other
        if shape == other_shape or not self._foreign.isdisjoint((model, member.model)):
            return
        place, ref, other_ref = self._places.value(member.at), self._models.ref(model), self._models.ref(member.model)
        if is_vocabulary(tensor) and shape[1:] == other_shape[1:]:
            self._add(
                ("vocabulary", model, member.model),
                tensor,
                lambda _more: error(
                    "vocabulary-differs",
                    f"vocabularies differ: {ref} has {shape[0]} rows in {tensor!r} and {other_ref} has "
                    f"{other_shape[0]}; they must be the same",
                    "merge models that share one vocabulary (`tokenizer: {source: union}`, which would make one of "
                    "both, is not built yet)",
                    place,
                ),
            )
            return
        self._add(
            ("shape", model, member.model),
            tensor,
            lambda more: error(
                "shape-differs",
                f"{other_ref} does not fit {ref}: tensor {tensor!r} is {list(other_shape)} there and {list(shape)} "
                f"here{more}",
                "merge models of the same size",
                place,
            ),
        )

    def left_over(self, tensor: str, member: Member) -> None:
        """A model has a tensor, and nothing in the result is made of it."""
        ref = self._models.ref(member.model)
        if member.model not in self._foreign:
            self._add(
                ("left over", ref),
                tensor,
                lambda more: error(
                    "tensor-left-over",
                    f"{ref} has the tensor {tensor!r}{more}, and the result would not: what stands before the layers "
                    "is taken from the first slice's models, what stands after them from the last slice's",
                    "name models that have the same tensors",
                    self._places.value(member.at),
                ),
            )

    def mixed_kinds(self, tensor: str, members: Sequence[Member], dtypes: Sequence[str]) -> None:
        """Integers here, floats there."""
        odd = next(member for member, dtype in zip(members, dtypes, strict=True) if dtype != dtypes[0])
        self._add(
            ("kinds", odd.model),
            tensor,
            lambda more: error(
                "dtype-kinds",
                f"tensor {tensor!r}{more} is stored as {_and(sorted(set(dtypes)))}, which cannot be merged with each "
                "other",
                "merge models whose tensors are stored alike",
                self._places.value(odd.at),
            ),
        )

    def unresolved(self, name: str, tensor: str, at: At) -> None:
        """A required parameter has no value for this tensor; ``at`` is the block that sets it for others."""
        self._add(
            ("unresolved", name, at),
            tensor,
            lambda more: error(
                "parameter-unresolved",
                f"`{name}` has no value for tensor {tensor!r}{more}: no filter matches",
                "add an entry without a filter",
                self._places.key((*at, name)),
            ),
        )

    def refused(self, message: str, tensor: str, at: At) -> None:
        """A resolved value is outside the method's range."""
        self._add(
            ("refused", message, at),
            tensor,
            lambda more: error(
                "parameter-range",
                f"for tensor {tensor!r}{more}: {message}",
                "change the value",
                self._places.value(at),
            ),
        )

    def clamped(self, sentence: str, fix: str, tensor: str, at: At) -> None:
        """A value is not used as it is given; ``at`` is where the recipe sets it."""
        self._add(
            ("clamped", at),
            tensor,
            lambda more: warning(
                "parameter-clamped", f"for tensor {tensor!r}{more}: {sentence}", fix, self._places.key(at)
            ),
        )

    def cancel(self, name: str, switch: str, tensor: str, at: At) -> None:
        """Values that the result is divided by add up to zero."""
        self._add(
            ("cancel", at),
            tensor,
            lambda more: error(
                "weights-cancel",
                f"the {name}s of these models add up to 0 for tensor {tensor!r}{more}, and the result is divided by "
                "their sum",
                f"change a {name}, or set `{switch}: false`",
                self._places.value((*at, name)),
            ),
        )

    def dropped_derived(self, model: int, name: str) -> None:
        """A tensor that the model computes anyway."""
        self._add(
            ("derived",),
            (model, name),
            lambda more: note(
                "derived-dropped",
                f"tensor {name!r} of {self._models.ref(model)}{more} holds what the model computes by itself and is "
                "left out",
                "",
                self._places.value(self._models.mentions[model]),
            ),
        )

    def ignored_head(self, model: int, name: str) -> None:
        """A tied model stores a head all the same."""
        place: Place = self._places.value(self._models.mentions[model])
        ref = self._models.ref(model)
        self._add(
            ("head", model),
            name,
            lambda _more: note(
                "tied-head-ignored",
                f"{ref} ties its head to its embedding, so the stored {name!r} is ignored",
                "",
                place,
            ),
        )


def _more(count: int) -> str:
    return f" (and {count} more like it)" if count > 0 else ""


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"
