"""The picture of a mix: rows and blocks by hand."""

from __future__ import annotations

import families
import pytest

from engine.plan.show.mixture import Row, StageLine, largest_of, role_of, rows_of, sparkline, stages_of

SHAPE = families.Shape(layers=4)


@pytest.fixture
def rows(plan):
    return lambda text: rows_of(plan(text))


def approximately(row):
    return row.label, [None if value is None else round(value, 6) for value in row.values]


def test_slerp_shows_t_by_role(rows):
    found = rows(
        "models: [{model: ./a}, {model: ./b}]\nmerge_method: slerp\nbase_model: ./a\n"
        "parameters: {t: [{filter: self_attn, value: [0, 1]}, {filter: mlp, value: [1, 0]}, {value: 0.5}]}\n"
    )
    assert list(map(approximately, found)) == [
        ("t · attention", [0, 0.333333, 0.666667, 1]),
        ("t · mlp", [1, 0.666667, 0.333333, 0]),
        ("t · other", [0.5] * 4),
    ]


def test_roles_that_are_alike_share_a_row(rows):
    text = "models: [{model: ./a}, {model: ./b}]\nmerge_method: slerp\nbase_model: ./a\nparameters: {t: [0.25, 1]}\n"
    assert list(map(approximately, rows(text))) == [("t", [0.25, 0.5, 0.75, 1])]


def test_weights_by_model(rows):
    found = rows(
        "models: [{model: ./base}, {model: ./a, parameters: {weight: 0.5}}, {model: ./b, parameters: "
        "{weight: [{filter: mlp, value: 1}, {value: 0.25}]}}]\nmerge_method: ties\nbase_model: ./base\n"
    )
    assert list(map(approximately, found)) == [
        ("./a", [0.5] * 4),
        ("./b · attention", [0.25] * 4),
        ("./b · mlp", [1] * 4),
        ("./b · other", [0.25] * 4),
    ]


def test_a_stack_shows_where_layers_come_from(rows):
    found = rows(
        "slices:\n  - sources: [{model: ./a, layer_range: [0, 3]}]\n  - sources: [{model: ./b, layer_range: [2, 4]}]\n"
        "  - sources: [{model: ./a, layer_range: [3, 4]}]\nmerge_method: passthrough\n"
    )
    assert found == (Row("./a", (1, 1, 1, None, None, 1)), Row("./b", (None, None, None, 1, 1, None)))


STAGES = (
    "name: early\nmodels: [{model: ./base}, {model: ./a}]\nmerge_method: slerp\nbase_model: ./base\n"
    "parameters: {t: [0, 1]}\n---\nname: late\nslices:\n  - sources: [{model: ./b, layer_range: [1, 4]}]\n"
    "merge_method: passthrough\n---\nslices:\n  - sources: [{model: early, layer_range: [0, 4]}]\n"
    "  - sources: [{model: late, layer_range: [1, 3]}]\nmerge_method: passthrough\n"
)


def test_a_stage_shows_what_it_gives_to_the_layers_of_the_result(bench, rows):
    plan = bench.plan(STAGES)
    # what a stage stacks as it is shows as the model that it comes from
    assert rows_of(plan) == (Row("early", (1, 1, 1, 1, None, None)), Row("./b", (None, None, None, None, 1, 1)))
    (row,) = rows_of(plan, "early")
    assert approximately(row) == ("t", [0, 0.333333, 0.666667, 1, None, None])
    assert rows_of(plan, "late") == ()
    assert stages_of(plan) == (
        StageLine("early", "slerp", ("./base", "./a")),
        StageLine("late", "passthrough", ("./b",)),
    )


def test_a_role_that_a_model_does_not_have_has_no_row(bench):
    tensors = {
        f"h.{i}.{part}.weight": families.random_tensors(SHAPE, 1)["lm_head.weight"]
        for i in (0, 1)
        for part in ("attn", "mlp")
    }
    for name in "ab":
        families.write_model(bench.root / name, tensors, {"n_layer": 2, "model_type": "gpt2"})
    plan = bench.plan(
        "models: [{model: ./a}, {model: ./b}]\nmerge_method: slerp\nbase_model: ./a\n"
        "parameters: {t: [{filter: attn, value: 0}, {value: 1}]}\n"
    )
    assert rows_of(plan) == (Row("t · attention", (0, 0)), Row("t · mlp", (1, 1)))


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("model.layers.0.self_attn.q_proj.weight", "attention"),
        ("transformer.h.0.attn.c_attn.weight", "attention"),
        ("gpt_neox.layers.0.attention.dense.weight", "attention"),
        ("model.layers.0.mlp.up_proj.weight", "mlp"),
        ("model.layers.0.block_sparse_moe.experts.3.w1.weight", "mlp"),
        ("model.decoder.layers.0.fc1.weight", "mlp"),
        ("model.layers.0.input_layernorm.weight", "other"),
    ],
)
def test_roles(name, role):
    assert role_of(name) == role


@pytest.mark.parametrize(
    ("values", "largest", "picture"),
    [
        ((0, 0.5, 1), 1, "▁▅█"),
        ((0, 1 / 7, 2 / 7, 3 / 7, 4 / 7, 5 / 7, 6 / 7, 1), 1, "▁▂▃▄▅▆▇█"),
        ((1, None, 2), 2, "▅·█"),
        ((-1, 1), 1, "▁█"),
        ((), 1, ""),
    ],
)
def test_sparkline(values, largest, picture):
    assert sparkline(Row("x", values), largest) == picture


def test_many_layers_share_blocks():
    # 64 layers on 32 blocks: two layers a block, by their mean
    picture = sparkline(Row("x", (0.0, 1.0) * 32), 1)
    assert picture == "▅" * 32
    assert len(sparkline(Row("x", (0.0,) * 33), 1)) == 17


def test_the_scale_is_one_or_the_largest():
    assert largest_of((Row("x", (0.2, None)),)) == 1
    assert largest_of((Row("x", (0.2,)), Row("y", (1.5, 3)))) == 3
