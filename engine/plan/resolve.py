"""Parameters of one output tensor: looked up, checked, and kept for the next tensor that has the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from engine.methods.contract import Mix
from engine.recipe import look_up
from engine.recipe.needs import DIVIDED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.checkpoints.header import TensorInfo
    from engine.methods.contract import Method, ParameterSet
    from engine.plan.compose import Slot
    from engine.plan.problems import Problems
    from engine.recipe import Parameters, Recipe

NOTHING = 1e-12
"""Share of its terms' size up to which a sum is zero but for rounding, as 0.1 + 0.2 - 0.3 is."""


class Resolver:
    """Resolves a recipe's parameters: source → slice → recipe → the method's default.

    Per-model parameters see the input tensor's name, global ones the output tensor's.
    """

    def __init__(self, recipe: Recipe, method: Method, problems: Problems) -> None:
        self._recipe, self._method, self._problems = recipe, method, problems
        self._known: dict[tuple[type[ParameterSet], tuple[tuple[str, Any], ...]], ParameterSet] = {}

    def mix(self, slot: Slot, stored: Sequence[TensorInfo]) -> Mix | None:
        """Resolve for one tensor; None, with the problem told, where a required value does not resolve."""
        section = slot.section
        given = (section.parameters, self._recipe.parameters)
        names = [info.name for info in stored[len(stored) - len(section.members) :]]
        sources = [
            self._resolve(
                self._method.source_parameters,
                (member.parameters, *given),
                name,
                slot.t,
                ((*member.at, "parameters"), (*section.at, "parameters"), ("parameters",)),
            )
            for member, name in zip(section.members, names, strict=True)
        ]
        blocks = ((*section.at, "parameters"), ("parameters",))
        parameters = self._resolve(self._method.parameters, given, slot.name, slot.t, blocks)
        if parameters is None or any(source is None for source in sources):
            return None
        mix = Mix(stored[0].shape, tuple(sources), parameters, section.base is not None)
        return mix if self._divides(mix, slot) else None

    def _divides(self, mix: Mix, slot: Slot) -> bool:
        """Check that what the result is divided by is not zero, or next to it by nothing but rounding."""
        if self._method.name not in DIVIDED:
            return True
        name, switch, _ = DIVIDED[self._method.name]
        numbers = [getattr(source, name) for source in mix.sources]
        if not getattr(mix.parameters, switch) or abs(sum(numbers)) > NOTHING * sum(map(abs, numbers)):
            return True
        self._problems.cancel(name, switch, slot.name, (*slot.section.members[-1].at, "parameters"))
        return False

    def _resolve(
        self,
        kind: type[ParameterSet],
        levels: Sequence[Parameters],
        tensor: str,
        t: float,
        blocks: Sequence[tuple[str | int, ...]],
    ) -> ParameterSet | None:
        """Resolve one set; ``blocks`` are the places of ``levels``."""
        values = {}
        for field, info in kind.model_fields.items():
            name = info.alias or field
            value = look_up(name, levels, tensor, t)
            if value is not None:
                values[name] = value
            elif info.is_required():
                given = (at for at, level in zip(blocks, levels, strict=True) if name in level)
                self._problems.unresolved(name, tensor, next(given, blocks[0]))
                return None
        key = (kind, tuple(values.items()))
        if key not in self._known:
            try:
                self._known[key] = kind(**values)
            except ValidationError as refusal:
                self._problems.refused(refusal.errors()[0]["msg"], tensor, blocks[0])
                return None
        return self._known[key]
