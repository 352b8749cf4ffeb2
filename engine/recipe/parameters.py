"""`parameters:` blocks → settings: scalars, gradients and filters, each value checked against its method."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from engine.recipe.expected import Expected, fields_of
from engine.recipe.keys import SCOPES, nearest
from engine.recipe.reading import described, named, quoted
from engine.recipe.text import BROKEN, Leaf
from engine.recipe.values import Case

if TYPE_CHECKING:
    from engine.methods.contract import Method
    from engine.recipe.reading import Reading
    from engine.recipe.text import Tree
    from engine.recipe.values import Parameters, Path, Scalar, Setting

# YAML 1.1 takes a number for one only where it has a dot: `1e-5` is a text to it
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)


def read_parameters(reading: Reading, at: Path, tree: Tree, method: Method | None, *, per_model: bool) -> Parameters:
    """Read a block; what is wrong in it is told and left out.

    A model's block takes per-model parameters, any other block those of the whole merge too. Without a method only
    the shape is checked.
    """
    if not isinstance(tree, dict):
        reading.wrong(at, tree, "a mapping", "write each as `name: value`")
        return {}
    settings = {}
    for name, value in tree.items():
        here = (*at, name)
        if not _belongs(reading, here, method, per_model=per_model):
            continue
        setting = None if value is BROKEN else _setting(reading, here, value, _expected(method, name))
        if setting is None:
            reading.breaks(here)
        else:
            settings[name] = setting
    return settings


def _expected(method: Method | None, name: str) -> Expected | None:
    """Return what the method takes; None where any value will do."""
    if method is None or name in method.inert:
        return None
    return Expected.of((fields_of(method.parameters) | fields_of(method.source_parameters))[name])


def _belongs(reading: Reading, at: Path, method: Method | None, *, per_model: bool) -> bool:
    """Tell of a parameter that has no place in this block."""
    name, place = str(at[-1]), reading.places.key(at)
    if name in SCOPES["recipe"].keys:
        reading.breaks((name,))
        fix = f"it belongs {SCOPES['recipe'].home}"
        reading.error("unknown-parameter", f"`{name}` is no parameter", fix, place)
        return False
    return method is None or _is_taken(reading, at, method, per_model=per_model)


def _is_taken(reading: Reading, at: Path, method: Method, *, per_model: bool) -> bool:
    name, place = str(at[-1]), reading.places.key(at)
    if name in method.inert:
        reading.note("inert", f"`{name}` changes nothing in `{method.name}`", "", place)
        return True
    own, whole = fields_of(method.source_parameters), fields_of(method.parameters)
    if name in own or (name in whole and not per_model):
        return True
    if name in whole:
        reading.breaks(("parameters", name))
        message = f"`{name}` is a parameter of the whole merge, not of one model"
        reading.error("misplaced-parameter", message, "put it under the recipe's `parameters:`", place)
    else:
        fix = _advice(reading, at, method, [*own] if per_model else [*own, *whole])
        reading.error("unknown-parameter", f"`{method.name}` has no parameter {quoted(name)}", fix, place)
    return False


def _advice(reading: Reading, at: Path, method: Method, here: list[str]) -> str:
    """Say what to do about an unknown parameter, and remember which part was meant by it."""
    name = str(at[-1])
    close = nearest(name, [*here, *fields_of(method.parameters)])
    if close is not None:
        reading.breaks((*at[:-1], close) if close in here else ("parameters", close))
        return f"did you mean `{close}`?"
    return f"it takes {', '.join(here)}" if here else "it takes none here; remove it"


def _setting(reading: Reading, at: Path, tree: Tree, expected: Expected | None) -> Setting | None:
    """Read one parameter's value in any of its forms; None where any of it is wrong."""
    if isinstance(tree, dict):
        cases = [_case(reading, at, tree, expected)]
    elif isinstance(tree, list) and any(isinstance(item, dict) for item in tree):
        cases = [_case(reading, (*at, index), item, expected) for index, item in enumerate(tree)]
    else:
        points = _points(reading, at, tree, expected)
        cases = [None if points is None else Case("", points)]
    setting = tuple(case for case in cases if case is not None)
    return setting if len(setting) == len(cases) else None


def _case(reading: Reading, at: Path, tree: Tree, expected: Expected | None) -> Case | None:
    if not isinstance(tree, dict):
        if isinstance(tree, Leaf):
            fix = f"write it as `- value: {tree.text}`"
            reading.wrong(at, tree, "an entry with `filter` and `value`, as its neighbours are", fix)
        else:
            reading.wrong(at, tree, "an entry with `filter` and `value`", "write it as `- value: …`")
        return None
    fields = reading.fields(at, tree, "case")
    wanted = _filter(reading, (*at, "filter"), fields)
    if "value" not in fields:
        if not reading.unsure((*at, "value")):
            message = "this entry has no `value`"
            reading.error("value-missing", message, "add one, such as `value: 0.5`", reading.places.value(at))
        return None
    points = _points(reading, (*at, "value"), fields["value"], expected)
    return None if wanted is None or points is None else Case(wanted, points)


def _filter(reading: Reading, at: Path, fields: dict[str, Tree]) -> str | None:
    """Read the part of a tensor's name; none, an empty one and ``*`` all mean every tensor."""
    tree = fields.get("filter")
    if tree is None or (isinstance(tree, Leaf) and tree.text in ("", "*")):
        return ""
    return reading.text(at, tree)


def _points(reading: Reading, at: Path, tree: Tree, expected: Expected | None) -> tuple[Scalar, ...] | None:
    """Read a scalar, or a gradient of numbers or of booleans."""
    if not isinstance(tree, list):
        point = _point(reading, at, tree, expected)
        return None if point is None else (point,)
    if not tree:
        reading.error("empty-gradient", f"{named(at)} is an empty list", "give numbers", reading.places.value(at))
        return None
    points = [_point(reading, (*at, index), item, expected) for index, item in enumerate(tree)]
    found = tuple(point for point in points if point is not None)
    if len(found) < len(points):
        return None
    if len({type(point) for point in found}) > 1 or isinstance(found[0], str):
        message = f"{named(at)} is a list of other things than numbers, or than true and false"
        reading.error("mixed-gradient", message, "give one value, or a number for each step", reading.places.value(at))
        return None
    return found


def _point(reading: Reading, at: Path, tree: Tree, expected: Expected | None) -> Scalar | None:
    value = _scalar(tree)
    finite = not isinstance(value, float) or math.isfinite(value)
    if value is not None and finite and (expected is None or expected.accepts(value)):
        return value
    if tree is not BROKEN:
        identity = "out-of-range" if expected is not None and expected.measures(value) else "wrong-value"
        wanted = "a number, a text, true or false" if expected is None else str(expected)
        fix = "correct the value" if expected is None else expected.remedy(value)
        message = f"{named(at)} is {described(tree)}, expected {wanted}"
        reading.error(identity, message, fix, reading.places.value(at))
    return None


def _scalar(tree: Tree) -> Scalar | None:
    """Return the value of a leaf: a number is a float, be it written as text or not. None for anything else."""
    if not isinstance(tree, Leaf) or tree.value is None:
        return None
    if isinstance(tree.value, bool):
        return tree.value
    if isinstance(tree.value, str) and not _NUMBER.fullmatch(tree.value):
        return tree.value
    try:
        return float(tree.value)
    except OverflowError:
        return math.inf
