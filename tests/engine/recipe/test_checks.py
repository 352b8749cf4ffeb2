"""Checks of a recipe as a whole: lists, models, bases."""

from __future__ import annotations

import pytest

BASELESS = "error 1:1: `{}` needs a `base_model`; add `base_model: …`"

MISTAKES = [
    # models and slices
    (
        "merge_method: linear\n",
        ["error 1:1: the recipe has neither `models` nor `slices`; list what to merge under `models:`"],
    ),
    (
        "merge_method: passthrough\nmodels: [{model: a/a}]\nslices: [{sources: [{model: a/a, layer_range: [0, 1]}]}]\n",
        ["error 3:1: the recipe has both `models` and `slices`, expected one of them; remove one"],
    ),
    (
        "merge_method: passthrough\nslices: [{sources: [{model: a/a, layer_range: [0, 1]}]}]\nmodels: [{model: a/a}]\n",
        ["error 3:1: the recipe has both `models` and `slices`, expected one of them; remove one"],
    ),
    # one model twice
    (
        "merge_method: linear\nparameters: {weight: 1}\nmodels:\n  - model: a/a\n  - model: b/b\n  - model: a/a\n",
        ["error 6:5: `a/a` is listed twice among models that are merged with each other; remove one of them"],
    ),
    (
        "merge_method: linear\nparameters: {weight: 1}\nmodels:\n"
        "  - model: a/a@main\n  - model: {model: {path: a/a, revision: main}}\n  - model: a/a\n",
        ["error 5:5: `a/a@main` is listed twice among models that are merged with each other; remove one of them"],
    ),
    # layers
    (
        "merge_method: linear\nparameters: {weight: 1}\nslices:\n  - sources:\n"
        "      - {model: a/a, layer_range: [0, 8]}\n"
        "      - {model: b/b, layer_range: [8, 16]}\n"
        "      - {model: c/c, layer_range: [0, 9]}\n",
        [
            "error 7:35: `layer_range` has 9 layers, and the slice's first model gives 8; "
            "give the same number of layers of each",
        ],
    ),
    # a base that is missing
    ("merge_method: slerp\nparameters: {t: 1}\nmodels: [{model: a/a}, {model: b/b}]\n", [BASELESS.format("slerp")]),
    (
        "merge_method: ties\nmodels:\n  - model: a/base\n  - model: a/a\n    parameters: {weight: 1}\n",
        [BASELESS.format("ties")],
    ),
    (
        "merge_method: slerp\nparameters: {t: 1}\nslices:\n"
        "  - {base_model: a/a, sources: [{model: a/a, layer_range: [0, 1]}, {model: b/b, layer_range: [0, 1]}]}\n"
        "  - {sources: [{model: a/a, layer_range: [0, 1]}, {model: b/b, layer_range: [0, 1]}]}\n",
        [BASELESS.format("slerp")],
    ),
    (
        "merge_method: slerp\nparameters: {t: 1}\nslices:\n"
        "  - {base_model: a/a, sources: [{model: a/a, layer_range: [0, 1]}, {model: b/b, layer_range: [0, 1]}]}\n",
        [],
    ),
    (
        "merge_method: slerp\nparameters: {t: 1}\nbase_model: []\nmodels: [{model: a/a}, {model: b/b}]\n",
        ["error 3:13: `base_model` is a list, expected a text; write it in one line"],
    ),
    (
        "merge_method: slerp\nparameters: {t: 1}\nslices:\n"
        "  - {base_model: [], sources: [{model: a/a, layer_range: [0, 1]}, {model: b/b, layer_range: [0, 1]}]}\n",
        ["error 4:18: `base_model` is a list, expected a text; write it in one line"],
    ),
    (
        "merge_method: slerp\nparameters: {t: 1}\nbase_model: {model: {revision: x}}\n"
        "models: [{model: a/a}, {model: b/b}]\n",
        ["error 3:21: this mapping has no `path`; add `path: namespace/name`"],
    ),
    (
        "merge_method: ties\n",
        [
            BASELESS.format("ties"),
            "error 1:1: the recipe has neither `models` nor `slices`; list what to merge under `models:`",
        ],
    ),
    # a base that is not among a slice's sources
    (
        "merge_method: slerp\nparameters: {t: 1}\nbase_model: c/c\nslices:\n"
        "  - sources: [{model: a/a, layer_range: [0, 1]}, {model: b/b, layer_range: [0, 1]}]\n",
        [
            "error 5:5: the base model `c/c` is not among this slice's sources; "
            "add it to them, or name one of them as `base_model`",
        ],
    ),
    (
        "merge_method: slerp\nparameters: {t: 1}\nbase_model: OpenPipe/mistral-ft-optimised-1218\n"
        "slices:\n  - sources:\n"
        "      - {model: OpenPipe/mistral-ft-optimized-1218, layer_range: [0, 1]}\n"
        "      - {model: b/b, layer_range: [0, 1]}\n",
        [
            "error 5:5: the base model `OpenPipe/mistral-ft-optimised-1218` is not among this slice's sources; "
            "did you mean `OpenPipe/mistral-ft-optimized-1218`?",
        ],
    ),
    (
        "merge_method: ties\nbase_model: c/c\nslices:\n  - sources:\n"
        "      - {model: a/a, layer_range: [0, 1]}\n"
        "      - {model: b/b, layer_range: [0, 1], parameters: {weight: 1}}\n",
        [
            "error 4:5: the base model `c/c` is not among this slice's sources; "
            "add it to them, or name one of them as `base_model`",
        ],
    ),
    (
        "merge_method: linear\nparameters: {weight: 1}\nbase_model: c/c\nslices:\n"
        "  - sources: [{model: a/a, layer_range: [0, 1]}, {model: b/b, layer_range: [0, 1]}]\n",
        [],
    ),
    # a base that only lends
    (
        "merge_method: passthrough\nbase_model: c/c\nslices:\n  - sources: [{model: a/a, layer_range: [0, 1]}]\n",
        ["note 2:1: `base_model` lends `passthrough` its config and tokenizer only; mergekit refuses it"],
    ),
    (
        "merge_method: passthrough\nbase_model: c/c\nmodels: [{model: a/a}]\n",
        ["note 2:1: `base_model` lends `passthrough` its config and tokenizer only; mergekit refuses it"],
    ),
    # the number of models
    (
        "merge_method: slerp\nparameters: {t: 1}\nbase_model: a/a\nmodels:\n"
        "  - model: a/a\n  - model: b/b\n  - model: c/c\n",
        [
            "error 4:1: `slerp` takes exactly 1 model besides the base, found 2; keep 1, or choose another method",
        ],
    ),
    (
        "merge_method: slerp\nparameters: {t: 1}\nbase_model: a/a\nmodels: [{model: a/a}]\n",
        ["error 4:1: `slerp` takes exactly 1 model besides the base, found 0; add 1 more"],
    ),
    (
        "merge_method: slerp\nparameters: {t: 1}\nbase_model: a/a\nslices:\n"
        "  - sources: [{model: a/a, layer_range: [0, 1]}]\n",
        ["error 5:5: `slerp` takes exactly 1 model besides the base, found 0; add 1 more"],
    ),
    ("merge_method: slerp\nparameters: {t: 1}\nbase_model: a/a\nmodels: [{model: b/b}]\n", []),
    (
        "merge_method: ties\nbase_model: a/a\nmodels: [{model: a/a}]\n",
        ["error 3:1: `ties` takes at least 1 model besides the base, found 0; add 1 more"],
    ),
    (
        "merge_method: passthrough\nmodels: [{model: a/a}, {model: b/b}]\n",
        [
            "error 2:1: `passthrough` takes exactly 1 model, found 2; "
            "to stack models, give each a slice of its own under `slices:`",
        ],
    ),
    (
        "merge_method: passthrough\nslices:\n"
        "  - sources: [{model: a/a, layer_range: [0, 1]}, {model: b/b, layer_range: [0, 1]}]\n",
        ["error 3:5: `passthrough` takes exactly 1 model, found 2; keep 1, or choose another method"],
    ),
    (
        "merge_method: model_stock\nbase_model: a/a\nmodels: [{model: a/a}, {model: b/b}]\n",
        ["error 3:1: `model_stock` takes at least 2 models besides the base, found 1; add 1 more"],
    ),
    (
        "merge_method: nearswap\nparameters: {t: 1}\nbase_model: a/a\nmodels: [{model: b/b}, {model: c/c}]\n",
        ["error 4:1: `nearswap` takes exactly 1 model besides the base, found 2; keep 1, or choose another method"],
    ),
    # a base that may be missing
    ("merge_method: nuslerp\nparameters: {weight: 1}\nmodels: [{model: a/a}, {model: b/b}]\n", []),
    ("merge_method: nuslerp\nparameters: {weight: 1}\nbase_model: c/c\nmodels: [{model: a/a}, {model: b/b}]\n", []),
    (
        "merge_method: nuslerp\nparameters: {weight: 1}\nmodels: [{model: a/a}, {model: b/b}, {model: c/c}]\n",
        ["error 3:1: `nuslerp` takes exactly 2 models, found 3; keep 2, or choose another method"],
    ),
    (
        "merge_method: nuslerp\nparameters: {weight: 1}\nbase_model: a/a\nmodels: [{model: a/a}, {model: b/b}]\n",
        ["error 4:1: `nuslerp` takes exactly 2 models besides the base, found 1; add 1 more"],
    ),
    (
        "merge_method: multislerp\nparameters: {weight: 1}\nbase_model: a/a\nmodels: [{model: a/a}]\n",
        ["error 4:1: `multislerp` takes at least 1 model besides the base, found 0; add 1 more"],
    ),
    ("merge_method: multislerp\nparameters: {weight: 1}\nmodels: [{model: a/a}]\n", []),
    (
        "merge_method: nuslerp\nparameters: {weight: 1}\nbase_model: c/c\nslices:\n"
        "  - sources: [{model: a/a, layer_range: [0, 1]}, {model: b/b, layer_range: [0, 1]}]\n",
        [
            "error 5:5: the base model `c/c` is not among this slice's sources; "
            "add it to them, or name one of them as `base_model`",
        ],
    ),
    (
        "merge_method: multislerp\nbase_model: a/a\nmodels:\n"
        "  - model: a/a\n    parameters: {weight: 1}\n  - model: b/b\n    parameters: {weight: 1}\n",
        ["note 5:5: parameters of the base model change nothing"],
    ),
    # a base that is one more model
    ("merge_method: karcher\nbase_model: c/c\nmodels: [{model: a/a}]\n", []),
    ("merge_method: karcher\nmodels: [{model: a/a}]\n", []),
    # an item that cannot be read says nothing about the number
    (
        "merge_method: slerp\nparameters: {t: 1}\nbase_model: a/a\nmodels: [{model: a/a}, {model: }]\n",
        ["error 4:24: this item has no `model`; name one, as in `- model: namespace/name`"],
    ),
    # parameters of the base
    (
        "merge_method: ties\nbase_model: a/a\nmodels:\n"
        "  - model: a/a\n    parameters: {weight: 1}\n  - model: b/b\n    parameters: {weight: 1}\n",
        ["note 5:5: parameters of the base model change nothing"],
    ),
    (
        "merge_method: linear\nbase_model: a/a\nmodels:\n"
        "  - model: a/a\n    parameters: {weight: 1}\n  - model: b/b\n    parameters: {weight: 1}\n",
        [],
    ),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_findings(said, text, expected):
    assert said(text) == expected
