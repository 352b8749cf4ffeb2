"""Which controls a method's parameters get: read from the method's own schema."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.methods.contract import Method, ParameterSet

Kind = Literal["number", "whole", "switch", "choice"]
_KINDS: Mapping[str, Kind] = {"number": "number", "integer": "whole", "boolean": "switch", "string": "choice"}
_STARTS: Mapping[str, float] = {"weight": 1.0, "t": 0.5, "density": 0.5, "nearswap.t": 0.001, "nuslerp.weight": 0.5}
"""What the form begins with: of a parameter, or of a method's own."""


@dataclass(frozen=True)
class Knob:
    """A parameter as a control: ``low``, ``high`` and ``step`` are its slider's.

    ``default`` is None for one that has to be given; ``start`` is what the form begins with. ``least`` and ``most`` are
    the ends of what is allowed; a number may be typed beyond the slider's.
    """

    name: str
    kind: Kind
    help: str
    low: float = 0.0
    high: float = 1.0
    step: float = 0.01
    least: float | None = None
    most: float | None = None
    default: Any = None
    required: bool = False
    start: Any = None
    choices: tuple[str, ...] = ()


def of_model(method: Method) -> tuple[Knob, ...]:
    """The knobs of each model."""
    return _knobs(method.name, method.source_parameters)


def of_merge(method: Method) -> tuple[Knob, ...]:
    """The knobs of the whole merge; parameters without effect have none."""
    return tuple(knob for knob in _knobs(method.name, method.parameters) if knob.name not in method.inert)


@cache
def _knobs(method: str, kind: type[ParameterSet]) -> tuple[Knob, ...]:
    schema = kind.model_json_schema(by_alias=True)
    required = schema.get("required", ())
    return tuple(
        _knob(method, name, about, required=name in required) for name, about in schema.get("properties", {}).items()
    )


def _knob(method: str, name: str, about: Mapping[str, Any], *, required: bool) -> Knob:
    # a parameter that may be left out has its type beside "null"
    point = next((kind for kind in about.get("anyOf", ()) if kind["type"] != "null"), about)
    default = about.get("default")
    kind = _KINDS[point["type"]]
    least, most = point.get("minimum"), point.get("maximum")
    low, high, step = _slider(kind, least, most, default if isinstance(default, int | float) else None)
    start = _STARTS.get(f"{method}.{name}", _STARTS.get(name, default))
    return Knob(
        name=name,
        kind=kind,
        help=about.get("description", ""),
        low=low,
        high=high,
        step=step,
        least=least,
        most=most,
        default=default,
        required=required,
        start=start,
        choices=tuple(point.get("enum", ())),
    )


def _slider(kind: Kind, least: float | None, most: float | None, default: float | None) -> tuple[float, float, float]:
    """Choose a slider's ends and step: what the schema allows, or else what people use."""
    if kind == "whole":
        return least or 0, most if most is not None else 50, 1
    if least is not None and most is not None:
        return least, most, 0.01
    if default is not None and 0 < default < 0.01:
        return 0, _short(default * 10), _short(default / 10)
    return (0, 2, 0.05) if least is None else (least, 1, 0.01)


def _short(value: float) -> float:
    return float(f"{value:.6g}")
