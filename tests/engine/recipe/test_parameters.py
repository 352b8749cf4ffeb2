"""`parameters:` blocks: scalars, gradients, filters, and what is wrong with them."""

from __future__ import annotations

import pytest

from engine.recipe import Case, parse

LINEAR = "merge_method: linear\nmodels: [{model: a/a}, {model: b/b}]\nparameters: "
TIES = "merge_method: ties\nbase_model: org/base\nmodels: [{model: a/a}]\nparameters: "
SLERP = "merge_method: slerp\nbase_model: a/a\nmodels: [{model: a/a}, {model: b/b}]\nparameters: "
NUMBER_OR_SO = "expected a number, a text, true or false; correct the value"

SETTINGS = [
    ("1", (Case("", (1.0,)),)),
    ("0.5", (Case("", (0.5,)),)),
    ("-2", (Case("", (-2.0,)),)),
    # to YAML 1.1 these are texts
    ("1e-5", (Case("", (0.00001,)),)),
    ("+.5E2", (Case("", (50.0,)),)),
    ("'0.25'", (Case("", (0.25,)),)),
    ("[0, 0.5, 1e-1]", (Case("", (0.0, 0.5, 0.1)),)),
    ("[0.5]", (Case("", (0.5,)),)),
    ("{filter: mlp, value: [0, 1]}", (Case("mlp", (0.0, 1.0)),)),
    ("{value: 2}", (Case("", (2.0,)),)),
    ("{filter: '*', value: 2}", (Case("", (2.0,)),)),
    ("{filter: '', value: 2}", (Case("", (2.0,)),)),
    ("[{filter: , value: 2}]", (Case("", (2.0,)),)),
    (
        "[{filter: self_attn, value: [0, 1]}, {filter: layers.1., value: 1}, {value: 0.5}]",
        (Case("self_attn", (0.0, 1.0)), Case("layers.1.", (1.0,)), Case("", (0.5,))),
    ),
]


@pytest.mark.parametrize(("written", "setting"), SETTINGS)
def test_settings(written, setting):
    parsed = parse(f"{LINEAR}\n  weight: {written}\n")
    assert parsed.recipe is not None
    assert (parsed.recipe.parameters, parsed.findings) == ({"weight": setting}, ())


def test_booleans_may_be_filtered_and_graded():
    parsed = parse(f"{LINEAR}\n  weight: 1\n  normalize: [{{filter: mlp, value: [yes, no]}}, {{value: true}}]\n")
    assert parsed.recipe is not None
    assert parsed.findings == ()
    assert parsed.recipe.parameters["normalize"] == (Case("mlp", (True, False)), Case("", (True,)))


def test_a_choice():
    text = (
        "merge_method: dare_ties\nbase_model: b/b\nmodels: [{model: a/a}]\nparameters: {weight: 1, rescale_norm: l1}\n"
    )
    parsed = parse(text)
    assert parsed.recipe is not None
    assert (parsed.findings, parsed.recipe.parameters["rescale_norm"]) == ((), (Case("", ("l1",)),))


def test_names_are_those_of_recipes():
    parsed = parse(TIES + "{weight: 1, lambda: 0.5}\n")
    assert parsed.recipe is not None
    assert (parsed.findings, parsed.recipe.parameters["lambda"]) == ((), (Case("", (0.5,)),))


def test_a_method_that_is_unknown_leaves_settings_readable():
    parsed = parse("merge_method: slrep\nmodels: [{model: a/a}]\nparameters: {epsilon: 0.1, kind: x}\n")
    assert parsed.recipe is not None
    assert parsed.recipe.parameters == {"epsilon": (Case("", (0.1,)),), "kind": (Case("", ("x",)),)}


MISTAKES = [
    # names
    (LINEAR + "{wieght: 1}\n", ["error 3:14: `linear` has no parameter `wieght`; did you mean `weight`?"]),
    (
        LINEAR + "{weight: 1, density: 1}\n",
        ["error 3:25: `linear` has no parameter `density`; it takes weight, normalize"],
    ),
    (
        "merge_method: passthrough\nmodels: [{model: a/a}]\nparameters: {weight: 1}\n",
        ["error 3:14: `passthrough` has no parameter `weight`; it takes scale"],
    ),
    (
        "merge_method: linear\nmodels: [{model: a/a, parameters: {weight: 1, normalize: true}}]\n",
        [
            "error 2:47: `normalize` is a parameter of the whole merge, not of one model; "
            "put it under the recipe's `parameters:`",
        ],
    ),
    (
        "merge_method: slerp\nbase_model: a/a\nmodels: [{model: a/a}, {model: b/b, parameters: {t: 0.5}}]\n",
        [
            "error 3:50: `t` is a parameter of the whole merge, not of one model; "
            "put it under the recipe's `parameters:`"
        ],
    ),
    (
        "merge_method: slerp\nbase_model: a/a\nparameters: {t: 1}\n"
        "models: [{model: a/a}, {model: b/b, parameters: {weight: 1}}]\n",
        ["error 4:50: `slerp` has no parameter `weight`; it takes none here; remove it"],
    ),
    (
        "merge_method: linear\nmodels: [{model: a/a, parameters: {weight: 1, normalise: true}}]\n",
        ["error 2:47: `linear` has no parameter `normalise`; did you mean `normalize`?"],
    ),
    # without effect
    (
        "merge_method: task_arithmetic\nbase_model: b/b\nparameters: {int8_mask: true, rescale: 5}\n"
        "models: [{model: a/a, parameters: {weight: 1, density: 0.5}}]\n",
        [
            "note 3:14: `int8_mask` changes nothing in `task_arithmetic`",
            "note 3:31: `rescale` changes nothing in `task_arithmetic`",
            "note 4:47: `density` changes nothing in `task_arithmetic`",
        ],
    ),
    # values out of range
    (SLERP + "{t: 1.5}\n", ["error 4:17: `t` is `1.5`, expected a number from 0 to 1; correct the number"]),
    (
        SLERP + "{t: -1e-9}\n",
        ["error 4:17: `t` is the text `-1e-9`, expected a number from 0 to 1; correct the number"],
    ),
    (
        SLERP + "{t: [0, 1.01, 1, 2]}\n",
        [
            "error 4:21: item 2 of `t` is `1.01`, expected a number from 0 to 1; correct the number",
            "error 4:30: item 4 of `t` is `2`, expected a number from 0 to 1; correct the number",
        ],
    ),
    (
        SLERP + "\n  t:\n    - {filter: mlp, value: 7}\n    - value: [0, 8]\n",
        [
            "error 6:28: `value` is `7`, expected a number from 0 to 1; correct the number",
            "error 7:18: item 2 of `value` is `8`, expected a number from 0 to 1; correct the number",
        ],
    ),
    (
        TIES + "{weight: 1, density: 2}\n",
        ["error 4:34: `density` is `2`, expected a number from 0 to 1; correct the number"],
    ),
    (LINEAR + "{weight: .inf}\n", ["error 3:22: `weight` is `.inf`, expected a number; correct the number"]),
    (LINEAR + "{weight: .NaN}\n", ["error 3:22: `weight` is `.NaN`, expected a number; correct the number"]),
    # values of another kind
    (LINEAR + "{weight: heavy}\n", ["error 3:22: `weight` is the text `heavy`, expected a number; write a number"]),
    (LINEAR + "{weight: yes}\n", ["error 3:22: `weight` is `yes`, expected a number; write a number"]),
    (LINEAR + "{weight: }\n", ["error 3:21: `weight` is empty, expected a number; write a number"]),
    (LINEAR + "{weight: [[1]]}\n", ["error 3:23: item 1 of `weight` is a list, expected a number; write a number"]),
    (
        LINEAR + "{weight: 1, normalize: 1}\n",
        ["error 3:36: `normalize` is `1`, expected true or false; write `true`"],
    ),
    (
        LINEAR + "{weight: 1, normalize: 'false'}\n",
        [
            "error 3:36: `normalize` is the text `false`, expected true or false; "
            "write `true` or `false`, without quotes"
        ],
    ),
    (
        "merge_method: dare_ties\nbase_model: b/b\nmodels: [{model: a/a}]\nparameters: {weight: 1, rescale_norm: l2}\n",
        ["error 4:39: `rescale_norm` is the text `l2`, expected `density` or `l1`; write `density` or `l1`"],
    ),
    # the form
    (LINEAR + "{weight: []}\n", ["error 3:22: `weight` is an empty list; give numbers"]),
    (
        LINEAR + "{weight: {filter: mlp}}\n",
        ["error 3:22: this entry has no `value`; add one, such as `value: 0.5`"],
    ),
    (
        LINEAR + "{weight: {filter: mlp, vlaue: 1}}\n",
        ["error 3:36: `vlaue` is no key of an entry with `filter` and `value`; did you mean `value`?"],
    ),
    (
        LINEAR + "{weight: [{filter: mlp, value: 1, weight: 2}]}\n",
        ["error 3:47: `weight` is no key of an entry with `filter` and `value`; there are filter, value"],
    ),
    (
        LINEAR + "{weight: [{filter: mlp, value: 1}, 0.5]}\n",
        [
            "error 3:48: item 2 of `weight` is `0.5`, expected an entry with `filter` and `value`, "
            "as its neighbours are; write it as `- value: 0.5`",
        ],
    ),
    (
        LINEAR + "{weight: [{filter: [mlp], value: 1}]}\n",
        ["error 3:32: `filter` is a list, expected a text; write it in one line"],
    ),
    (LINEAR + "[weight]\n", ["error 3:13: `parameters` is a list, expected a mapping; write each as `name: value`"]),
    (
        "merge_method: slrep\nmodels: [{model: a/a}]\nparameters: {p: [1, x, true], q: [x], r: }\n",
        [
            "error 1:15: `slrep` is no merge method; did you mean `slerp`?",
            "error 3:17: `p` is a list of other things than numbers, or than true and false; "
            "give one value, or a number for each step",
            "error 3:34: `q` is a list of other things than numbers, or than true and false; "
            "give one value, or a number for each step",
            f"error 3:41: `r` is empty, {NUMBER_OR_SO}",
        ],
    ),
    # the tag is told of, and nothing that follows from it
    (
        LINEAR + "{weight: !x 1}\n",
        [
            "error 3:22: the tag `!x` is not allowed; a recipe holds text, numbers, booleans, lists and mappings; "
            "remove the tag",
        ],
    ),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_findings(said, text, expected):
    assert said(text) == expected


def test_a_number_too_large_for_floating_point(said):
    assert said(LINEAR + "{weight: 1e400}\n") == [
        "error 3:22: `weight` is the text `1e400`, expected a number; correct the number"
    ]
