"""The JSON schema of recipes agrees with the reader, by an evaluator of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.methods import METHODS
from engine.recipe import json_schema, parse
from engine.recipe.keys import DTYPES, SCOPES

SCHEMA = json_schema()
PUBLISHED = sorted((Path(__file__).parent / "published").glob("*.yaml"))
WORDS = {"$defs", "$schema", "title", "description", "default", "then"}
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "number": int | float,
    "integer": int,
}


def is_a(value: Any, name: str) -> bool:
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def on(name: str, check: Callable[..., bool]) -> Callable[..., bool]:
    """A word that says something of values of one type only."""
    return lambda want, value, schema: not is_a(value, name) or check(want, value, schema)


RULES: Mapping[str, Callable[..., bool]] = {
    "$ref": lambda want, value, _: holds(SCHEMA["$defs"][want.removeprefix("#/$defs/")], value),
    "type": lambda want, value, _: any(is_a(value, name) for name in ([want] if isinstance(want, str) else want)),
    "enum": lambda want, value, _: value in want,
    "const": lambda want, value, _: value == want,
    "anyOf": lambda want, value, _: any(holds(one, value) for one in want),
    "oneOf": lambda want, value, _: sum(holds(one, value) for one in want) == 1,
    "allOf": lambda want, value, _: all(holds(one, value) for one in want),
    "if": lambda want, value, schema: not holds(want, value) or holds(schema["then"], value),
    "minimum": on("number", lambda want, value, _: value >= want),
    "maximum": on("number", lambda want, value, _: value <= want),
    "required": on("object", lambda want, value, _: value.keys() >= set(want)),
    "properties": on("object", lambda want, value, _: all(holds(want[k], v) for k, v in value.items() if k in want)),
    "additionalProperties": on(
        "object",
        lambda want, value, schema: all(
            want is not False and holds(want, v) for k, v in value.items() if k not in schema.get("properties", {})
        ),
    ),
    "items": on("array", lambda want, value, _: all(holds(want, item) for item in value)),
    "minItems": on("array", lambda want, value, _: len(value) >= want),
    "maxItems": on("array", lambda want, value, _: len(value) <= want),
}


def holds(schema: Mapping[str, Any], value: Any) -> bool:
    """Evaluate the words of JSON Schema 2020-12 that the schema uses; any other is a KeyError."""
    return all(RULES[word](want, value, schema) for word, want in schema.items() if word not in WORDS)


LINEAR = "merge_method: linear\nmodels:\n  - {model: a/a, parameters: {weight: 1}}\n"
AGREED = [
    (LINEAR, True),
    (LINEAR + "seed: 3\nname: x\ndtype: torch.float16\nout_dtype: bfloat16\n", True),
    (LINEAR + "publish: {repo: a/b, private: true, tags: [x], language: en, license: mit, description: x}\n", True),
    (LINEAR + "parameters: {normalize: [{filter: mlp, value: [true, false]}, {value: true}]}\n", True),
    (LINEAR.replace("weight: 1", "weight: [0, 1]"), True),
    (LINEAR.replace("weight: 1", "weight: {filter: mlp, value: 1}"), True),
    (LINEAR.replace("a/a", "{model: {path: a/a, revision: x}, lora: b/b}"), True),
    ("merge_method: ties\nbase_model: b/b\nmodels: [{model: a/a, parameters: {weight: 1, int8_mask: true}}]\n", True),
    ("merge_method: dare_ties\nbase_model: b/b\nmodels: [{model: a/a}]\nparameters: {weight: 1, lambda: 2}\n", True),
    ("merge_method: passthrough\nslices: [{sources: [{model: a/a, layer_range: [0, 1]}]}]\n", True),
    ("merge_method: slerp\nbase_model: b/b\nmodels: [{model: a/a}]\nparameters: {t: 0.5}\n", True),
    ("models: [{model: a/a}]\n", False),
    ("merge_method: x\nmodels: [{model: a/a}]\n", False),
    ("merge_method: linear\n", False),
    ("merge_method: linear\nmodels: []\n", False),
    ("merge_method: linear\nmodels: [{parameters: {weight: 1}}]\n", False),
    ("merge_method: linear\nmodels: [a/a]\n", False),
    (LINEAR + "slices: [{sources: [{model: a/a, layer_range: [0, 1]}]}]\n", False),
    (LINEAR + "colour: red\n", False),
    (LINEAR + "tokenizer_source: union\n", False),
    (LINEAR + "seed: -1\n", False),
    (LINEAR + "dtype: bf16\n", False),
    (LINEAR + "publish: {private: 'yes'}\n", False),
    (LINEAR + "publish: {tags: merge}\n", False),
    (LINEAR.replace("weight: 1", "weight: 1, density: 1"), False),
    (LINEAR.replace("weight: 1", "weight: 1, normalize: true"), False),
    (LINEAR.replace("weight: 1", "weight: heavy"), False),
    (LINEAR.replace("weight: 1", "weight: []"), False),
    (LINEAR.replace("weight: 1", "weight: {filter: mlp}"), False),
    (LINEAR.replace("weight: 1", "weight: [{value: 1}, 2]"), False),
    (LINEAR.replace("weight: 1", "weight: {filter: mlp, value: 1, x: 2}"), False),
    ("merge_method: slerp\nbase_model: b/b\nmodels: [{model: a/a}]\nparameters: {t: 1.5}\n", False),
    ("merge_method: slerp\nbase_model: b/b\nmodels: [{model: a/a}]\nparameters: {t: [0, 1.5]}\n", False),
    ("merge_method: passthrough\nslices: [{sources: [{model: a/a}]}]\n", False),
    ("merge_method: passthrough\nslices: [{sources: [{model: a/a, layer_range: [0, 1, 2]}]}]\n", False),
    ("merge_method: passthrough\nslices: [{sources: [{model: a/a, layer_range: [0, 1], x: 1}]}]\n", False),
    (
        "merge_method: dare_ties\nbase_model: b/b\nmodels: [{model: a/a}]\nparameters: {weight: 1, rescale_norm: x}\n",
        False,
    ),
]


@pytest.mark.parametrize(("text", "good"), AGREED)
def test_schema_and_reader_agree(text, good):
    assert holds(SCHEMA, yaml.safe_load(text)) is good
    assert any(finding.level == "error" for finding in parse(text).findings) is not good


@pytest.mark.parametrize("path", PUBLISHED)
def test_published_recipes_fit(path):
    assert holds(SCHEMA, yaml.safe_load(path.read_text(encoding="utf-8")))


def test_it_is_json():
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_it_names_all_keys_methods_and_types():
    assert list(SCHEMA["properties"]) == list(SCOPES["recipe"].keys)
    assert SCHEMA["properties"]["merge_method"]["enum"] == list(METHODS)
    assert SCHEMA["properties"]["dtype"]["enum"] == [*DTYPES, *(f"torch.{name}" for name in DTYPES)]
    assert SCHEMA["properties"]["seed"]["description"] == "what random methods start from"


def test_parameters_are_described_as_their_methods_do():
    (slerp,) = (one for one in SCHEMA["allOf"] if one["if"]["properties"]["merge_method"]["const"] == "slerp")
    t = slerp["then"]["properties"]["parameters"]["properties"]["t"]
    assert t["description"] == "0 is the base model, 1 the other one"
    assert t["anyOf"][0] == {"type": "number", "minimum": 0, "maximum": 1}
