"""Checks of what a method's parameters need, as far as the recipe alone can tell."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from engine.recipe.expected import fields_of
from engine.recipe.groups import BASE_AT
from engine.recipe.reading import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.methods.contract import Method
    from engine.recipe.groups import Group
    from engine.recipe.reading import Reading
    from engine.recipe.values import Parameters, Path, Scalar, Source

DIVIDED = {"linear": ("weight", "normalize", True), "multislerp": ("weight", "normalize_weights", True)}
"""Methods that divide by the sum of a per-model parameter, whatever it is: unless the switch, with its default, is
off. The others have a rule of their own for a sum of zero."""


def check_needs(groups: Sequence[Group], method: Method, reading: Reading) -> None:
    """Tell of required parameters that nothing sets, and of weights that cancel."""
    for name, info in fields_of(method.source_parameters).items():
        if info.is_required():
            for group in groups:
                _per_model(group, method, name, reading)
    for name, info in fields_of(method.parameters).items():
        if info.is_required():
            _whole(groups, method, name, reading)
    if method.name in DIVIDED:
        for group in groups:
            _cancelling(group, method, reading)


def _per_model(group: Group, method: Method, name: str, reading: Reading) -> None:
    if _given(name, group.levels, reading):
        return
    for source in group.mixed(method):
        own = ((*source.at, "parameters"), source.parameters)
        if not (_given(name, (own,), reading) or _may_be_base(source, group, method)):
            message = f"{quoted(source.model.text)} has no `{name}`, which `{method.name}` needs"
            fix = f"add `parameters: {{{name}: …}}` to it"
            reading.error("parameter-missing", message, fix, reading.places.key((*source.at, "model")))
    if group.added and group.base is not None and method.inputs.base == "participant":
        message = f"`base_model` {quoted(group.base.text)} is one more model to `{method.name}`, and has no `{name}`"
        fix = f"list it with a {name}, or drop `base_model`"
        reading.error("parameter-missing", message, fix, reading.places.key(BASE_AT))


def _may_be_base(source: Source, group: Group, method: Method) -> bool:
    """Whether a model without parameters is likely the base that the recipe fails to name."""
    return method.inputs.base == "required" and not group.base_is_known and not source.parameters


def _whole(groups: Sequence[Group], method: Method, name: str, reading: Reading) -> None:
    lacking = [group for group in groups if not _given(name, group.levels, reading)]
    message = f"`{method.name}` needs the parameter `{name}`"
    if lacking and len(lacking) == len(groups):
        fix = f"add `{name}` to the recipe's `parameters:`"
        reading.error("parameter-missing", message, fix, reading.places.key(("merge_method",)))
        return
    for group in lacking:
        fix = f"add `{name}` to this slice's `parameters:`, or to the recipe's"
        reading.error("parameter-missing", message, fix, reading.places.value(group.at[:-1]))


def _given(name: str, levels: Sequence[tuple[Path, Parameters]], reading: Reading) -> bool:
    """Whether any level sets it, for some tensors at least, or tried to."""
    return any(name in parameters or reading.unsure((*at, name)) for at, parameters in levels)


def _cancelling(group: Group, method: Method, reading: Reading) -> None:
    """Tell of weights that add up to zero, where scalars make it certain."""
    name, switch, default = DIVIDED[method.name]
    if reading.unsure(group.at) or any(reading.unsure((*at, switch)) for at, _ in group.levels):
        return
    is_set = any(switch in block for _, block in group.levels)
    divided = _certain(switch, group.levels) if is_set else (default, ())
    weights = _weights(group, method, name)
    if divided is None or divided[0] is not True or not weights:
        return
    numbers = [number for number, _ in weights]
    # the decimals that a recipe has cancel where their binary neighbours leave a residue, as in 0.1 + 0.2 - 0.3
    if sum(map(Fraction, map(repr, numbers))) == 0 or sum(numbers) == 0:
        message = f"the {name}s of these models add up to 0, and the result is divided by their sum"
        place = reading.places.value((*weights[-1][1], name))
        reading.error("weights-cancel", message, f"change a {name}, or set `{switch}: false`", place)


def _weights(group: Group, method: Method, name: str) -> list[tuple[float, Path]]:
    """List the one number of each model and the block that sets it; nothing where any is not certain."""
    chains = [(((*source.at, "parameters"), source.parameters), *group.levels) for source in group.mixed(method)]
    if group.added and method.inputs.base == "participant":
        chains.append(group.levels)
    found = [_certain(name, chain) for chain in chains]
    weights = [(one[0], one[1]) for one in found if one is not None and isinstance(one[0], float)]
    return weights if len(weights) == len(found) else []


def _certain(name: str, levels: Sequence[tuple[Path, Parameters]]) -> tuple[Scalar, Path] | None:
    """Return the one value that all tensors take, with the block that sets it; None where it depends or is not set."""
    for at, parameters in levels:
        if name in parameters:
            first = parameters[name][0]
            return (first.points[0], at) if first.for_all and len(first.points) == 1 else None
    return None
