"""Checks of a recipe as a whole that need no model: its parts, its models and its bases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.methods import METHODS
from engine.recipe.groups import BASE_AT, groups_of
from engine.recipe.keys import nearest
from engine.recipe.needs import check_needs
from engine.recipe.reading import quoted

if TYPE_CHECKING:
    from engine.methods.contract import Inputs, Method
    from engine.recipe.groups import Group
    from engine.recipe.reading import Reading
    from engine.recipe.values import Path, Recipe

METHOD_AT: Path = ("merge_method",)


def check(recipe: Recipe, reading: Reading) -> None:
    """Run every check. None tells of what an earlier finding already explains."""
    _method_given(recipe, reading)
    _one_kind_of_list(recipe, reading)
    groups = groups_of(recipe)
    for group in groups:
        _no_duplicates(group, reading)
        _equal_lengths(group, reading)
    method = METHODS.get(recipe.merge_method or "")
    if method is None:
        return
    _base_given(recipe, groups, method, reading)
    _base_lends(recipe, method, reading)
    for group in groups:
        if _base_listed(group, method, reading):
            _number_of_models(group, method, reading)
        _base_parameters(group, method, reading)
    check_needs(groups, method, reading)


def _method_given(recipe: Recipe, reading: Reading) -> None:
    if recipe.merge_method is None and not reading.unsure(METHOD_AT):
        fix = f"add `merge_method:` with one of {', '.join(METHODS)}"
        reading.error("merge-method-missing", "the recipe has no `merge_method`", fix, reading.places.key(METHOD_AT))


def _one_kind_of_list(recipe: Recipe, reading: Reading) -> None:
    keys = ("models",), ("slices",)
    if recipe.models is not None and recipe.slices is not None:
        message = "the recipe has both `models` and `slices`, expected one of them"
        reading.error("models-and-slices", message, "remove one", max(map(reading.places.key, keys)))
    elif recipe.models is None and recipe.slices is None and not any(map(reading.unsure, keys)):
        message, fix = "the recipe has neither `models` nor `slices`", "list what to merge under `models:`"
        reading.error("models-missing", message, fix, reading.places.key(METHOD_AT))


def _no_duplicates(group: Group, reading: Reading) -> None:
    seen = set()
    for source in group.sources:
        if source.model in seen:
            message = f"{quoted(source.model.text)} is listed twice among models that are merged with each other"
            place = reading.places.key((*source.at, "model"))
            reading.error("duplicate-model", message, "remove one of them", place)
        seen.add(source.model)


def _equal_lengths(group: Group, reading: Reading) -> None:
    ranges = [(source, source.layer_range) for source in group.sources if source.layer_range is not None]
    lengths = [(source, stop - start) for source, (start, stop) in ranges]
    for source, length in lengths[1:]:
        first = lengths[0][1]
        if length != first:
            message = f"`layer_range` has {length} layers, and the slice's first model gives {first}"
            place = reading.places.value((*source.at, "layer_range"))
            reading.error("layer-range", message, "give the same number of layers of each", place)


def _base_given(recipe: Recipe, groups: tuple[Group, ...], method: Method, reading: Reading) -> None:
    lacking = [group for group in groups if group.base is None and not _base_is_unsure(group, reading)]
    bare = not groups and recipe.base_model is None and not reading.unsure(BASE_AT)
    if method.inputs.base == "required" and (lacking or bare):
        message = f"`{method.name}` needs a `base_model`"
        reading.error("base-model-missing", message, "add `base_model: …`", reading.places.key(METHOD_AT))


def _base_is_unsure(group: Group, reading: Reading) -> bool:
    return any(reading.unsure(at) for at in group.base_places)


def _base_lends(recipe: Recipe, method: Method, reading: Reading) -> None:
    if recipe.base_model is not None and method.inputs.lends_only:
        message = f"`base_model` lends `{method.name}` its config and tokenizer only; mergekit refuses it"
        reading.note("base-lends", message, "", reading.places.key(BASE_AT))


def _base_listed(group: Group, method: Method, reading: Reading) -> bool:
    """Tell of a slice that lacks its base. Returns whether the group's models can be counted."""
    if reading.lost_items(group.at):
        return False
    if method.inputs.base == "participant":
        return True
    if _base_is_unsure(group, reading):
        return False
    if group.base is None:
        return method.inputs.base == "optional"
    if group.base_is_known:
        return True
    message = f"the base model {quoted(group.base.text)} is not among this slice's sources"
    close = nearest(group.base.text, [source.model.text for source in group.sources], cutoff=0.9)
    fix = f"did you mean {quoted(close)}?" if close else "add it to them, or name one of them as `base_model`"
    reading.error("base-model-not-listed", message, fix, reading.places.key(group.at))
    return False


def _number_of_models(group: Group, method: Method, reading: Reading) -> None:
    inputs = method.inputs
    found = len(group.mixed(method)) + (group.added and inputs.base == "participant" and not inputs.lends_only)
    if found >= inputs.least and (inputs.most is None or found <= inputs.most):
        return
    has_base = inputs.base == "required" or (inputs.base == "optional" and group.base is not None)
    beside = " besides the base" if has_base else ""
    message = f"`{method.name}` takes {_number_wanted(inputs)}{beside}, found {found}"
    reading.error("model-count", message, _count_fix(group, inputs, found), reading.places.key(group.at))


def _number_wanted(inputs: Inputs) -> str:
    if inputs.most == inputs.least:
        wanted = f"exactly {inputs.least}"
    elif inputs.most is None:
        wanted = f"at least {inputs.least}"
    else:
        wanted = f"{inputs.least} to {inputs.most}"
    return f"{wanted} model" if (inputs.most or inputs.least) == 1 else f"{wanted} models"


def _count_fix(group: Group, inputs: Inputs, found: int) -> str:
    if found < inputs.least:
        return f"add {inputs.least - found} more"
    if inputs.base == "participant" and group.at == ("models",):
        return "to stack models, give each a slice of its own under `slices:`"
    return f"keep {inputs.most}, or choose another method"


def _base_parameters(group: Group, method: Method, reading: Reading) -> None:
    for source in group.sources:
        if group.is_base(source, method) and source.parameters:
            place = reading.places.key((*source.at, "parameters"))
            reading.note("base-parameters", "parameters of the base model change nothing", "", place)
