"""The tables of keys and methods."""

from __future__ import annotations

import pytest

from engine.methods import METHODS
from engine.recipe import parse
from engine.recipe.keys import MERGEKIT_METHODS, SCOPES, nearest, parameter_homes, unbuilt_methods

MERGEKIT_KEYS = {
    "recipe": "merge_method models slices modules base_model dtype out_dtype parameters tokenizer tokenizer_source "
    "chat_template",
    "entry": "model parameters",
    "slice": "sources base_model residual_weight parameters",
    "source": "model layer_range parameters",
}


@pytest.mark.parametrize("scope", MERGEKIT_KEYS)
def test_every_key_of_mergekits_is_known(scope):
    known = SCOPES[scope].keys.keys() | SCOPES[scope].unbuilt.keys()
    assert set(MERGEKIT_KEYS[scope].split()) <= known
    assert not SCOPES[scope].keys.keys() & SCOPES[scope].unbuilt.keys()


def test_a_method_is_built_or_not():
    assert len(MERGEKIT_METHODS) == len(set(MERGEKIT_METHODS)) == 20
    assert set(unbuilt_methods()) == set(MERGEKIT_METHODS) - set(METHODS)
    assert set(METHODS) <= set(MERGEKIT_METHODS)


@pytest.mark.parametrize("name", MERGEKIT_METHODS)
def test_no_method_of_mergekits_is_unknown(name):
    ids = {finding.id for finding in parse(f"merge_method: {name}\n").findings}
    assert "unknown-method" not in ids
    assert ("not-built" in ids) is (name not in METHODS)


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
