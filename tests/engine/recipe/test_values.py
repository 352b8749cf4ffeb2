"""Model names, and which models a recipe names."""

from __future__ import annotations

import pytest

from engine.recipe import HubName, ModelRef, hub_name, parse


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("org/name", HubName("org/name")),
        ("org/name@v1.0", HubName("org/name", "v1.0")),
        ("org/name+org/lora", HubName("org/name", None, HubName("org/lora"))),
        ("org/name@main+org/lora@refs/pr/3", HubName("org/name", "main", HubName("org/lora", "refs/pr/3"))),
        ("org/name@", HubName("org/name", "")),
        ("org/name+", HubName("org/name", None, HubName(""))),
        ("a+b+c@d", HubName("a", None, HubName("b+c", "d"))),
    ],
)
def test_hub_names(text, name):
    assert hub_name(ModelRef(text)) == name


def test_a_folder_keeps_its_name():
    parsed = parse("merge_method: linear\nparameters: {weight: 1}\nmodels: [{model: ./a+b@c}, {model: /m/x y}]\n")
    assert parsed.recipe is not None
    assert parsed.recipe.references() == (ModelRef("./a+b@c"), ModelRef("/m/x y"))


def test_models_are_mentioned_once_in_the_recipes_order():
    parsed = parse(
        """\
base_model: z/base
merge_method: passthrough
slices:
  - sources: [{model: b/b, layer_range: [0, 1]}]
  - sources: [{model: a/a, layer_range: [0, 1]}]
    base_model: s/s
  - sources: [{model: {model: {path: b/b}}, layer_range: [1, 2]}]
    base_model: a/a
"""
    )
    assert parsed.recipe is not None
    assert parsed.recipe.mentions() == (
        (ModelRef("b/b"), ("slices", 0, "sources", 0, "model")),
        (ModelRef("a/a"), ("slices", 1, "sources", 0, "model")),
        (ModelRef("s/s"), ("slices", 1, "base_model")),
        (ModelRef("z/base"), ("base_model",)),
    )


def test_a_base_that_is_listed_is_mentioned_in_the_list():
    parsed = parse("merge_method: ties\nbase_model: b/b\nmodels: [{model: a/a}, {model: b/b}]\n")
    assert parsed.recipe is not None
    assert parsed.recipe.mentions() == (
        (ModelRef("a/a"), ("models", 0, "model")),
        (ModelRef("b/b"), ("models", 1, "model")),
    )
