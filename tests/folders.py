"""Small parents and a recipe in a folder of their own, and questions about what a merge left behind."""

from __future__ import annotations

import json
from pathlib import Path

import families

TIES = """\
merge_method: ties
base_model: alice/base
models:
  - {model: alice/one, parameters: {weight: 0.7, density: 0.4}}
  - {model: alice/two, parameters: {weight: 0.5, density: 0.8}}
dtype: bfloat16
"""
SHAPE = families.Shape(layers=4)
SHARD = 8_000
"""Bytes: the parents' model then has this many shards …"""
SHARDS = 3


def write_home(root: Path) -> Path:
    """Write the parents ``alice/base``, ``alice/one`` and ``alice/two`` and the recipe ``ties.yaml``."""
    base = families.random_tensors(SHAPE, 1)
    models = {"base": base, "one": families.tuned(base, 2), "two": families.tuned(base, 3)}
    for name, tensors in models.items():
        families.write_model(root / "alice" / name, tensors, families.config_of(SHAPE), shards=2)
    (root / "ties.yaml").write_text(TIES)
    return root


def contents(folder: Path) -> dict[str, bytes]:
    """Every file right in a folder; a work folder counts as one, so that none may be left."""
    return {path.name: path.read_bytes() if path.is_file() else b"(folder)" for path in sorted(folder.iterdir())}


def looks_finished(folder: Path) -> bool:
    """Whether a reader would take the folder for a model: a config, and weights that an index or one file names."""
    if not (folder / "config.json").is_file():
        return False
    if (folder / "model.safetensors").is_file():
        return True
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return False
    files = set(json.loads(index.read_text())["weight_map"].values())
    return all((folder / file).is_file() for file in files)
