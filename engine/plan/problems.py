"""What does not fit between a recipe and its models, collected by kind so that one mistake is one finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.checkpoints.layout import is_vocabulary
from engine.findings import error, note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.checkpoints.header import TensorInfo
    from engine.findings import Finding, Place
    from engine.plan.models import Models
    from engine.plan.sections import Member
    from engine.recipe import Places

At = tuple[str | int, ...]


class Problems:
    """Collects problems tensor by tensor; ``findings()`` tells them, each once, with an example and a count."""

    def __init__(self, models: Models, places: Places) -> None:
        self._models, self._places = models, places
        self._groups: dict[tuple[object, ...], tuple[Callable[[str], Finding], int]] = {}

    def _add(self, key: tuple[object, ...], make: Callable[[str], Finding]) -> None:
        """Note a problem; ``make`` is given the words that say how many more there are like it."""
        first, count = self._groups.get(key, (make, 0))
        self._groups[key] = (first, count + 1)

    def findings(self) -> list[Finding]:
        """All problems so far."""
        return [make(_more(count - 1)) for make, count in self._groups.values()]

    def lacks(self, tensor: str, members: Sequence[Member]) -> None:
        """Some models have a tensor and these do not."""
        for member in members:
            self._lacks_one(tensor, self._models.ref(member.model), self._places.value(member.at))

    def _lacks_one(self, tensor: str, ref: str, place: Place) -> None:
        self._add(
            ("lacks", ref),
            lambda more: error(
                "tensor-missing",
                f"{ref} has no tensor {tensor!r}{more}, which the others have",
                "merge models of one architecture, or leave those layers out",
                place,
            ),
        )

    def same_shape(self, tensor: str, members: Sequence[Member], stored: Sequence[TensorInfo]) -> bool:
        """Check that all have one shape."""
        same = True
        for member, info in zip(members[1:], stored[1:], strict=True):
            if info.shape != stored[0].shape:
                same = False
                self._shapes(tensor, (members[0], stored[0]), (member, info))
        return same

    def _shapes(self, tensor: str, one: tuple[Member, TensorInfo], other: tuple[Member, TensorInfo]) -> None:
        place = self._places.value(other[0].at)
        refs = [self._models.ref(member.model) for member, _ in (one, other)]
        shapes = [list(info.shape) for _, info in (one, other)]
        if is_vocabulary(tensor) and shapes[0][1:] == shapes[1][1:]:
            self._add(
                ("vocabulary", one[0].model, other[0].model),
                lambda _more: error(
                    "vocabulary-differs",
                    f"vocabularies differ: {refs[0]} has {shapes[0][0]} rows in {tensor!r} and {refs[1]} has "
                    f"{shapes[1][0]}; they must be the same",
                    "merge models that share one vocabulary (`tokenizer: {source: union}`, which would make one of "
                    "both, is not built yet)",
                    place,
                ),
            )
            return
        self._add(
            ("shape", one[0].model, other[0].model),
            lambda more: error(
                "shape-differs",
                f"{refs[1]} does not fit {refs[0]}: tensor {tensor!r} is {shapes[1]} there and {shapes[0]} here{more}",
                "merge models of the same size and architecture",
                place,
            ),
        )

    def mixed_kinds(self, tensor: str, dtypes: Sequence[str]) -> None:
        """Integers here, floats there."""
        self._add(
            ("kinds",),
            lambda more: error(
                "dtype-kinds",
                f"tensor {tensor!r} has the types {' and '.join(dtypes)}{more}, which cannot be merged",
                "merge models whose tensors are stored alike",
                self._places.value(()),
            ),
        )

    def unresolved(self, name: str, tensor: str, at: At | None) -> None:
        """A required parameter has no value for this tensor."""
        place = self._places.key(("merge_method",)) if at is None else self._places.value(at)
        self._add(
            ("unresolved", name, at),
            lambda more: error(
                "parameter-unresolved",
                f"`{name}` has no value for tensor {tensor!r}{more}: no filter matches",
                "add an entry without a filter",
                place,
            ),
        )

    def refused(self, message: str, tensor: str, at: At | None) -> None:
        """A resolved value is outside the method's range."""
        place: Place = self._places.key(("merge_method",)) if at is None else self._places.value(at)
        self._add(
            ("refused", message, at),
            lambda more: error("parameter-range", f"for tensor {tensor!r}{more}: {message}", "change the value", place),
        )

    def dropped_derived(self, name: str) -> None:
        """A tensor that the model computes anyway."""
        self._add(
            ("derived",),
            lambda more: note(
                "derived-dropped",
                f"tensor {name!r}{more} holds what the model computes by itself and is left out",
                "",
                self._places.value(()),
            ),
        )

    def ignored_head(self, model: int, name: str) -> None:
        """A tied model stores a head all the same."""
        place = self._places.value(self._models.mentions[model])
        ref = self._models.ref(model)
        self._add(
            ("head", model),
            lambda _more: note(
                "tied-head-ignored",
                f"{ref} ties its head to its embedding, so the stored {name!r} is ignored",
                "",
                place,
            ),
        )


def _more(count: int) -> str:
    return f" (and {count} more like it)" if count > 0 else ""
