"""What of a recipe its digests are made of."""

from __future__ import annotations

import json

import pytest

from engine.recipe import meaning, parse

TIES = """\
merge_method: ties
base_model: org/base
models:
  - model: org/a@main
    parameters: {weight: 0.5, density: [0, 1]}
dtype: bfloat16
"""


def _meaning(text):
    parsed = parse(text)
    assert parsed.recipe is not None
    assert all(finding.level == "note" for finding in parsed.findings)
    return json.dumps(meaning(parsed.recipe), sort_keys=True)


def test_the_meaning_in_full():
    assert json.loads(_meaning(TIES)) == {
        "merge_method": "ties",
        "base_model": "org/base",
        "dtype": "bfloat16",
        "out_dtype": None,
        "seed": 0,
        "parameters": {},
        "models": [
            {
                "model": "org/a@main",
                "layer_range": None,
                "parameters": {"density": [["", [0.0, 1.0]]], "weight": [["", [0.5]]]},
            }
        ],
        "slices": None,
    }


def test_slices():
    text = (
        "merge_method: passthrough\nslices: [{sources: [{model: a/a, layer_range: [0, 2], parameters: {scale: 1}}]}]\n"
    )
    assert json.loads(_meaning(text))["slices"] == [
        {
            "sources": [{"model": "a/a", "layer_range": [0, 2], "parameters": {"scale": [["", [1.0]]]}}],
            "base_model": None,
            "parameters": {},
        }
    ]


@pytest.mark.parametrize(
    "text",
    [
        "# the same\nseed: 0\n" + TIES,
        "\n".join([*reversed([line for line in TIES.splitlines() if line[0] != " "]), ""]).replace(
            "models:\n", "models: [{parameters: {density: [0.0, 1], weight: '5e-1'}, model: org/a@main}]\n"
        ),
        TIES.replace("bfloat16", "torch.bfloat16"),
        TIES.replace("org/a@main", "{model: {path: org/a, revision: main}}"),
        TIES.replace("weight: 0.5", "weight: [{filter: '*', value: 0.50}]"),
        TIES + "parameters: {int8_mask: true}\n",
        TIES + "name: a\npublish: {repo: me/a}\n",
    ],
)
def test_what_decides_no_weight_is_no_part_of_it(text):
    assert _meaning(text) == _meaning(TIES)


@pytest.mark.parametrize(
    "text",
    [
        TIES + "seed: 1\n",
        TIES + "parameters: {normalize: false}\n",
        TIES.replace("bfloat16", "float16"),
        TIES.replace("dtype", "out_dtype"),
        TIES.replace("0.5", "0.6"),
        TIES.replace("[0, 1]", "{filter: mlp, value: [0, 1]}"),
        TIES.replace("org/base", "org/other"),
        TIES.replace("@main", ""),
        TIES.replace("models:", "models:\n  - model: org/b\n    parameters: {weight: 1}"),
        TIES.replace("method: ties", "method: dare_ties"),
    ],
)
def test_what_decides_weights_is_part_of_it(text):
    assert _meaning(text) != _meaning(TIES)


def test_models_keep_their_order():
    one, other = (
        "merge_method: linear\nparameters: {weight: 1}\nmodels: [" + pair + "]\n"
        for pair in (
            "{model: a/a}, {model: b/b}",
            "{model: b/b}, {model: a/a}",
        )
    )
    assert _meaning(one) != _meaning(other)
