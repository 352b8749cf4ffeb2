"""Every method, through real recipes: what lands in the file is the formula's value, correctly rounded, once."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING

import cases_spherical
import families
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from zoo import CASES, CONFIG, STEM, STORED, normal, zoo

from engine.commands import merge
from engine.errors import TensorError
from engine.events import silent
from engine.plan.plan import Options

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

FORMATS = {"bfloat16": (8, -126), "float16": (11, -14), "float32": (24, -126)}
"""Significant bits, and the exponent of the smallest normal number (IEEE 754; bfloat16 as in the ONNX standard)."""


def nearest(exact: Tensor, dtype: str) -> np.ndarray:
    """Round float64 to the nearest number of a format, ties to even, by scaling to integers."""
    bits, smallest = FORMATS[dtype]
    values = exact.numpy()
    _, exponent = np.frexp(values)
    step = np.maximum(exponent - 1, smallest) - (bits - 1)
    return np.ldexp(np.rint(np.ldexp(values, -step)), step)


@pytest.fixture(scope="module")
def models():
    return {model: zoo(model) for model in STORED}


@pytest.fixture(scope="module")
def folders(models, tmp_path_factory):
    root = tmp_path_factory.mktemp("parents")
    return {name: families.write_model(root / name, tensors, CONFIG) for name, tensors in models.items()}


def made(recipe: str, folders: Mapping[str, Path], tmp_path: Path) -> dict[str, Tensor]:
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "recipe.yaml"
    path.write_text(Template(recipe).substitute(folders))
    merge(path, tmp_path / "out", lambda: pytest.fail("no Hub"), Options(), silent)
    return load_file(tmp_path / "out" / "model.safetensors")


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", CASES)
def test_correctly_rounded(name, dtype, models, folders, tmp_path):
    case = CASES[name]
    tensors = made(case.recipe + f"dtype: {dtype}\n", folders, tmp_path)
    assert set(tensors) == set(models["base"])
    wrong = {}
    for tensor, result in tensors.items():
        exact = case.expected(tensor, models)
        assert (result.shape, str(result.dtype)) == (exact.shape, f"torch.{dtype}")
        rounded, got = nearest(exact, dtype), result.double().numpy()
        if dtype == "float32":
            assert (np.abs(got - rounded) <= np.spacing(np.abs(rounded).astype(np.float32))).all(), tensor
        either = [nearest(exact * (1.0 + way * case.slack), dtype) for way in (-1, 1)]
        differ = int(((got != either[0]) & (got != either[1])).sum())
        wrong |= {tensor: differ} if differ else {}
    assert sum(wrong.values()) <= 1e-4 * sum(t.numel() for t in tensors.values()), wrong


def test_types_promote_where_the_recipe_names_none(folders, models, tmp_path):
    tensors = made(CASES["linear"].recipe, folders, tmp_path)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    result = tensors[STEM + "coarse.weight"].double().numpy()
    exact = CASES["linear"].expected(STEM + "coarse.weight", models)
    assert (np.abs(result - exact.numpy()) <= 2.0**-24).all()


def test_a_tensor_of_several_spans(tmp_path):
    """More than 2²⁰ elements: the cut of ties lies anywhere, and chunks and spans must not show.

    Rows of an odd length: where a method looks at whole rows, chunks and spans end with them.
    """
    shape = (1070, 1021)
    name = STEM + "mlp.weight"
    models = {"base": {name: normal(1, *shape).to(torch.bfloat16)}}
    for seed, model in enumerate(("one", "two"), start=2):
        models[model] = {name: (models["base"][name].float() + 0.01 * normal(seed, *shape)).to(torch.bfloat16)}
    folders = {m: families.write_model(tmp_path / m, tensors, CONFIG) for m, tensors in models.items()}
    several = ("ties", "breadcrumbs", "della_linear by norm", "slerp", "arcee_fusion", "nuslerp of columns")
    for case in (*several, "model_stock of rows"):
        result = made(CASES[case].recipe + "dtype: bfloat16\n", folders, tmp_path / case)[name]
        exact = CASES[case].expected(name, models)
        same = (result.double().numpy() == nearest(exact, "bfloat16")).mean()
        assert same >= 0.9999


def test_passthrough_copies_bytes(folders, models, tmp_path):
    recipe = "merge_method: passthrough\nslices: [{sources: [{model: $one, layer_range: [0, 1]}]}]\n"
    tensors = made(recipe, folders, tmp_path)
    for name, tensor in tensors.items():
        assert tensor.dtype == torch.float16
        assert torch.equal(tensor.view(torch.int16), models["one"][name].view(torch.int16)), name


def nothing_finished(out: Path) -> bool:
    """Neither a config nor weights, whatever lies in the work folder."""
    return [path.name for path in out.iterdir()] == [".mergesmith"]


def damaged(value: float, tmp_path: Path, folders: Mapping[str, Path]) -> dict[str, Path]:
    tensors = zoo("two")
    tensors[STEM + "far.apart.weight"][0, 15] = value
    return {**folders, "two": families.write_model(tmp_path / "damaged", tensors, CONFIG)}


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "$two" in case.recipe and case.local])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            float("nan"),
            f"tensor '{STEM}far.apart.weight': element 15 is not a number (NaN); a parent is damaged there, "
            "or its values cancel; check the parents' weights",
        ),
        (
            1e30,
            f"tensor '{STEM}far.apart.weight': element 15 is VALUE, which overflows float16 (largest 65504); "
            "ask for another dtype with `out_dtype: bfloat16`",
        ),
    ],
    ids=["nan", "overflow"],
)
def test_what_cannot_be_stored_is_a_named_error(name, value, message, folders, tmp_path):
    case = CASES[name]
    parents = damaged(value, tmp_path, folders)
    with pytest.raises(TensorError) as caught:
        made(case.recipe + "dtype: float16\n", parents, tmp_path)
    if "VALUE" in message:
        models = {model: zoo(model) for model in STORED}
        models["two"][STEM + "far.apart.weight"][0, 15] = value
        # An element that no case drops at random.
        exact = float(case.expected(STEM + "far.apart.weight", models)[0, 15])
        message = message.replace("VALUE", f"{exact:.6g}")
    assert str(caught.value) == message
    assert nothing_finished(tmp_path / "out")


def test_slerp_refuses_a_damaged_parent(folders, tmp_path):
    tensors = zoo("one")
    tensors[STEM + "scalar.weight"] = torch.tensor(float("nan"), dtype=torch.float16)
    parents = {**folders, "one": families.write_model(tmp_path / "damaged", tensors, CONFIG)}
    with pytest.raises(TensorError, match=f"tensor '{STEM}scalar.weight': element 0 is not a number"):
        made(CASES["slerp"].recipe, parents, tmp_path)
    assert nothing_finished(tmp_path / "out")


@pytest.mark.parametrize("name", ["nuslerp of rows", "nuslerp of columns", "model_stock of rows"])
def test_a_damaged_element_is_found_though_its_row_is_measured(name, folders, tmp_path):
    with pytest.raises(TensorError, match=r"far\.apart\.weight': element 15 is not a number"):
        made(CASES[name].recipe, damaged(float("nan"), tmp_path, folders), tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["nuslerp of task vectors", "multislerp", "karcher", "model_stock"])
def test_a_damaged_parent_has_no_norm(name, value, folders, tmp_path):
    with pytest.raises(TensorError) as caught:
        made(CASES[name].recipe, damaged(value, tmp_path, folders), tmp_path)
    assert str(caught.value) == (
        f"tensor '{STEM}far.apart.weight': the norm of a model's tensor is not finite; a parent is damaged there, or "
        "its values are too large to be merged; check the parents' weights"
    )
    assert nothing_finished(tmp_path / "out")


def test_directions_that_cancel_have_no_mean(folders, tmp_path):
    recipe = cases_spherical.recipe("multislerp", "base 1, one 0.5, two 0.5")
    with pytest.raises(TensorError) as caught:
        made(recipe, folders, tmp_path)
    assert str(caught.value) == (
        f"tensor '{STEM}antipodal.weight': the directions of its 3 models cancel as they are weighted, so that they "
        "have no mean; change a `weight`, or choose another method"
    )


def test_an_infinite_parent_is_a_named_error(folders, tmp_path):
    parents = damaged(float("-inf"), tmp_path, folders)
    with pytest.raises(TensorError) as caught:
        made(CASES["linear"].recipe + "dtype: bfloat16\n", parents, tmp_path)
    assert str(caught.value) == (
        f"tensor '{STEM}far.apart.weight': element 15 is infinite; a parent is damaged there, or its values are too "
        "large to be merged; check the parents' weights"
    )


@pytest.mark.parametrize("name", ["breadcrumbs", "breadcrumbs_ties"])
def test_a_damaged_element_is_found_though_outliers_are_left_out(name, folders, tmp_path):
    with pytest.raises(TensorError, match=r"far\.apart\.weight': element 15 is not a number"):
        made(CASES[name].recipe, damaged(float("nan"), tmp_path, folders), tmp_path)


def test_a_copied_tensor_is_checked_too(folders, tmp_path):
    recipe = "merge_method: passthrough\nslices: [{sources: [{model: $two, layer_range: [0, 1]}]}]\n"
    with pytest.raises(TensorError, match=r"far\.apart\.weight': element 15 is not a number"):
        made(recipe, damaged(float("nan"), tmp_path, folders), tmp_path)


@pytest.mark.parametrize(("one", "ok"), [([3, -1, 2**40], True), ([3, -2, 2**40], False)])
def test_integers_are_copied_where_they_agree(one, ok, tmp_path):
    name = "model.position_table"
    tensors = {model: {name: torch.tensor([3, -1, 2**40]), STEM + "a": torch.ones(2)} for model in ("base", "one")}
    tensors["one"][name] = torch.tensor(one)
    folders = {m: families.write_model(tmp_path / m, t, CONFIG) for m, t in tensors.items()}
    if ok:
        assert made(CASES["slerp"].recipe, folders, tmp_path)[name].tolist() == [3, -1, 2**40]
        return
    with pytest.raises(TensorError) as caught:
        made(CASES["slerp"].recipe, folders, tmp_path)
    assert str(caught.value) == (
        f"tensor '{name}' holds int64 values, which are never averaged, and its parents differ in them; "
        "leave its layers to one parent"
    )
