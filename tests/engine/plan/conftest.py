"""A bench to plan and merge small local models on."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import families
import pytest
from safetensors.torch import load_file

from engine import commands
from engine.events import silent
from engine.plan.plan import Options

SHAPE = families.Shape(layers=4)


def no_hub():
    raise AssertionError("no model here is on a Hub")


@dataclass(frozen=True)
class Made:
    """A finished model as its files have it."""

    plan: object
    folder: Path
    config: dict
    tensors: dict


class Bench:
    """Works in a folder of its own, which is the current one: ``./a`` is a model, ``r.yaml`` the recipe."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.options = Options(threads=2)

    def model(self, name, tensors, shape=SHAPE, **changes):
        families.write_model(self.root / name, tensors, families.config_of(shape, **changes))
        return tensors

    def recipe(self, text, name="r.yaml"):
        path = Path(name)
        path.write_text(text)
        return path

    def plan(self, text, **options):
        return commands.plan_for_review(self.recipe(text), no_hub, replace(self.options, **options)).plan

    def merge(self, text, out="out", **options) -> Made:
        plan = commands.merge(self.recipe(text), Path(out), no_hub, replace(self.options, **options), silent)
        folder = self.root / out
        tensors = {name: t for file in sorted(folder.glob("*.safetensors")) for name, t in load_file(file).items()}
        return Made(plan, folder, json.loads((folder / "config.json").read_text()), tensors)


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    monkeypatch.chdir(tmp_path)
    return Bench(tmp_path)


@pytest.fixture
def plan(bench):
    """Plan a recipe of ``./base``, ``./a`` and ``./b``."""
    base = families.random_tensors(SHAPE, 1)
    for seed, name in enumerate(("base", "a", "b")):
        bench.model(name, families.tuned(base, seed))
    return bench.plan
