"""Peak memory is an interpreter and the stated budget, whatever the size of the model and of its largest tensor."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import families
import folders
import pytest
import torch

from benchmarks.__main__ import resident
from engine.commands import plan_locked
from engine.plan.plan import Options

MiB = 2**20
SIZES = (20, 160)
"""MiB of tensors of the two models, 8 times apart."""
LINEAR = (
    "merge_method: linear\ndtype: bfloat16\nmodels:\n"
    "  - {model: alice/base, parameters: {weight: 1}}\n  - {model: alice/one, parameters: {weight: 1}}\n"
)
STAGES = (
    "name: blend\nmerge_method: slerp\nbase_model: alice/base\nparameters: {t: 0.5}\n"
    "models: [{model: alice/base}, {model: alice/one}]\n---\nmerge_method: slerp\nbase_model: blend\n"
    "models: [{model: blend}, {model: alice/two}]\nparameters: {t: 0.5}\n"
)


def write_models(root: Path, size: int) -> None:
    """Four fifths of each model are one tensor. The values are the same 2²⁰ again and again, to be quick."""
    block = torch.randn(2**20, generator=torch.Generator().manual_seed(1)) * 0.05
    moved = block + 0.01 * torch.randn(2**20, generator=torch.Generator().manual_seed(2))
    elements = size * MiB // 2
    for name, values in (("base", block), ("one", moved)):
        stored = values.to(torch.bfloat16)
        tensors = {
            "model.layers.0.mlp.large.weight": stored.repeat(elements * 4 // 5 // 2**20),
            **{f"model.layers.0.mlp.small{i}.weight": stored.repeat(elements // 20 // 2**20 + 1) for i in range(4)},
        }
        families.write_model(root / "alice" / name, tensors, families.config_of(families.Shape(layers=1)))
    (root / "alice" / "two").mkdir()
    for file in (root / "alice" / "one").iterdir():
        os.link(file, root / "alice" / "two" / file.name)
    (root / "ties.yaml").write_text(folders.TIES)
    (root / "linear.yaml").write_text(LINEAR)
    (root / "stages.yaml").write_text(STAGES)


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    made = {size: tmp_path_factory.mktemp(f"{size}MiB") for size in SIZES}
    for size, root in made.items():
        write_models(root, size)
    return made


MERGE = """
import sys
from engine.run import merge
merge.run.__kwdefaults__["parted"] = int(sys.argv.pop(1))
from engine.cli import main
main()
"""
PARTED = {"threads": 10**12, "processes": 0}


def peak(home: Path, recipe: str, out: str, *options: str, parted: int = 0) -> float:
    """MiB of resident memory at most, of a merge in a process of its own."""
    command = [sys.executable, "-c", MERGE, str(parted), "merge", recipe, f"{recipe}.{out}"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    merging = subprocess.Popen([*command, "--threads", "2", "--quiet", *options], cwd=home, env=environment)
    most = 0.0
    while merging.poll() is None:
        most = max(most, resident(merging.pid))
        time.sleep(0.005)
    assert merging.returncode == 0
    return most


@pytest.mark.parametrize("parted", PARTED)
@pytest.mark.parametrize("recipe", ["linear.yaml", "ties.yaml"])
def test_peak_memory_does_not_grow_with_the_model(homes, recipe, parted):
    """A budget that neither model's large tensor fits: the rest is threads' chunks and an interpreter."""
    # The allocator's habits vary by some MiB from run to run, so the least of two runs counts.
    small, large = (
        min(
            peak(homes[size], recipe, f"{parted}{size}-{n}", "--memory", "8MB", parted=PARTED[parted]) for n in range(2)
        )
        for size in SIZES
    )
    told = f"{recipe}: {small:.0f} MiB for {SIZES[0]} MiB, {large:.0f} MiB for {SIZES[1]} MiB\n"
    sys.stdout.write(told)
    assert large <= 1.1 * small, told
    assert large <= 600


def test_stages_need_what_is_planned(homes, monkeypatch):
    """No tensor of a stage is ever whole: two slerps on top of each other need some more chunks."""
    monkeypatch.chdir(homes[SIZES[1]])
    planned = plan_locked(Path("stages.yaml"), None, Options(memory=8_000_000, threads=2)).plan.cost.peak_memory_bytes
    found = min(peak(homes[SIZES[1]], "stages.yaml", f"out{n}", "--memory", "8MB") for n in range(2))
    sys.stdout.write(f"stages.yaml: {found:.0f} MiB, planned {planned / MiB:.0f}\n")
    assert found * MiB <= planned <= 400 * MiB
