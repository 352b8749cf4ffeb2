"""Same lock, same bytes: whatever the threads, chunks, shards, processor features, hash seed and way of reading."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import families
import pytest
import torch
from safetensors.torch import load_file

from engine.commands import merge, plan_locked, publish
from engine.events import silent
from engine.hub_client import Hub
from engine.plan.plan import Options
from engine.publish.assemble import assemble
from engine.publish.folder import FolderSink
from engine.run import blending as blending_module
from engine.run import mixing as mixing_module
from engine.run import sharing as sharing_module
from engine.run.merge import run
from engine.run.sharing import PARTED

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 1030
"""Rows of 1,024: a little more than the 2²⁰ elements of one span."""
RECIPES = {
    "linear": "merge_method: linear\nmodels:\n"
    "  - {model: alice/base, parameters: {weight: 0.3}}\n"
    "  - {model: alice/one, parameters: {weight: 0.9}}\n",
    "slerp": "merge_method: slerp\nbase_model: alice/base\nparameters: {t: 0.3}\n"
    "models: [{model: alice/base}, {model: alice/one}]\n",
    "ties": "merge_method: ties\nbase_model: alice/base\nparameters: {rescale: true}\nmodels:\n"
    "  - {model: alice/one, parameters: {weight: 0.7, density: 0.4}}\n"
    "  - {model: alice/two, parameters: {weight: 0.5, density: 0.8}}\n",
    "dare_ties": "merge_method: dare_ties\nbase_model: alice/base\nparameters: {rescale_norm: l1}\nseed: 3\nmodels:\n"
    "  - {model: alice/one, parameters: {weight: 0.7, density: 0.4}}\n"
    "  - {model: alice/two, parameters: {weight: 0.5, density: 0.53}}\n",
    "della": "merge_method: della\nbase_model: alice/base\nparameters: {rescale_norm: l1}\nseed: 3\nmodels:\n"
    "  - {model: alice/one, parameters: {weight: 0.7, density: 0.4}}\n"
    "  - {model: alice/two, parameters: {weight: 0.5, density: 0.53, epsilon: 0.2}}\n",
    "karcher": "merge_method: karcher\nmodels: [{model: alice/base}, {model: alice/one}, {model: alice/two}]\n",
    "nuslerp": "merge_method: nuslerp\nparameters: {nuslerp_flatten: false, nuslerp_row_wise: true}\nmodels:\n"
    "  - {model: alice/base, parameters: {weight: 0.3}}\n"
    "  - {model: alice/one, parameters: {weight: 0.9}}\n",
    "sce": "merge_method: sce\nbase_model: alice/base\nparameters: {select_topk: 0.4}\n"
    "models: [{model: alice/one}, {model: alice/two}]\n",
    "arcee_fusion": "merge_method: arcee_fusion\nbase_model: alice/base\nmodels: [{model: alice/one}]\n",
}
SETTLED = {
    "linear-16": "merge_method: linear\nmodels:\n"
    "  - {model: alice/base, parameters: {weight: 0.3}}\n"
    "  - {model: alice/one, parameters: {weight: 0.9}}\n",
    "ties-16": "merge_method: ties\nbase_model: alice/base\nmodels:\n"
    "  - {model: alice/one, parameters: {weight: 0.7, density: 0.4}}\n"
    "  - {model: alice/two, parameters: {weight: 0.5, density: 0.8}}\n",
    "breadcrumbs-16": "merge_method: breadcrumbs\nbase_model: alice/base\nmodels:\n"
    "  - {model: alice/one, parameters: {weight: 0.7, density: 0.4, gamma: 0.1}}\n"
    "  - {model: alice/two, parameters: {weight: -0.5, density: 0.8}}\n",
    "dare_ties-16": "merge_method: dare_ties\nbase_model: alice/base\nseed: 3\nparameters: {lambda: 0.9}\nmodels:\n"
    "  - {model: alice/one, parameters: {weight: 0.7, density: 0.4}}\n"
    "  - {model: alice/two, parameters: {weight: 0.5, density: 0.53}}\n",
}
"""In bfloat16: most elements are settled by float32, and come out as if none were."""
ALL = [*RECIPES, *SETTLED]
MEASURED = {"slerp", "karcher", "nuslerp", "ties", "dare_ties", "della", "sce", "arcee_fusion"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder that holds the parents as ``alice/base`` and so on, and the recipes."""
    root = tmp_path_factory.mktemp("home")
    base = families.random_tensors(families.Shape(), 1)
    generator = torch.Generator().manual_seed(9)
    base["model.layers.1.mlp.large.weight"] = torch.randn(ROWS, 1024, generator=generator).to(torch.bfloat16)
    models = {"base": base, "one": families.tuned(base, 2), "two": families.tuned(base, 3)}
    for name, tensors in models.items():
        families.write_model(root / "alice" / name, tensors, families.config_of(families.Shape()), shards=2)
    for name, recipe in RECIPES.items():
        (root / f"{name}.yaml").write_text(recipe + "dtype: float64\n")  # shows the last bit of everything
    for name, recipe in SETTLED.items():
        (root / f"{name}.yaml").write_text(recipe + "dtype: bfloat16\n")
    return root


@pytest.fixture(autouse=True)
def _at_home(home, monkeypatch):
    monkeypatch.chdir(home)


def no_hub():
    pytest.fail("no Hub is needed here")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def expected(home, tmp_path_factory):
    """Hash of each recipe's weights, made with one thread in chunks of 2¹² elements, in float64 alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setattr(mixing_module, "LARGEST", {})
        return {name: made(name, tmp_path_factory.mktemp(name), threads=1, chunk=2**12) for name in ALL}


def made(
    name: str,
    out: Path,
    *,
    threads: int = 2,
    chunk: int = 2**16,
    options: Options | None = None,
    parted: int = PARTED,
    hub: Callable[[], Hub] = no_hub,
) -> str:
    planned = plan_locked(Path(f"{name}.yaml"), hub, options or Options())
    sink = FolderSink(out, planned.plan, force=False)
    shards = run(planned.plan, planned.models, sink, silent, threads=threads, chunk=chunk, parted=parted)
    sink.finish(assemble(planned.plan, planned.models, shards))
    return sha256(out / "model.safetensors")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("threads", "chunk"), [(1, 2**20), (2, 2**16), (4, 2**12), (4, 2**16)])
def test_threads_and_chunks(name, threads, chunk, tmp_path, expected):
    assert made(name, tmp_path, threads=threads, chunk=chunk) == expected[name]


@pytest.mark.parametrize("name", ALL)
def test_spans(name, tmp_path, expected, monkeypatch):
    monkeypatch.setattr(blending_module, "SPAN", 2**14)
    assert made(name, tmp_path, threads=3, chunk=2**13) == expected[name]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("count", [2, 3])
def test_processes(name, count, tmp_path, expected, monkeypatch):
    """Forked ones; with spans so small that every tensor is shared, or dealt out whole."""
    options = Options(memory=10**9 if count == 2 else 0)
    assert made(name, tmp_path / "some", threads=count, parted=0, options=options) == expected[name]
    for module in (blending_module, sharing_module):
        monkeypatch.setattr(module, "SPAN", 2**14)
    assert made(name, tmp_path / "many", threads=count, parted=0, options=options) == expected[name]


def test_different_recipes_differ(expected):
    assert len(set(expected.values())) == len(ALL)


@pytest.mark.parametrize("name", RECIPES)
def test_shard_sizes(name, tmp_path, expected):
    merge(Path(f"{name}.yaml"), tmp_path / "many", no_hub, Options(max_shard_size=12_000), silent)
    made(name, tmp_path / "one")
    assert sha256(tmp_path / "one" / "model.safetensors") == expected[name]
    files = sorted((tmp_path / "many").glob("*.safetensors"))
    index = json.loads((tmp_path / "many" / "model.safetensors.index.json").read_text())["weight_map"]
    # By hand: up to the first up_proj, to the second input norm, the large one's neighbours and itself, the head.
    assert len(files) == len(set(index.values())) == 6
    parts = {file.name: load_file(file) for file in files}
    whole = load_file(tmp_path / "one" / "model.safetensors")
    assert set(index) == set(whole)
    for tensor, file in index.items():
        assert torch.equal(parts[file][tensor].view(torch.int64), whole[tensor].view(torch.int64)), tensor


@pytest.mark.parametrize("name", sorted(MEASURED))
def test_held_or_read_again(name, tmp_path, expected):
    for memory, reading in ((10**9, "hold"), (0, "again")):
        options = Options(memory=memory)
        plan = plan_locked(Path(f"{name}.yaml"), no_hub, options).plan
        assert {tensor.reading for tensor in plan.tensors} == {reading}
        assert made(name, tmp_path / reading, options=options) == expected[name]


def test_held_spooled_or_read_again_from_the_hub(home, devhub, tmp_path, expected):
    for model in ("base", "one", "two"):
        files = {path.name: path for path in sorted((home / "alice" / model).iterdir())}
        devhub.store.create_repo(f"alice/{model}", "alice")
        devhub.store.commit_files(f"alice/{model}", files, "Upload")

    def open_hub():
        return Hub(endpoint=devhub.endpoint, token=devhub.token("alice"))

    for memory, disk, reading in ((10**9, None, "hold"), (0, None, "spool"), (0, 0, "again")):
        for name in sorted(MEASURED):
            repo = f"alice/{name}-{reading}".replace("_", "-")
            options = Options(local=False, memory=memory, disk=disk, repo=repo, endpoint=devhub.endpoint)
            plan = plan_locked(Path(f"{name}.yaml"), open_hub, options).plan
            assert {tensor.reading for tensor in plan.tensors} == {reading}
            publish(Path(f"{name}.yaml"), open_hub, options, silent)
            held = {file.name: file.sha256 for file in open_hub().model(repo, None).files}
            assert held["model.safetensors"] == expected[name], (name, reading)
            out = tmp_path / f"{name}-{reading}"
            assert made(name, out, options=options, hub=open_hub, parted=0) == expected[name], (name, reading)


CAPABILITIES = ("default", "avx2", "avx512")
SCRIPT = """
import sys
from pathlib import Path

import torch

from engine.commands import merge
from engine.events import silent
from engine.plan.plan import Options

print(torch.backends.cpu.get_cpu_capability())
for name in sys.argv[2:]:
    merge(Path(name + ".yaml"), Path(sys.argv[1]) / name, None, Options(), silent)
"""


def known_capabilities() -> tuple[str, ...]:
    """Those that this processor has, as torch names them; a processor of another kind has only the default."""
    best = torch.backends.cpu.get_cpu_capability().lower()
    return CAPABILITIES[: CAPABILITIES.index(best) + 1] if best in CAPABILITIES else CAPABILITIES[:1]


@pytest.mark.parametrize(
    ("capability", "seed"), list(zip(known_capabilities(), ("0", "1", "4294967295"), strict=False))
)
def test_processor_features_and_hash_seeds(capability, seed, tmp_path, expected):
    settings = {"ATEN_CPU_CAPABILITY": capability, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "3"}
    subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, str(tmp_path), *ALL],
        env={**os.environ, **settings},
        check=True,
    )
    assert {name: sha256(tmp_path / name / "model.safetensors") for name in ALL} == expected


def test_folders_are_identical_in_every_byte(tmp_path):
    """Also config, card, lock and record: nothing tells of the machine, the folder, the time or the threads."""
    for out, threads in (("one", 1), ("two", 4)):
        merge(Path("ties.yaml"), tmp_path / out, no_hub, Options(threads=threads, memory=10**6 * threads), silent)
    contents = [{path.name: path.read_bytes() for path in sorted((tmp_path / out).iterdir())} for out in ("one", "two")]
    assert contents[0] == contents[1]
    assert set(contents[0]) == {
        "README.md",
        "config.json",
        "merge.lock.json",
        "merge.record.json",
        "mergekit_config.yml",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
