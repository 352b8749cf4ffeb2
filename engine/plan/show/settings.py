"""What a plan's method is told beside weights and ``t``: whatever is not as the method has it by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.methods import METHODS
from engine.plan.show.mixture import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.plan.plan import Plan

DRAWN = frozenset({"weight", "t"})
"""Parameters that the picture shows."""


def settings_of(plan: Plan, stage: str = "") -> str:
    """Tell them in a line, such as ``density 0.53, gamma 0.01 to 0.05 for c, normalize false``; else nothing.

    Where values differ between tensors, the least and the largest are told; where they differ between models, whose
    they are. A model goes by the last part of its name.
    """
    mixtures = [found for tensor in plan.tensors if (found := tensor.mixture.of_stage(stage)) is not None]
    if not mixtures:
        return ""
    method = METHODS[mixtures[0].method]
    own: dict[str, dict[str, list[Any]]] = {}
    shared: dict[str, list[Any]] = {}
    for mixture in mixtures:
        _note(shared, mixture.parameters)
        for source, values in zip(mixture.sources, mixture.source_parameters, strict=True):
            for name, value in values.items():
                own.setdefault(name, {}).setdefault(name_of(plan, source).rsplit("/", 1)[-1], []).append(value)
    usual = _defaults(method.source_parameters), _defaults(method.parameters)
    told = [_of_models(name, by_model, usual[0].get(name)) for name, by_model in own.items() if name not in DRAWN]
    told += [_told(name, values, usual[1].get(name)) for name, values in shared.items() if name not in DRAWN]
    return ", ".join(text for text in told if text)


def _note(shared: dict[str, list[Any]], parameters: Mapping[str, Any]) -> None:
    for name, value in parameters.items():
        shared.setdefault(name, []).append(value)


def _defaults(parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - any method's parameter set
    return {field.alias or name: field.default for name, field in parameters.model_fields.items()}


def _of_models(name: str, by_model: Mapping[str, list[Any]], usual: object) -> str:
    if len({_range(values) for values in by_model.values()}) == 1:
        return _told(name, [value for values in by_model.values() for value in values], usual)
    told = ((model, _told(name, values, usual)) for model, values in by_model.items())
    return ", ".join(f"{text} for {model}" for model, text in told if text)


def _told(name: str, values: Iterable[Any], usual: object) -> str:
    values = list(values)
    return "" if all(value == usual for value in values) else f"{name} {_range(values)}"


def _range(values: Iterable[Any]) -> str:
    known = sorted(set(values), key=lambda value: (str(type(value)), value))
    first, last = (_word(value) for value in (known[0], known[-1]))
    return first if len(known) == 1 else f"{first} to {last}"


def _word(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.3g}" if isinstance(value, float) else str(value)
