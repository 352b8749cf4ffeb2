"""The selective methods in every form of a recipe: slices, filters and gradients reach each tensor's own parameters."""

from __future__ import annotations

import families
import pytest
import reference_selective as reference
import torch
from safetensors.torch import load_file

from engine.commands import merge
from engine.events import silent
from engine.plan.plan import Options

BASE = families.random_tensors(families.Shape(), 1)
MODELS = {"base": BASE, "one": families.tuned(BASE, 2), "two": families.tuned(BASE, 3)}
SLICES = """
slices:
  - sources: [{model: base, layer_range: [0, 2]}, {model: one, layer_range: [0, 2]}, {model: two, layer_range: [0, 2]}]
base_model: base
dtype: float64
"""


@pytest.fixture
def made(tmp_path, monkeypatch):
    def _made(recipe):
        for name, tensors in MODELS.items():
            families.write_model(tmp_path / name, tensors, families.config_of(families.Shape()))
        monkeypatch.chdir(tmp_path)
        path = tmp_path / "recipe.yaml"
        path.write_text(recipe)
        merge(path, tmp_path / "out", lambda: pytest.fail("no Hub"), Options(), silent)
        return load_file(tmp_path / "out" / "model.safetensors")

    return _made


def is_layer(name: str, number: int) -> bool:
    return f"layers.{number}." in name


def agree(tensors, expected):
    assert set(tensors) == set(BASE)
    for name, tensor in tensors.items():
        exact = expected(name, *(MODELS[model][name] for model in MODELS))
        torch.testing.assert_close(tensor, exact, rtol=1e-14, atol=1e-15)


def test_sce_with_a_filter_and_a_gradient(made):
    recipe = "merge_method: sce\nparameters:\n  select_topk: [{filter: mlp, value: [0.2, 0.6]}, {value: 1}]\n" + SLICES

    def expected(name, base, one, two):
        of_mlp = 0.6 if is_layer(name, 1) else 0.2
        return reference.sce(base, [one, two], of_mlp if "mlp" in name else 1.0)

    agree(made(recipe), expected)


def test_ramplus_tl_with_a_filter(made):
    recipe = "merge_method: ramplus_tl\nparameters:\n  epsilon: 0.01\n  r: [{filter: attn, value: 2}, {value: 0.5}]\n"

    def expected(name, base, one, two):
        return reference.ram(base, [one, two], 0.01, 2.0 if "attn" in name else 0.5, 0.2)

    agree(made(recipe + SLICES), expected)


def test_ram_with_a_gradient(made):
    def expected(name, base, one, two):
        return reference.ram(base, [one, two], 0.02 if is_layer(name, 1) else 0.0)

    agree(made("merge_method: ram\nparameters: {epsilon: [0, 0.02]}\n" + SLICES), expected)


def test_arcee_fusion_of_each_slice_with_another_model(made):
    recipe = """
merge_method: arcee_fusion
base_model: base
dtype: float64
slices:
  - sources: [{model: base, layer_range: [0, 1]}, {model: one, layer_range: [0, 1]}]
  - sources: [{model: two, layer_range: [1, 2]}, {model: base, layer_range: [1, 2]}]
"""

    def expected(name, base, one, two):
        first = is_layer(name, 0) or "embed" in name
        return reference.arcee_fusion(base, one if first else two)

    agree(made(recipe), expected)
