"""Another device gives the same bytes, or is not used: one that torch is given here, and a GPU where there is one."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING

import families
import other_device
import pytest
import torch
from folders import contents
from zoo import CASES, CONFIG, STEM, STORED, normal, zoo

from engine.commands import merge
from engine.errors import MergeError
from engine.events import Said
from engine.plan.plan import Options

if TYPE_CHECKING:
    from pathlib import Path

DEVICES = [
    other_device.NAME,
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")),
]
LARGE = f"{STEM}large.weight"
"""A little more than a span, and more than a cut is found in by collecting."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("parents")
    made = {}
    for seed, (name, dtype) in enumerate(STORED.items()):
        large = {LARGE: normal(seed, 1030, 1024).to(dtype)}
        made[name] = families.write_model(root / name, zoo(name) | large, CONFIG)
    return made


@pytest.fixture(scope="module", autouse=True)
def _known():
    other_device.device()


def made(recipe: str, folders: dict[str, Path], out: Path, device: str) -> dict[str, bytes]:
    path = out / "recipe.yaml"
    path.parent.mkdir()
    path.write_text(Template(recipe).substitute(folders))
    other_device.RAN.clear()
    events: list[object] = []
    merge(path, out / "model", lambda: pytest.fail("no Hub"), Options(device=device), events.append)
    told = Said(f"{device} computes; of each kind of tensor it gave the processor's very bytes")
    assert (told in events, bool(other_device.RAN)) == (device == other_device.NAME, device == other_device.NAME)
    return contents(out / "model")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", CASES)
def test_the_same_bytes(name, device, folders, tmp_path):
    """In every file; in float64, which shows the last bit, and in a type of 16 bits, which the processor estimates."""
    for dtype in ("float64", "bfloat16"):
        recipe = CASES[name].recipe + f"dtype: {dtype}\n"
        expected = made(recipe, folders, tmp_path / f"cpu-{dtype}", "cpu")
        got = made(recipe, folders, tmp_path / f"other-{dtype}", device)
        assert {path: len(data) for path, data in got.items()} == {path: len(data) for path, data in expected.items()}
        assert [path for path in got if got[path] != expected[path]] == []


@pytest.mark.parametrize("operation", ["mul_", "sub_", "add_"])
def test_a_device_that_gives_other_bytes_is_refused(operation, folders, tmp_path, monkeypatch):
    """Before any shard is begun."""
    monkeypatch.setattr(other_device, "ODD", {operation})
    with pytest.raises(MergeError) as caught:
        made(CASES["task_arithmetic"].recipe + "dtype: bfloat16\n", folders, tmp_path / "out", other_device.NAME)
    assert str(caught.value) == (
        "--device other: it does not give the same bytes as the processor for task_arithmetic "
        f"(tensor {LARGE!r}, from element 0 on); use --device cpu"
    )
    assert list(tmp_path.glob("**/*.safetensors*")) == []
