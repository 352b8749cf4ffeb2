"""What of a recipe decides weights, in one canonical form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from engine.recipe.values import ModelRef, Parameters, Recipe, Source


def meaning(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as JSON, without what decides no weight (``publish``, ``name``, parameters without effect).

    Two texts that differ in the order of keys or documents, in spelling or in comments have the same meaning. Models
    keep their order: sums are added in it. Stages keep their names, which random streams are made of.
    """
    method = METHODS.get(recipe.merge_method or "")
    inert = frozenset[str]() if method is None else method.inert
    stages = {name: meaning(stage) for name, stage in recipe.stages.items()}
    return {
        "merge_method": recipe.merge_method,
        "base_model": _text(recipe.base_model),
        "dtype": recipe.dtype,
        "out_dtype": recipe.out_dtype,
        "seed": recipe.seed,
        "parameters": _parameters(recipe.parameters, inert),
        "models": None if recipe.models is None else [_source(source, inert) for source in recipe.models],
        "slices": None
        if recipe.slices is None
        else [
            {
                "sources": [_source(source, inert) for source in part.sources],
                "base_model": _text(part.base_model),
                "parameters": _parameters(part.parameters, inert),
            }
            for part in recipe.slices
        ],
    } | ({"stages": stages} if stages else {})


def _text(ref: ModelRef | None) -> str | None:
    return None if ref is None else ref.text


def _source(source: Source, inert: AbstractSet[str]) -> dict[str, Any]:
    layers = None if source.layer_range is None else list(source.layer_range)
    return {
        "model": source.model.text,
        "layer_range": layers,
        "parameters": _parameters(source.parameters, inert),
    }


def _parameters(parameters: Parameters, inert: AbstractSet[str]) -> dict[str, Any]:
    return {
        name: [[case.filter, list(case.points)] for case in setting]
        for name, setting in parameters.items()
        if name not in inert
    }
