"""What a method's parameter takes, read from its declaration: the check and its words."""

from __future__ import annotations

import operator
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic.fields import FieldInfo

    from engine.methods.contract import ParameterSet
    from engine.recipe.values import Scalar

Kind = Literal["number", "whole number", "boolean", "choice"]
_LIMITS: Mapping[str, tuple[str, Callable[[float, float], bool]]] = {
    "ge": ("at least", operator.ge),
    "gt": ("more than", operator.gt),
    "le": ("at most", operator.le),
    "lt": ("less than", operator.lt),
}


def fields_of(kind: type[ParameterSet]) -> dict[str, FieldInfo]:
    """Return a parameter set's fields by the names that recipes use."""
    return {info.alias or name: info for name, info in kind.model_fields.items()}


@dataclass(frozen=True)
class Expected:
    """The values that one parameter takes; ``limits`` as in pydantic (``ge``, ``gt``, ``le``, ``lt``)."""

    kind: Kind
    limits: Mapping[str, float]
    choices: tuple[str, ...] = ()

    @staticmethod
    def of(info: FieldInfo) -> Expected:
        """Read a field's declaration. ``None`` as a default is for recipes that leave it out."""
        annotation = _without_none(info.annotation)
        limits = {key: getattr(rule, key) for key in _LIMITS for rule in info.metadata if hasattr(rule, key)}
        if get_origin(annotation) is Literal:
            return Expected("choice", limits, get_args(annotation))
        kinds: Mapping[Any, Kind] = {float: "number", int: "whole number", bool: "boolean"}
        return Expected(kinds[annotation], limits)

    def accepts(self, value: Scalar) -> bool:
        """Whether a method takes the value."""
        if self.kind == "boolean":
            return isinstance(value, bool)
        if self.kind == "choice":
            return value in self.choices
        if not isinstance(value, float) or (self.kind == "whole number" and not value.is_integer()):
            return False
        return all(_LIMITS[key][1](value, limit) for key, limit in self.limits.items())

    def measures(self, value: Scalar | None) -> bool:
        """Whether the value is of the right kind, be it within the limits or not."""
        return isinstance(value, float) and self.kind in ("number", "whole number")

    def remedy(self, value: Scalar | None) -> str:
        """Say what to write instead of a value that is not accepted."""
        if self.kind == "boolean":
            plain = {1.0: "true", 0.0: "false"}.get(value) if isinstance(value, float) else None
            return f"write `{plain}`" if plain else "write `true` or `false`, without quotes"
        if self.kind == "choice":
            return f"write {self}"
        if not self.measures(value):
            return "write a number"
        return "correct the number"

    def __str__(self) -> str:
        if self.kind == "boolean":
            return "true or false"
        if self.kind == "choice":
            return " or ".join(f"`{choice}`" for choice in self.choices)
        if self.limits.keys() == {"ge", "le"}:
            return f"a {self.kind} from {self.limits['ge']:g} to {self.limits['le']:g}"
        limits = " and ".join(f"{_LIMITS[key][0]} {limit:g}" for key, limit in self.limits.items())
        return f"a {self.kind} of {limits}" if limits else f"a {self.kind}"


def _without_none(annotation: Any) -> Any:  # noqa: ANN401 - any annotation
    if get_origin(annotation) in (Union, types.UnionType):
        (rest,) = (one for one in get_args(annotation) if one is not type(None))
        return rest
    return annotation
