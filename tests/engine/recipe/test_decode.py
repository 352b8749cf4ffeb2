"""The shape of a recipe: every mistake with its place, its words and what to do."""

from __future__ import annotations

import pytest

from engine.methods import METHODS as BUILT
from engine.recipe import Case, ModelRef, Recipe, Slice, Source, parse

METHODS = ", ".join(BUILT)
LINEAR = "merge_method: linear\nparameters: {weight: 1}\nmodels: [{model: a/a}, {model: b/b}]\n"
SLICES = "merge_method: passthrough\nslices:\n"

MISTAKES = [
    # the method
    (
        "models: [{model: a/a}]\n",
        [f"error 1:1: the recipe has no `merge_method`; add `merge_method:` with one of {METHODS}"],
    ),
    (
        "models: [{model: a/a}]\nmerge_method:\n",
        [f"error 2:1: the recipe has no `merge_method`; add `merge_method:` with one of {METHODS}"],
    ),
    (
        "merge_method: slrep\nmodels: [{model: a/a}]\n",
        ["error 1:15: `slrep` is no merge method; did you mean `slerp`?"],
    ),
    (
        "merge_method: SLERP\nmodels: [{model: a/a}]\n",
        ["error 1:15: `SLERP` is no merge method; did you mean `slerp`?"],
    ),
    (
        "merge_method: frankenstein\nmodels: [{model: a/a}]\n",
        [f"error 1:15: `frankenstein` is no merge method; there are {METHODS}"],
    ),
    (
        "merge_method: !x slerp\nmodels: [{model: a/a}]\n",
        [
            "error 1:15: the tag `!x` is not allowed; a recipe holds text, numbers, booleans, lists and mappings; "
            "remove the tag"
        ],
    ),
    (
        "merge_method: [slerp]\nmodels: [{model: a/a}]\n",
        ["error 1:15: `merge_method` is a list, expected a text; write it in one line"],
    ),
    # keys that are misspelt
    (
        "merge_metod: linear\nmodels: [{model: a/a}]\n",
        ["error 1:1: `merge_metod` is no key of a recipe; did you mean `merge_method`?"],
    ),
    (
        "merge_method: linear\nmodel: [{model: a/a}]\n",
        ["error 2:1: `model` is no key of a recipe; did you mean `models`?"],
    ),
    (
        "merge_method: ties\nbase_modle: a/a\nparameters: {weight: 1}\nmodels: [{model: b/b}]\n",
        ["error 2:1: `base_modle` is no key of a recipe; did you mean `base_model`?"],
    ),
    (
        LINEAR + "colour: red\n",
        [
            "error 4:1: `colour` is no key of a recipe; there are merge_method, models, slices, base_model, "
            "parameters, dtype, out_dtype, seed, name, publish"
        ],
    ),
    # keys that belong elsewhere
    (
        "merge_method: linear\nmodels:\n  - model: a/a\n    weight: 1\n",
        [
            "error 4:5: `weight` is no key of a model under `models:`; put it under this model's `parameters:`",
        ],
    ),
    (
        "merge_method: linear\nmodels:\n  - model: a/a\n    wieght: 1\n",
        [
            "error 4:5: `wieght` is no key of a model under `models:`; "
            "did you mean `weight`? put it under this model's `parameters:`",
        ],
    ),
    (
        "merge_method: linear\nmodels:\n  - model: a/a\n    parameters: {weight: 1}\n    normalize: true\n",
        [
            "error 5:5: `normalize` is no key of a model under `models:`; put it under the recipe's `parameters:`",
        ],
    ),
    (
        LINEAR + "density: 0.5\n",
        ["error 4:1: `density` is no key of a recipe; put it under `parameters:`"],
    ),
    (
        "merge_method: slerp\nt: 0.5\nbase_model: a/a\nmodels: [{model: a/a}, {model: b/b}]\n",
        ["error 2:1: `t` is no key of a recipe; put it under `parameters:`"],
    ),
    (
        "merge_method: linear\nparameters: {weight: 1}\nmodels:\n  - model: a/a\n    layer_range: [0, 8]\n",
        [
            "error 5:5: `layer_range` is no key of a model under `models:`; "
            "it belongs beside a slice's `- model:`, under `slices:` and `sources:`",
        ],
    ),
    (
        "parameters: {merge_method: linear, weight: 1}\nmodels: [{model: a/a}]\n",
        ["error 1:14: `merge_method` is no parameter; it belongs at the top level"],
    ),
    (
        "merge_method: ties\nparameters: {base_model: b/b, weight: 1}\nmodels: [{model: a/a}, {model: b/b}]\n",
        ["error 2:14: `base_model` is no parameter; it belongs at the top level"],
    ),
    (
        LINEAR + "license: mit\n",
        ["error 4:1: `license` is no key of a recipe; it belongs under `publish:`"],
    ),
    (
        SLICES + "  - sources: [{model: a/a, layer_range: [0, 1]}]\n    merge_method: slerp\n",
        ["error 4:5: `merge_method` is no key of a slice; it belongs at the top level"],
    ),
    # keys of mergekit's that are not built yet
    (
        LINEAR + "tokenizer_source: union\n",
        ["error 4:1: `tokenizer_source` (a tokenizer made of several) is not built yet; remove it"],
    ),
    (
        LINEAR + "tokenizer: {source: union}\nchat_template: auto\nmodules: {}\n",
        [
            "error 4:1: `tokenizer` (a tokenizer made of several) is not built yet; remove it",
            "error 5:1: `chat_template` (a chat template of choice) is not built yet; remove it",
            "error 6:1: `modules` (a merge of several sub-models) is not built yet; remove it",
        ],
    ),
    (LINEAR + "tokenizer:\n", []),
    (
        SLICES + "  - sources: [{model: a/a, layer_range: [0, 1]}]\n    residual_weight: 0.5\n",
        ["error 4:5: `residual_weight` (a slice with a residual connection) is not built yet; remove it"],
    ),
    # lists and items
    (
        "merge_method: linear\nmodels: a/a\n",
        ["error 2:9: `models` is the text `a/a`, expected a list; write each item as `- model: …`"],
    ),
    (
        "merge_method: linear\nmodels:\n  model: a/a\n",
        ["error 3:3: `models` is a mapping, expected a list; write each item as `- model: …`"],
    ),
    ("merge_method: linear\nmodels: []\n", ["error 2:1: `models` is empty; add a `- model: …`"]),
    ("merge_method: linear\nslices: []\n", ["error 2:1: `slices` is empty; add a `- sources: …`"]),
    (SLICES + "  - sources: []\n", ["error 3:5: `sources` is empty; add a `- model: …`"]),
    (
        SLICES + "  - parameters: {}\n",
        ["error 3:5: this slice has no `sources`; list the models that it is merged from"],
    ),
    (
        SLICES + "  - model: a/a\n    layer_range: [0, 1]\n",
        [
            "error 3:5: `model` is no key of a slice; put it under this slice's `sources:`",
            "error 4:5: `layer_range` is no key of a slice; put it under this slice's `sources:`",
        ],
    ),
    (
        SLICES + "  - a/a\n",
        ["error 3:5: item 1 of `slices` is the text `a/a`, expected a slice; write it as `- sources: …`"],
    ),
    (
        "merge_method: linear\nparameters: {weight: 1}\nmodels:\n  - a/a\n  - model: b/b\n",
        [
            "error 4:5: item 1 of `models` is the text `a/a`, expected a mapping with `model`; "
            "write it as `- model: a/a`"
        ],
    ),
    (
        "merge_method: linear\nmodels:\n  - parameters: {weight: 1}\n",
        ["error 3:5: this item has no `model`; name one, as in `- model: namespace/name`"],
    ),
    (
        "merge_method: linear\nmodels:\n  -\n",
        ["error 3:4: item 1 of `models` is empty, expected a mapping with `model`; write it as `- model: …`"],
    ),
    # models
    (
        "merge_method: linear\nmodels:\n  - model: ''\n",
        ["error 3:12: `model` is empty, expected a text; write one, or remove the key"],
    ),
    (
        'merge_method: linear\nmodels:\n  - model: "a\\nb"\n',
        [
            "error 3:12: `model` is the text `a\\nb`, expected one line; remove line breaks and control characters",
        ],
    ),
    (
        "merge_method: linear\nparameters: {weight: 1}\nmodels:\n  - model: {lora: a/lora}\n",
        ["error 4:12: this mapping has no `model`; add `model: namespace/name`"],
    ),
    (
        "merge_method: linear\nparameters: {weight: 1}\nmodels:\n  - model: {model: {revision: main}}\n",
        ["error 4:20: this mapping has no `path`; add `path: namespace/name`"],
    ),
    (
        "merge_method: linear\nparameters: {weight: 1}\nmodels:\n  - model: {path: a/a}\n",
        ["error 4:13: `path` is no key of a model written as a mapping; it belongs in a `model: {model: {path: …}}`"],
    ),
    (
        "merge_method: linear\nparameters: {weight: 1}\nmodels:\n"
        "  - model: {model: a/a, override_architecture: MistralForCausalLM}\n",
        ["note 4:25: `override_architecture` changes nothing: architectures are inferred"],
    ),
    # layer ranges
    (
        SLICES + "  - sources:\n      - model: a/a\n",
        [
            "error 4:9: under `slices:` every model needs a `layer_range`; add one, such as `layer_range: [0, 32]`",
        ],
    ),
    *(
        (
            SLICES + f"  - sources: [{{model: a/a, layer_range: {written}}}]\n",
            [
                f"error 3:41: `layer_range` {what}, expected the first layer and the one after the last; "
                "write it as in `[0, 32]`",
            ],
        )
        for written, what in [
            ("[0, 1, 2]", "is no pair of whole numbers"),
            ("[0]", "is no pair of whole numbers"),
            ("0-32", "is no pair of whole numbers"),
            ("[0.0, 32.0]", "is no pair of whole numbers"),
            ("[true, 32]", "is no pair of whole numbers"),
            ("[-8, 32]", "has a number below 0"),
            ("[32, 8]", "ends at 8, before it starts at 32"),
        ]
    ),
    (SLICES + "  - sources: [{model: a/a, layer_range: [32, 32]}]\n", []),
    # element types and the seed
    *(
        (
            LINEAR + f"{key}: {written}\n",
            [
                f"error 4:{len(key) + 3}: `{written}` is no element type for weights, "
                f"expected bfloat16, float16, float32, float64; {fix}",
            ],
        )
        for key, written, fix in [
            ("dtype", "bf16", "did you mean `bfloat16`?"),
            ("dtype", "fp16", "did you mean `float16`?"),
            ("out_dtype", "torch.bfloat", "did you mean `bfloat16`?"),
            ("dtype", "int8", "write one of them"),
            ("dtype", "half", "did you mean `float16`?"),
        ]
    ),
    *(
        (
            LINEAR + f"seed: {written}\n",
            [f"error 4:7: `seed` is {said}, expected a whole number of at least 0; write one, such as `seed: 42`"],
        )
        for written, said in [
            ("-1", "`-1`"),
            ("1.5", "`1.5`"),
            ("true", "`true`"),
            ("'7'", "the text `7`"),
            ("[1]", "a list"),
        ]
    ),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_findings(said, text, expected):
    assert said(text) == expected


def test_all_mistakes_come_at_once(said):
    text = """\
        merge_method: tise
        base_model: org/base
        models:
          - model: org/a
            wieght: 0.5
          - org/b
          - model: org/c
            parameters: {weight: .nan}
        dtyp: bfloat16
        seed: -3
        """
    assert said(text) == [
        "error 1:15: `tise` is no merge method; did you mean `ties`?",
        "error 5:5: `wieght` is no key of a model under `models:`; "
        "did you mean `weight`? put it under this model's `parameters:`",
        "error 6:5: item 2 of `models` is the text `org/b`, expected a mapping with `model`; "
        "write it as `- model: org/b`",
        "error 8:26: `weight` is `.nan`, expected a number, a text, true or false; correct the value",
        "error 9:1: `dtyp` is no key of a recipe; did you mean `dtype`?",
        "error 10:7: `seed` is `-3`, expected a whole number of at least 0; write one, such as `seed: 42`",
    ]


def test_what_was_understood_is_kept():
    parsed = parse("merge_method: ties\nmodels: [{model: a/a}, 5, {model: b/b, parameters: {weight: x, density: 1}}]\n")
    assert parsed.recipe == Recipe(
        merge_method="ties",
        models=(
            Source(ModelRef("a/a"), None, {}, ("models", 0)),
            Source(ModelRef("b/b"), None, {"density": (Case("", (1.0,)),)}, ("models", 2)),
        ),
    )


def test_a_whole_recipe():
    text = """\
merge_method: slerp
base_model: {model: {path: org/a, revision: main}}
dtype: torch.bfloat16
out_dtype: float32
seed: 7
name: a-and-b
parameters:
  t: [0, 1]
slices:
  - base_model: org/c
    parameters: {t: 0.5}
    sources:
      - {model: org/c, layer_range: [0, 8], parameters: {}}
      - {model: org/d, layer_range: [8, 16]}
  - sources:
      - {model: org/a@main, layer_range: [0, 8]}
      - {model: {model: org/b, lora: {path: org/lora, revision: v1}}, layer_range: [0, 8]}
"""
    parsed = parse(text)
    assert parsed.findings == ()
    assert parsed.recipe == Recipe(
        merge_method="slerp",
        base_model=ModelRef("org/a@main"),
        dtype="bfloat16",
        out_dtype="float32",
        seed=7,
        name="a-and-b",
        parameters={"t": (Case("", (0.0, 1.0)),)},
        slices=(
            Slice(
                sources=(
                    Source(ModelRef("org/c"), (0, 8), {}, ("slices", 0, "sources", 0)),
                    Source(ModelRef("org/d"), (8, 16), {}, ("slices", 0, "sources", 1)),
                ),
                base_model=ModelRef("org/c"),
                parameters={"t": (Case("", (0.5,)),)},
                at=("slices", 0),
            ),
            Slice(
                sources=(
                    Source(ModelRef("org/a@main"), (0, 8), {}, ("slices", 1, "sources", 0)),
                    Source(ModelRef("org/b+org/lora@v1"), (0, 8), {}, ("slices", 1, "sources", 1)),
                ),
                base_model=None,
                parameters={},
                at=("slices", 1),
            ),
        ),
    )
