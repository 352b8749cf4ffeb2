"""The worked examples of the documentation are true: recipes merged by the engine, equations evaluated."""

from __future__ import annotations

import math
import re
from pathlib import Path

import families
import pytest
import torch
import yaml
from safetensors.torch import load_file

from engine.commands import merge
from engine.events import silent
from engine.methods import METHODS
from engine.plan.plan import Options

EXAMPLES = yaml.safe_load((Path(__file__).parents[1] / "docs" / "examples.yaml").read_text(encoding="utf-8"))
TENSOR = "model.layers.0.mlp.weight"
NAMES = {"sin": math.sin, "sqrt": math.sqrt, "ln": math.log, "pi": math.pi}


def tolerance(shown: str) -> float:
    """Half a unit of the last decimal where at least three are shown; else the number is meant exactly."""
    decimals = len(shown.partition(".")[2])
    return 0.5001 * 10.0**-decimals if decimals >= 3 else 1e-9


def evaluated(expression: str) -> float:
    for sign, name in {"·": "*", "√": "sqrt", "²": "**2", "°": "*pi/180"}.items():
        expression = expression.replace(sign, name)
    return eval(expression, {"__builtins__": {}}, NAMES)


def equations(name: str) -> list[tuple[str, str]]:
    found = re.findall(r"`([^`]* = [^`]*)`", " ".join(EXAMPLES[name]["working"]))
    return [tuple(equation.split(" = ")) for equation in found]


def test_every_method_has_an_example():
    assert list(METHODS) == list(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_equations_hold(name):
    assert len(equations(name)) >= 2
    for left, right in equations(name):
        assert evaluated(left) == pytest.approx(float(right), rel=0, abs=tolerance(right)), f"{left} = {right}"


@pytest.mark.parametrize("name", METHODS)
def test_the_engine_gives_the_result(name, tmp_path, monkeypatch):
    example = EXAMPLES[name]
    for model, values in example["tensors"].items():
        tensors = {TENSOR: torch.tensor(values, dtype=torch.float64)}
        families.write_model(tmp_path / model, tensors, families.config_of(families.Shape(layers=1)))
    (tmp_path / "recipe.yaml").write_text(example["recipe"])
    monkeypatch.chdir(tmp_path)
    merge(Path("recipe.yaml"), Path("out"), lambda: pytest.fail("no Hub"), Options(), silent)
    result = load_file(tmp_path / "out" / "model.safetensors")[TENSOR]
    shown = torch.tensor(example["result"], dtype=torch.float64)
    assert (result.shape, result.dtype) == (shown.shape, torch.float64)
    for value, number in zip(result.flatten().tolist(), shown.flatten().tolist(), strict=True):
        assert value == pytest.approx(number, rel=0, abs=tolerance(f"{number:g}"))
