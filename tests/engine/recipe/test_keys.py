"""The tables of keys and methods."""

from __future__ import annotations

import pytest

from engine.methods import METHODS
from engine.recipe.keys import SCOPES, nearest, parameter_homes

MERGEKIT_KEYS = {
    "recipe": "merge_method models slices modules base_model dtype out_dtype parameters tokenizer tokenizer_source "
    "chat_template",
    "entry": "model parameters",
    "slice": "sources base_model residual_weight parameters",
    "source": "model layer_range parameters",
}
MERGEKIT_METHODS = (
    "linear slerp nuslerp multislerp karcher task_arithmetic ties dare_linear dare_ties della della_linear breadcrumbs "
    "breadcrumbs_ties model_stock sce ram ramplus_tl nearswap arcee_fusion passthrough"
)


@pytest.mark.parametrize("scope", MERGEKIT_KEYS)
def test_every_key_of_mergekits_is_known(scope):
    known = SCOPES[scope].keys.keys() | SCOPES[scope].unbuilt.keys()
    assert set(MERGEKIT_KEYS[scope].split()) <= known
    assert not SCOPES[scope].keys.keys() & SCOPES[scope].unbuilt.keys()


def test_the_methods_are_mergekits():
    assert list(METHODS) == MERGEKIT_METHODS.split()


def test_parameter_homes():
    own, whole = parameter_homes()
    assert {"weight", "density", "scale"} <= own
    assert {"t", "normalize", "lambda", "rescale", "int8_mask"} <= whole
    assert not own & whole


@pytest.mark.parametrize(
    ("name", "near"), [("TIES", "ties"), ("tise", "ties"), ("dare", "dare_ties"), ("x", None), ("", None)]
)
def test_nearest(name, near):
    assert nearest(name, ["ties", "dare_ties", "slerp"]) == near
