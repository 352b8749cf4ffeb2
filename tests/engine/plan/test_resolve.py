"""How a recipe's parameters resolve for each tensor: levels, filters and gradients, with values worked out by hand."""

from __future__ import annotations

import pytest

UP, Q, NORM = "mlp.up_proj.weight", "self_attn.q_proj.weight", "input_layernorm.weight"


def values(plan, name="t"):
    return {tensor.name: tensor.mixture.parameters[name] for tensor in plan.tensors}


def weights(plan):
    return {tensor.name: [source["weight"] for source in tensor.mixture.source_parameters] for tensor in plan.tensors}


def slerp(t):
    return f"models: [{{model: ./a}}, {{model: ./b}}]\nmerge_method: slerp\nbase_model: ./a\nparameters:\n  t: {t}\n"


def test_a_gradient_is_spread_over_the_layers(plan):
    t = values(plan(slerp("[0, 0.5, 0.3, 0.7, 1]")))
    # 4 layers at 0, 1/3, 2/3 and 1 of the way: positions 0, 4/3, 8/3 and 4 among five numbers
    expected = [0, 0.5 - 0.2 / 3, 0.3 + 0.4 * 2 / 3, 1]
    assert [t[f"model.layers.{i}.{UP}"] for i in range(4)] == pytest.approx(expected, abs=1e-15)
    assert {t[name] for name in ("model.embed_tokens.weight", "model.norm.weight", "lm_head.weight")} == {0}


def test_each_slice_has_the_whole_gradient_and_a_single_layer_its_end(plan):
    ranges = ([0, 3], [3, 4])
    slices = "".join(
        f"  - sources: [{{model: ./a, layer_range: {r}}}, {{model: ./b, layer_range: {r}}}]\n" for r in ranges
    )
    text = f"slices:\n{slices}merge_method: slerp\nbase_model: ./a\nparameters: {{t: [0.2, 0.8]}}\n"
    t = values(plan(text))
    assert [t[f"model.layers.{i}.{UP}"] for i in range(4)] == pytest.approx([0.2, 0.5, 0.8, 0.8], abs=1e-15)


def test_the_first_filter_that_matches_wins(plan):
    cases = "[{filter: self_attn, value: 0.1}, {filter: mlp, value: [0, 1]}, {filter: proj, value: 0.3}, {value: 0.4}]"
    t = values(plan(slerp(cases)))
    assert t[f"model.layers.2.{Q}"] == 0.1
    assert t[f"model.layers.3.{UP}"] == 1
    assert t[f"model.layers.3.{NORM}"] == 0.4
    assert t["lm_head.weight"] == 0.4


def test_model_then_slice_then_recipe_then_default(plan):
    text = """\
slices:
  - sources:
      - {model: ./base, layer_range: [0, 2]}
      - model: ./a
        layer_range: [0, 2]
        parameters: {weight: {filter: mlp, value: 1}}
      - model: ./b
        layer_range: [0, 2]
        parameters: {weight: 2}
    parameters: {weight: {filter: self_attn, value: 3}, density: 0.5}
  - sources:
      - {model: ./base, layer_range: [2, 4]}
      - {model: ./a, layer_range: [2, 4]}
      - {model: ./b, layer_range: [2, 4]}
merge_method: ties
base_model: ./base
parameters: {weight: 4, normalize: false}
"""
    made = plan(text)
    found = weights(made)
    assert found[f"model.layers.0.{UP}"] == [1, 2]
    assert found[f"model.layers.0.{Q}"] == [3, 2]
    assert found[f"model.layers.0.{NORM}"] == [4, 2]
    assert found[f"model.layers.2.{UP}"] == [4, 4]
    densities = {t.layer: {source["density"] for source in t.mixture.source_parameters} for t in made.tensors}
    # before the layers the first slice counts, after them the last one, which None stands for last
    assert densities == {0: {0.5}, 1: {0.5}, 2: {1.0}, 3: {1.0}, None: {1.0}}
    assert set(values(made, "normalize").values()) == {False}
    assert set(values(made, "lambda").values()) == {1.0}


def test_outside_the_layers_the_first_slice_counts_before_and_the_last_after(plan):
    ranges = ([0, 2], 0.25), ([2, 4], 0.75)
    slices = "".join(
        f"  - sources: [{{model: ./a, layer_range: {r}}}, {{model: ./b, layer_range: {r}}}]\n"
        f"    parameters: {{t: {t}}}\n"
        for r, t in ranges
    )
    t = values(plan(f"slices:\n{slices}merge_method: slerp\nbase_model: ./a\n"))
    assert t["model.embed_tokens.weight"] == 0.25
    assert t["model.norm.weight"] == t["lm_head.weight"] == 0.75


def test_filters_of_a_models_parameters_see_its_own_names(plan):
    """Output layer 3 is made of layer 1: a model's filter sees ``layers.1.``, the recipe's sees ``layers.3.``."""
    text = """\
slices:
  - sources: [{model: ./a, layer_range: [0, 2], parameters: {weight: 1}}]
  - sources:
      - model: ./a
        layer_range: [0, 2]
        parameters: {weight: [{filter: layers.1., value: 2}, {value: 1}]}
merge_method: linear
parameters: {normalize: [{filter: layers.3., value: false}, {value: true}]}
"""
    made = plan(text)
    assert weights(made)[f"model.layers.3.{UP}"] == [2]
    assert weights(made)[f"model.layers.2.{UP}"] == [1]
    assert [values(made, "normalize")[f"model.layers.{i}.{UP}"] for i in range(4)] == [True, True, True, False]


def test_a_graded_boolean_takes_the_entry_at_or_before(plan):
    text = (
        "models: [{model: ./a, parameters: {weight: 1}}]\nmerge_method: linear\n"
        "parameters: {normalize: [true, false, true]}\n"
    )
    # positions 0, 2/3, 4/3 and 2 among three entries
    normalize = values(plan(text), "normalize")
    assert [normalize[f"model.layers.{i}.{UP}"] for i in range(4)] == [True, True, False, True]


OUTSIDE = "leaves the range from 0 to 1, so `epsilon`"
LOWER = "lower `epsilon`, or take a `density` nearer to 0.5"
DELLA = "merge_method: della\nbase_model: ./base\ndtype: bfloat16\n"


def clamped(plan):
    found = [f for f in plan.findings if f.id == "parameter-clamped"]
    assert {f.level for f in found} <= {"warning"}
    return [(f.message, f.fix, f.line, f.column) for f in found]


def test_a_clamped_parameter_is_a_warning_where_it_is_set(plan):
    text = (
        DELLA + "models:\n"
        "  - {model: ./a, parameters: {weight: 1, density: 0.9}}\n"
        "  - model: ./b\n"
        "    parameters:\n"
        "      weight: 1\n"
        "      density: 0.25\n"
        "      epsilon: [{filter: layers.2.mlp, value: 0.5}, {filter: layers.2., value: 0.25}, {value: 0.1}]\n"
    )
    # of one model all: 9 tensors in each of 4 layers and 3 outside them; of the other the 3 matrices of one MLP
    assert clamped(plan(text)) == [
        (
            "for tensor 'model.embed_tokens.weight' (and 38 more like it): `density` 0.9 ± `epsilon` 0.15 "
            f"{OUTSIDE} 0.1 is used",
            LOWER,
            5,
            42,
        ),
        (
            "for tensor 'model.layers.2.mlp.down_proj.weight' (and 2 more like it): `density` 0.25 ± `epsilon` 0.5 "
            f"{OUTSIDE} 0.25 is used",
            LOWER,
            10,
            7,
        ),
    ]


def test_a_clamped_parameter_that_all_models_share_is_one_warning(plan):
    text = (
        DELLA + "models: [{model: ./a}, {model: ./b}]\n"
        "parameters:\n  weight: 1\n  density: [0.9, 0.95]\n  epsilon: [{filter: q_proj, value: 0.2}]\n"
    )
    (one, other) = clamped(plan(text))
    assert (one[0], one[2:]) == (
        f"for tensor 'model.embed_tokens.weight' (and 34 more like it): `density` 0.9 ± `epsilon` 0.15 {OUTSIDE} 0.1 "
        "is used",
        (7, 3),
    )
    assert (other[0], other[2:]) == (
        "for tensor 'model.layers.0.self_attn.q_proj.weight' (and 3 more like it): `density` 0.9 ± `epsilon` 0.2 "
        f"{OUTSIDE} 0.1 is used",
        (8, 3),
    )


def test_a_clamped_parameter_is_told_of_before_what_it_is_clamped_by(plan):
    text = (
        DELLA + "models: [{model: ./a, parameters: {density: 0.9}}, {model: ./b, parameters: {density: 0.95}}]\n"
        "parameters: {weight: 1, epsilon: 0.2}\n"
    )
    (one,) = clamped(plan(text))
    assert one[2:] == (5, 25)


def test_a_clamped_parameter_of_a_slice(plan):
    sources = "".join(f"{{model: ./{name}, layer_range: [1, 2]}}, " for name in ("base", "a"))
    text = (
        "merge_method: della_linear\nbase_model: ./base\nparameters: {weight: 1}\nslices:\n"
        f"  - sources: [{sources}]\n    parameters: {{density: 0.95}}\n"
    )
    (one,) = clamped(plan(text))
    assert one[2:] == (6, 18)


def test_what_fits_is_not_warned_of(plan):
    text = DELLA + "models: [{model: ./a}]\nparameters: {weight: 1, density: 0.9, epsilon: 0.1}\n"
    assert clamped(plan(text)) == []
