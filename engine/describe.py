"""Methods in words: the list, and a page for each with its parameters and paper."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from engine.errors import MergesmithError
from engine.methods import METHODS

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from engine.methods.contract import Method, ParameterSet


def overview() -> str:
    """All methods, a line each."""
    width = max(map(len, METHODS))
    return "\n".join(f"{name:<{width}}  {method.purpose}" for name, method in METHODS.items())


def page(name: str) -> str:
    """One method; ``MergesmithError`` with the nearest name for one that is not there."""
    if name not in METHODS:
        near = difflib.get_close_matches(name, METHODS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(METHODS)}"
        raise MergesmithError(f"no method {name!r}; {hint}")
    method = METHODS[name]
    lines = [f"{name}: {method.purpose}", "", f"  {method.formula}", "", f"  takes {models_of(method)}"]
    for title, kind in (("per model", method.source_parameters), ("for all", method.parameters)):
        rows = parameters_of(kind)
        if rows:
            lines += ["", f"  parameters {title}:"]
            width = max(14, *(len(label) for label, _, _ in rows))
            lines += [f"    {label:<{width}} {default:<10} {text}" for label, default, text in rows]
    if method.paper:
        lines += ["", f"  paper: https://arxiv.org/abs/{method.paper}"]
    return "\n".join(lines)


def models_of(method: Method) -> str:
    """Which models it takes, in words."""
    inputs = method.inputs
    number = {1: "one", 2: "two", 3: "three"}.get(inputs.least, str(inputs.least))
    if inputs.base != "required":
        models = "model" if inputs.most == inputs.least == 1 else "models"
        some = f"exactly {number} {models}" if inputs.most == inputs.least else f"{number} or more {models}"
        return some if inputs.base == "participant" else f"{some}, and perhaps a base model"
    others = f"{number} other" if inputs.most == inputs.least else f"{number} or more others"
    return f"a base model and {others}"


def parameters_of(kind: type[ParameterSet]) -> list[tuple[str, str, str]]:
    """Rows of name, default and description (with the range)."""
    return [
        (info.alias or field, _default(info), f"{info.description or ''}{_range(info)}")
        for field, info in kind.model_fields.items()
    ]


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    if isinstance(info.default, bool):
        return str(info.default).lower()
    return "none" if info.default is None else str(info.default)


def _range(info: FieldInfo) -> str:
    bounds = {name: getattr(rule, name) for rule in info.metadata for name in ("ge", "le") if hasattr(rule, name)}
    if {"ge", "le"} <= bounds.keys():
        return f" ({bounds['ge']:g} to {bounds['le']:g})"
    return f" (at least {bounds['ge']:g})" if "ge" in bounds else ""
