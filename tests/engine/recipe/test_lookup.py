"""How parameters resolve, against values worked out by hand and against numpy's interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.recipe import Case, look_up

MLP = "model.layers.3.mlp.down_proj.weight"
T = {
    "t": (
        Case("self_attn", (0.0, 0.5, 0.3, 0.7, 1.0)),
        Case("mlp", (1.0, 0.5, 0.7, 0.3, 0.0)),
        Case("", (0.5,)),
    )
}


@pytest.mark.parametrize(
    ("tensor", "t", "value"),
    [
        ("model.layers.0.self_attn.q_proj.weight", 0.0, 0.0),
        # 0.125 · 4 = 0.5: half way from 0 to 0.5
        ("model.layers.4.self_attn.q_proj.weight", 0.125, 0.25),
        ("model.layers.8.self_attn.q_proj.weight", 0.25, 0.5),
        # 0.8 · 4 = 3.2: a fifth of the way from 0.7 to 1
        ("model.layers.8.self_attn.q_proj.weight", 0.8, 0.76),
        ("model.layers.31.self_attn.q_proj.weight", 1.0, 1.0),
        ("model.layers.31.mlp.up_proj.weight", 1.0, 0.0),
        ("model.layers.31.input_layernorm.weight", 1.0, 0.5),
        ("lm_head.weight", 0.0, 0.5),
    ],
)
def test_the_articles_gradient(tensor, t, value):
    assert look_up("t", [T], tensor, t) == pytest.approx(value, abs=1e-15)


def test_levels_are_tried_in_order():
    source, part, recipe = (
        {"weight": (Case("mlp", (1.0,)),)},
        {"weight": (Case("*", (2.0,)),)},
        {"weight": (Case("", (3.0,)),)},
    )
    assert look_up("weight", [source, part, recipe], MLP, 0) == 1.0
    assert look_up("weight", [source, part, recipe], "lm_head.weight", 0) == 2.0
    assert look_up("weight", [source, {}, recipe], "lm_head.weight", 0) == 3.0


def test_nothing_resolves():
    assert look_up("weight", [], MLP, 0.5) is None
    assert look_up("density", [T], MLP, 0.5) is None
    assert look_up("t", [{"t": (Case("lm_head", (1.0,)),)}], MLP, 0.5) is None


def test_the_first_case_that_matches_wins():
    assert look_up("t", [{"t": (Case("", (1.0,)), Case("mlp", (2.0,)))}], MLP, 0) == 1.0


@pytest.mark.parametrize(("t", "value"), [(0.0, True), (0.49, True), (0.5, False), (0.99, False), (1.0, True)])
def test_booleans_take_the_entry_before(t, value):
    assert look_up("normalize", [{"normalize": (Case("", (True, False, True)),)}], MLP, t) is value


def test_a_text_is_itself():
    assert look_up("rescale_norm", [{"rescale_norm": (Case("", ("l1",)),)}], MLP, 0.7) == "l1"


finite = st.floats(-1e308, 1e308, allow_nan=False)


@given(st.lists(finite, min_size=1, max_size=6), st.floats(0, 1))
def test_gradients_agree_with_numpy(points, t):
    value = look_up("t", [{"t": (Case("", tuple(points)),)}], MLP, t)
    assert isinstance(value, float)
    halves = [point / 2 for point in points]
    wanted = np.interp(t * (len(points) - 1), range(len(points)), halves)
    assert value / 2 == pytest.approx(wanted, rel=1e-9, abs=1e-12 * max(map(abs, points)))
    assert min(points) <= value <= max(points)


def test_between_equal_points_lies_the_same_value():
    # 0.62 · 0.9 + 0.38 · 0.9 is 0.9000000000000001 in floating point
    assert look_up("t", [{"t": (Case("", (0.9, 0.9)),)}], MLP, 0.38) == 0.9
