"""Parameters of one output tensor: looked up, checked, and kept for the next tensor that has the same."""

from __future__ import annotations

import math
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

Levels = tuple[tuple[tuple[str | int, ...], "Parameters"], ...]
"""Where parameters may be set, the nearest level first: the place of each block, and what it sets."""
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
        given: Levels = (
            ((*section.at, "parameters"), section.parameters),
            (("parameters",), self._recipe.parameters),
        )
        chains: list[Levels] = [(((*member.at, "parameters"), member.parameters), *given) for member in section.members]
        names = [info.name for info in stored[len(stored) - len(section.members) :]]
        sources = [
            self._resolve(self._method.source_parameters, levels, name, slot.t)
            for levels, name in zip(chains, names, strict=True)
        ]
        parameters = self._resolve(self._method.parameters, given, slot.name, slot.t)
        if parameters is None or any(source is None for source in sources):
            return None
        mix = Mix(stored[0].shape, tuple(sources), parameters, section.base is not None)
        for one in self._method.clamped(mix):
            at = _set_at(one.names, chains[one.source], names[one.source])
            self._problems.clamped(one.sentence, one.fix, slot.name, at)
        return mix if self._divides(mix, slot) else None

    def _divides(self, mix: Mix, slot: Slot) -> bool:
        """Check that what the result is divided by is not zero, or next to it by nothing but rounding."""
        if self._method.name not in DIVIDED:
            return True
        name, switch, _ = DIVIDED[self._method.name]
        numbers = [getattr(source, name) for source in mix.sources]
        if not getattr(mix.parameters, switch) or abs(math.fsum(numbers)) > NOTHING * math.fsum(map(abs, numbers)):
            return True
        self._problems.cancel(name, switch, slot.name, (*slot.section.members[-1].at, "parameters"))
        return False

    def _resolve(self, kind: type[ParameterSet], levels: Levels, tensor: str, t: float) -> ParameterSet | None:
        values = {}
        for field, info in kind.model_fields.items():
            name = info.alias or field
            value = look_up(name, [parameters for _, parameters in levels], tensor, t)
            if value is not None:
                values[name] = value
            elif info.is_required():
                given = (at for at, parameters in levels if name in parameters)
                self._problems.unresolved(name, tensor, next(given, levels[0][0]))
                return None
        key = (kind, tuple(values.items()))
        if key not in self._known:
            try:
                self._known[key] = kind(**values)
            except ValidationError as refusal:
                self._problems.refused(refusal.errors()[0]["msg"], tensor, levels[0][0])
                return None
        return self._known[key]


def _set_at(names: Sequence[str], levels: Levels, tensor: str) -> tuple[str | int, ...]:
    """Return where the first of the parameters that is set for this tensor is set."""
    return next(
        (*at, name)
        for name in names
        for at, parameters in levels
        if any(case.matches(tensor) for case in parameters.get(name, ()))
    )
