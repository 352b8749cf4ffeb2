"""Recipes of sce, ram, ramplus_tl and arcee_fusion over base, one and two, with their formulas."""

from __future__ import annotations

import reference_selective as reference
from cases import MODELS, Case


def formula(method, *sources, **options):
    """The formula of a method over base and these models."""

    def expected(name, models):
        return method(models["base"][name], [models[m][name] for m in sources], **options)

    return expected


def recipe(method: str, parameters: str = "") -> str:
    return (
        f"merge_method: {method}\nbase_model: $base\nparameters: {{{parameters}}}\n"
        "models: [{model: $base}, {model: $one}, {model: $two}]\n"
    )


CASES = {
    "sce": Case(recipe("sce"), formula(reference.sce, *MODELS[1:])),
    "sce of a part": Case(recipe("sce", "select_topk: 0.4"), formula(reference.sce, *MODELS[1:], topk=0.4)),
    "ram": Case(recipe("ram", "epsilon: 0.01"), formula(reference.ram, *MODELS[1:], epsilon=0.01)),
    "ramplus_tl": Case(
        recipe("ramplus_tl", "epsilon: 0.02, r: 0.3, alpha: 0.7"),
        formula(reference.ram, *MODELS[1:], epsilon=0.02, r=0.3, alpha=0.7),
    ),
    "arcee_fusion": Case(
        "merge_method: arcee_fusion\nbase_model: $base\nmodels: [{model: $base}, {model: $two}]\n",
        lambda name, models: reference.arcee_fusion(models["base"][name], models["two"][name]),
    ),
}
