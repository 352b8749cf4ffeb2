"""The JSON schema of recipes, for editors: made from the tables that the checks use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.methods import METHODS
from engine.recipe.keys import SCOPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.methods.contract import Method, ParameterSet

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_POINT = {"type": ["number", "boolean", "string"]}


def json_schema() -> dict[str, Any]:
    """Return the schema of one recipe: its keys, and for each method the parameters that it takes."""
    definitions = {name: _scope(name) for name in SCOPES if name not in ("recipe", "case")}
    definitions["model"] = {"anyOf": [{"type": "string"}, definitions["model"]]}
    definitions["path"] = {"anyOf": [{"type": "string"}, definitions["path"]]}
    definitions["parameters"] = {"type": "object", "additionalProperties": _setting(_POINT)}
    recipe = _scope("recipe")
    recipe["properties"]["merge_method"]["enum"] = [*METHODS]
    return {
        "$schema": DIALECT,
        "title": "A recipe for a merge of models",
        **recipe,
        "required": ["merge_method"],
        "oneOf": [{"required": ["models"]}, {"required": ["slices"]}],
        "allOf": [_of_method(method) for method in METHODS.values()],
        "$defs": definitions,
    }


def _scope(name: str) -> dict[str, Any]:
    required = {"entry": ["model"], "source": ["model", "layer_range"], "slice": ["sources"], "path": ["path"]}
    scope: dict[str, Any] = {
        "type": "object",
        "properties": {key: dict(value) for key, value in SCOPES[name].keys.items()},
        "additionalProperties": False,
    }
    return scope | ({"required": required[name]} if name in required else {})


def _setting(point: Mapping[str, Any]) -> dict[str, Any]:
    """Return all forms of a parameter: a scalar, a gradient, a case or several."""
    value = {"anyOf": [point, {"type": "array", "minItems": 1, "items": point}]}
    case = {
        "type": "object",
        "properties": {**SCOPES["case"].keys, "value": value},
        "required": ["value"],
        "additionalProperties": False,
    }
    return {"anyOf": [*value["anyOf"], case, {"type": "array", "minItems": 1, "items": case}]}


def _of_method(method: Method) -> dict[str, Any]:
    inert = {name: {"description": f"accepted; changes nothing in {method.name}"} for name in sorted(method.inert)}
    own = inert | _settings(method.source_parameters)
    of_model = {"properties": {"parameters": {"properties": own, "additionalProperties": False}}}
    of_all = {"properties": {**inert, **_settings(method.parameters), **own}, "additionalProperties": False}
    sources = {"properties": {"parameters": of_all, "sources": {"items": of_model}}}
    blocks = {"parameters": of_all, "models": {"items": of_model}, "slices": {"items": sources}}
    given = {"properties": {"merge_method": {"const": method.name}}, "required": ["merge_method"]}
    return {"if": given, "then": {"properties": blocks}}


def _settings(kind: type[ParameterSet]) -> dict[str, Any]:
    """Return the schema of each field's setting; defaults are those that the method declares."""
    properties: Mapping[str, Any] = kind.model_json_schema(by_alias=True).get("properties", {})
    return {name: _described(dict(point)) for name, point in properties.items()}


def _described(point: dict[str, Any]) -> dict[str, Any]:
    point.pop("title", None)
    beside = {key: point.pop(key) for key in ("description", "default") if key in point}
    return beside | _setting(point)
