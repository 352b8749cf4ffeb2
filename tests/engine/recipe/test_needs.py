"""Parameters that a method needs, and weights that cancel."""

from __future__ import annotations

import pytest

SLERP = "merge_method: slerp\nbase_model: a/a\n"
TWO = "{model: a/a, layer_range: [0, 1]}, {model: b/b, layer_range: [0, 1]}"
CANCEL = (
    "the weights of these models add up to 0, and the result is divided by their sum; "
    "change a weight, or set `normalize: false`"
)

MISTAKES = [
    # per model
    (
        "merge_method: linear\nmodels:\n  - model: a/a\n    parameters: {weight: 1}\n  - model: b/b\n",
        ["error 5:5: `b/b` has no `weight`, which `linear` needs; add `parameters: {weight: …}` to it"],
    ),
    (
        "merge_method: ties\nbase_model: a/a\nmodels:\n  - model: a/a\n  - model: b/b\n    parameters: {density: 1}\n",
        ["error 5:5: `b/b` has no `weight`, which `ties` needs; add `parameters: {weight: …}` to it"],
    ),
    ("merge_method: linear\nparameters: {weight: 1}\nmodels: [{model: a/a}, {model: b/b}]\n", []),
    (f"merge_method: linear\nslices: [{{parameters: {{weight: 1}}, sources: [{TWO}]}}]\n", []),
    (
        "merge_method: linear\nparameters: {weight: {filter: mlp, value: 1}}\nmodels: [{model: a/a}]\n",
        [],
    ),
    (
        "merge_method: nuslerp\nbase_model: c/c\nmodels:\n  - model: c/c\n"
        "  - model: a/a\n    parameters: {weight: 1}\n  - model: b/b\n",
        ["error 7:5: `b/b` has no `weight`, which `nuslerp` needs; add `parameters: {weight: …}` to it"],
    ),
    # a base that is one more model
    (
        "merge_method: linear\nbase_model: c/c\nmodels:\n  - model: a/a\n    parameters: {weight: 1}\n",
        [
            "error 2:1: `base_model` `c/c` is one more model to `linear`, and has no `weight`; "
            "list it with a weight, or drop `base_model`",
        ],
    ),
    ("merge_method: linear\nbase_model: c/c\nparameters: {weight: 1}\nmodels: [{model: a/a}]\n", []),
    # of the whole merge
    (
        SLERP + "models: [{model: a/a}, {model: b/b}]\n",
        ["error 1:1: `slerp` needs the parameter `t`; add `t` to the recipe's `parameters:`"],
    ),
    (
        SLERP + f"slices:\n  - sources: [{TWO}]\n  - sources: [{TWO}]\n",
        ["error 1:1: `slerp` needs the parameter `t`; add `t` to the recipe's `parameters:`"],
    ),
    (
        SLERP + f"slices:\n  - sources: [{TWO}]\n    parameters: {{t: 1}}\n  - sources: [{TWO}]\n",
        ["error 6:5: `slerp` needs the parameter `t`; add `t` to this slice's `parameters:`, or to the recipe's"],
    ),
    (
        SLERP + "models: [{model: a/a}, {model: b/b}]\nparameters: {t: 2}\n",
        ["error 4:17: `t` is `2`, expected a number from 0 to 1; correct the number"],
    ),
    # weights that cancel
    *(
        (
            f"merge_method: linear\n{above}models:\n"
            f"  - {{model: a/a, parameters: {{weight: {one}}}}}\n  - {{model: b/b, parameters: {{weight: {two}}}}}\n",
            expected,
        )
        for above, one, two, expected in [
            ("", "1", "-1", [f"error 4:39: {CANCEL}"]),
            ("", "0", "0", [f"error 4:39: {CANCEL}"]),
            ("parameters: {normalize: true}\n", "1", "-1", [f"error 5:39: {CANCEL}"]),
            ("parameters: {normalize: false}\n", "1", "-1", []),
            ("parameters: {normalize: {filter: mlp, value: false}}\n", "1", "-1", []),
            ("", "1", "[-1, -1]", []),
            ("", "1", "{filter: mlp, value: -1}", []),
            ("", "1", "{value: -1}", [f"error 4:39: {CANCEL}"]),
            ("", "1", "-0.5", []),
        ]
    ),
    (
        "merge_method: linear\nmodels:\n  - {model: a/a, parameters: {weight: 0.1}}\n"
        "  - {model: b/b, parameters: {weight: 0.2}}\n  - {model: c/c, parameters: {weight: -0.3}}\n",
        [f"error 5:39: {CANCEL}"],
    ),
    (
        "merge_method: linear\nparameters: {weight: 0}\nmodels: [{model: a/a}, {model: b/b}]\n",
        [f"error 2:22: {CANCEL}"],
    ),
    (
        f"merge_method: linear\nparameters: {{weight: 0}}\nslices: [{{sources: [{TWO}]}}, {{sources: [{TWO}]}}]\n",
        [f"error 2:22: {CANCEL}"],
    ),
    (
        "merge_method: linear\nbase_model: c/c\nparameters: {weight: 1}\n"
        "models: [{model: a/a, parameters: {weight: -1}}]\n",
        [f"error 3:22: {CANCEL}"],
    ),
    (
        "merge_method: multislerp\nmodels:\n"
        "  - {model: a/a, parameters: {weight: 1}}\n  - {model: b/b, parameters: {weight: -1}}\n",
        [f"error 4:39: {CANCEL.replace('normalize', 'normalize_weights')}"],
    ),
    (
        "merge_method: multislerp\nparameters: {normalize_weights: false}\nmodels:\n"
        "  - {model: a/a, parameters: {weight: 1}}\n  - {model: b/b, parameters: {weight: -1}}\n",
        [],
    ),
    *(
        (
            f"merge_method: multislerp\nbase_model: c/c\nmodels:\n{listed}"
            "  - {model: a/a, parameters: {weight: 1}}\n  - {model: b/b, parameters: {weight: -1}}\n",
            [f"error {line}:39: {CANCEL.replace('normalize', 'normalize_weights')}"],
        )
        for listed, line in (("", 5), ("  - {model: c/c}\n", 6))
    ),
    (
        "merge_method: multislerp\nbase_model: c/c\nmodels:\n  - {model: c/c, parameters: {weight: -1}}\n"
        "  - {model: a/a, parameters: {weight: 1}}\n",
        ["note 4:18: parameters of the base model change nothing"],
    ),
    (
        "merge_method: task_arithmetic\nbase_model: c/c\nparameters: {normalize: true}\nmodels:\n"
        "  - {model: a/a, parameters: {weight: 1}}\n  - {model: b/b, parameters: {weight: -1}}\n",
        [],
    ),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_findings(said, text, expected):
    assert said(text) == expected
