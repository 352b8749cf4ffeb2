"""Recipes of nuslerp, multislerp, karcher, model_stock and nearswap over base, one and two, with their formulas."""

from __future__ import annotations

import reference_spherical as reference
from cases import MODELS, Case


def recipe(method: str, models: str, parameters: str = "", base: str = "") -> str:
    """``models`` is a list of names, each with its weight as in ``one 0.3`` where the method takes one."""
    listed = [text.split() for text in models.split(", ")]
    entries = [f"{{model: ${name}, parameters: {{{f'weight: {w[0]}' if w else ''}}}}}" for name, *w in listed]
    lines = [f"merge_method: {method}", f"parameters: {{{parameters}}}", f"models: [{', '.join(entries)}]"]
    return "\n".join([*lines, *([f"base_model: ${base}"] if base else [])]) + "\n"


def formula(method, *models, base=None, **options):
    def expected(name, tensors):
        taken = [tensors[model][name] for model in models]
        if not taken[0].numel():
            return taken[0].double()
        return method(taken, base=tensors[base][name], **options) if base else method(taken, **options)

    return expected


def measured(recipe, expected):
    """What decides is measured over whole rows, columns or tensors, so that factors carry the errors of sums."""
    return Case(recipe, expected, local=False, slack=2.0**-50)


ROWS, COLUMNS = "nuslerp_flatten: false", "nuslerp_flatten: false, nuslerp_row_wise: true"
CASES = {
    "nuslerp": measured(
        recipe("nuslerp", "base 0.3, one 0.9"), formula(reference.nuslerp, "base", "one", weights=[0.3, 0.9])
    ),
    "nuslerp of task vectors": measured(
        recipe("nuslerp", "one 0.5, two 0.3", base="base"),
        formula(reference.nuslerp, "one", "two", base="base", weights=[0.5, 0.3]),
    ),
    "nuslerp beyond the ends": measured(
        recipe("nuslerp", "two 1.5, base -0.5"), formula(reference.nuslerp, "two", "base", weights=[1.5, -0.5])
    ),
    "nuslerp of rows": measured(
        recipe("nuslerp", "base 0.3, two 0.9", ROWS),
        formula(reference.nuslerp, "base", "two", weights=[0.3, 0.9], axis=-1),
    ),
    "nuslerp of columns": measured(
        recipe("nuslerp", "one 0.5, two 0.3", COLUMNS, "base"),
        formula(reference.nuslerp, "one", "two", base="base", weights=[0.5, 0.3], axis=0),
    ),
    "nuslerp by slices and filters": measured(
        "merge_method: nuslerp\nparameters: {nuslerp_flatten: [{filter: coarse, value: false}, {value: true}]}\n"
        "slices:\n  - base_model: $base\n    sources:\n      - {model: $base, layer_range: [0, 1]}\n"
        "      - {model: $one, layer_range: [0, 1], parameters: {weight: [{filter: far, value: 0.2}, {value: 0.5}]}}\n"
        "      - {model: $two, layer_range: [0, 1], parameters: {weight: [0.9, 0.3]}}\n",
        lambda name, tensors: formula(
            reference.nuslerp,
            "one",
            "two",
            base="base",
            weights=[0.2 if "far" in name else 0.5, 0.3],
            axis=-1 if "coarse" in name else None,
        )(name, tensors),
    ),
    "multislerp": measured(
        recipe("multislerp", "base 0.5, one 0.3, two 0.4"),
        formula(reference.multislerp, *MODELS, weights=[0.5, 0.3, 0.4]),
    ),
    "multislerp of task vectors": measured(
        recipe("multislerp", "one 0.5, two 0.7", "normalize_weights: false, eps: 0.001", "base"),
        formula(reference.multislerp, "one", "two", base="base", weights=[0.5, 0.7], normalize=False, eps=0.001),
    ),
    "multislerp of opposed models": measured(
        recipe("multislerp", "base 0.5, one 0.5"), formula(reference.multislerp, "base", "one", weights=[0.5, 0.5])
    ),
    "karcher": measured(recipe("karcher", "base, one, two"), formula(reference.karcher, *MODELS)),
    "karcher with a base": measured(
        recipe("karcher", "one, two", "max_iter: 1, tol: 1e-9", "base"),
        formula(reference.karcher, "one", "two", "base", max_iter=1, tol=1e-9),
    ),
    "model_stock": measured(
        recipe("model_stock", "one, two", base="base"), formula(reference.model_stock, "one", "two", base="base")
    ),
    "model_stock of rows": measured(
        recipe("model_stock", "base, one, two", "filter_wise: true", "base"),
        formula(reference.model_stock, "one", "two", base="base", rows=True),
    ),
    "nearswap": Case(
        recipe("nearswap", "base, one", "t: 0.01", "base"),
        lambda name, tensors: reference.nearswap(tensors["base"][name], tensors["one"][name], 0.01),
    ),
}
