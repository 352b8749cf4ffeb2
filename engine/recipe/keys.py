"""Every key that a recipe may hold, and where: the checks and the JSON schema are made from these tables."""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.methods import METHODS
from engine.recipe.expected import fields_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DTYPES = ("bfloat16", "float16", "float32", "float64")


@dataclass(frozen=True)
class Scope:
    """A mapping in a recipe: ``owner`` and ``home`` name it in messages ("no key of …", "it belongs …").

    ``keys`` has a JSON schema for each, ``unbuilt`` says of mergekit's other keys what they would do.
    """

    owner: str
    home: str
    keys: Mapping[str, Mapping[str, Any]]
    unbuilt: Mapping[str, str] = field(default_factory=dict)


def _ref(name: str, description: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}", "description": description}


def _list(name: str, description: str) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": {"$ref": f"#/$defs/{name}"}, "description": description}


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _dtype(description: str) -> dict[str, Any]:
    return {"enum": [*DTYPES, *(f"torch.{name}" for name in DTYPES)], "description": description}


_MODEL = _ref("model", "a stage of this file, a model on the Hub (namespace/name, and @revision as needed) or a folder")
_OWN_PARAMETERS = _ref("parameters", "this model's parameters")
_BASE = "the model that task vectors are taken against, or that t = 0 gives"

SCOPES: Mapping[str, Scope] = {
    "recipe": Scope(
        owner="a recipe",
        home="at the top level",
        keys={
            "merge_method": _text("what is computed for each tensor"),
            "models": _list("entry", "the models to merge, each with all its layers"),
            "slices": _list("slice", "the layers of the result, slice by slice; instead of `models`"),
            "base_model": _MODEL | {"description": _BASE},
            "parameters": _ref("parameters", "parameters of the whole merge, and of models that do not set their own"),
            "dtype": _dtype("element type of the result"),
            "out_dtype": _dtype("element type of the result where it is not `dtype`"),
            "seed": {"type": "integer", "minimum": 0, "default": 0, "description": "what random methods start from"},
            "name": _text("name of the result; of a stage, in a file of several documents"),
            "publish": _ref("publish", "where the result goes on the Hub, and what its card says"),
        },
        unbuilt={
            "modules": "a merge of several sub-models",
            "tokenizer": "a tokenizer made of several",
            "tokenizer_source": "a tokenizer made of several",
            "chat_template": "a chat template of choice",
        },
    ),
    "entry": Scope(
        owner="a model under `models:`",
        home="under `models:`",
        keys={"model": _MODEL, "parameters": _OWN_PARAMETERS},
    ),
    "slice": Scope(
        owner="a slice",
        home="in a slice under `slices:`",
        keys={
            "sources": _list("source", "the models that this slice is merged from"),
            "base_model": _MODEL | {"description": _BASE + ", in this slice"},
            "parameters": _ref("parameters", "parameters of this slice"),
        },
        unbuilt={"residual_weight": "a slice with a residual connection"},
    ),
    "source": Scope(
        owner="a model under `sources:`",
        home="beside a slice's `- model:`, under `slices:` and `sources:`",
        keys={
            "model": _MODEL,
            "layer_range": {
                "type": "array",
                "items": {"type": "integer", "minimum": 0},
                "minItems": 2,
                "maxItems": 2,
                "description": "first layer, and the one after the last",
            },
            "parameters": _OWN_PARAMETERS,
        },
    ),
    "model": Scope(
        owner="a model written as a mapping",
        home="in a `model:` written as a mapping",
        keys={
            "model": _ref("path", "a model on the Hub, or a folder"),
            "lora": _ref("path", "a LoRA adapter to add to it, which is not built yet"),
            "override_architecture": _text("accepted for mergekit's recipes; architectures are inferred"),
        },
    ),
    "path": Scope(
        owner="a model's path written as a mapping",
        home="in a `model: {model: {path: …}}`",
        keys={"path": _text("namespace/name, or a folder"), "revision": _text("branch, tag or commit")},
    ),
    "case": Scope(
        owner="an entry with `filter` and `value`",
        home="in a parameter's entry",
        keys={"filter": _text("part of a tensor's name; left out or `*`, it is every tensor"), "value": {}},
    ),
    "publish": Scope(
        owner="`publish:`",
        home="under `publish:`",
        keys={
            "repo": _text("namespace/name on the Hub"),
            "private": {"type": "boolean", "description": "whether only its owners see it"},
            "license": _text("licence of the result, such as apache-2.0; by default the parents' where they agree"),
            "license_name": _text("name of the licence where `license` is other"),
            "tags": {"type": "array", "items": {"type": "string"}, "description": "more tags for the card"},
            "language": {
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
                "description": "language codes, such as en",
            },
            "description": _text("a paragraph for the card"),
        },
        unbuilt={"collection": "a collection to add the result to"},
    ),
}


@functools.cache
def parameter_homes() -> tuple[frozenset[str], frozenset[str]]:
    """Names of all methods' parameters: those per model, and those for the whole merge."""
    own = {name for method in METHODS.values() for name in fields_of(method.source_parameters)}
    whole = {name for method in METHODS.values() for name in fields_of(method.parameters)}
    return frozenset(own), frozenset(whole - own)


def nearest(name: str, among: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the name that a misspelt one most likely meant."""
    by_lower = {candidate.lower(): candidate for candidate in among}
    near = difflib.get_close_matches(name.lower(), by_lower, 1, cutoff)
    return by_lower[near[0]] if near else None
