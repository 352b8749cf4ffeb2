"""Parameters of one output tensor: looked up, checked, and kept for the next tensor that has the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from engine.methods.contract import Mix
from engine.recipe import look_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.checkpoints.header import TensorInfo
    from engine.methods.contract import Method, ParameterSet
    from engine.plan.compose import Slot
    from engine.plan.problems import Problems
    from engine.recipe import Parameters, Recipe


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
            self._resolve(self._method.source_parameters, (member.parameters, *given), name, slot.t, member.at)
            for member, name in zip(section.members, names, strict=True)
        ]
        parameters = self._resolve(self._method.parameters, given, slot.name, slot.t, None)
        if parameters is None or any(source is None for source in sources):
            return None
        return Mix(stored[0].shape, tuple(sources), parameters, section.base is not None)

    def _resolve(
        self,
        kind: type[ParameterSet],
        levels: Sequence[Parameters],
        tensor: str,
        t: float,
        at: tuple[str | int, ...] | None,
    ) -> ParameterSet | None:
        values = {}
        for field, info in kind.model_fields.items():
            name = info.alias or field
            value = look_up(name, levels, tensor, t)
            if value is not None:
                values[name] = value
            elif info.is_required():
                self._problems.unresolved(name, tensor, at)
                return None
        key = (kind, tuple(values.items()))
        if key not in self._known:
            try:
                self._known[key] = kind(**values)
            except ValidationError as refusal:
                self._problems.refused(refusal.errors()[0]["msg"], tensor, at)
                return None
        return self._known[key]
