"""The torch-free half: every example recipe is locked, planned and shown with torch blocked, or not even there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import families
import pytest
from safetensors.torch import load_file

ROOT = Path(__file__).parents[1]
LOCAL = sorted((ROOT / "examples" / "local").glob("*.yaml"))
DEMO = sorted((ROOT / "examples" / "recipes").glob("*.yaml"))
ARTICLE = sorted([*ROOT.glob("examples/article/*.yaml"), *ROOT.glob("tests/acceptance/recipes/*.yaml")])
ARTICLES_MODELS = (
    "mistralai/Mistral-7B-v0.1",
    "OpenPipe/mistral-ft-optimized-1218",
    "mlabonne/NeuralHermes-2.5-Mistral-7B",
    "AIDC-ai-business/Marcoroni-7B-v3",
    "EmbeddedLLM/Mistral-7B-Merge-14-v0.1",
    "samir-fama/SamirGPT-v1",
    "abacusai/Slerp-CM-mist-dpo",
    "EmbeddedLLM/Mistral-7B-Merge-14-v0.2",
)

BLOCKED = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ImportError("torch is blocked")

sys.meta_path.insert(0, Block())
from engine import cli

for recipe in sys.argv[1:]:
    for arguments in (["lock", recipe], ["lock", "--check", recipe]):
        assert cli.run(arguments) == 0, arguments
    for form in ("text", "markdown", "json"):
        assert cli.run(["plan", recipe, "--format", form]) == 0, (recipe, form)
assert not any(name.split(".")[0] == "torch" for name in sys.modules)
"""

COPYING = (
    BLOCKED.split("from engine import cli", maxsplit=1)[0]
    + """
from engine import cli

for arguments in (["merge", "stack.yaml", "out"], ["verify", "out", "--rebuild"], ["verify", "out", "--sample", "9"]):
    assert cli.run([*arguments, "--quiet"]) == 0, arguments
"""
)

LOOK = """
import json, sys
from engine import cli
status = cli.run(sys.argv[1:])
heavy = {"torch", "numpy", "transformers", "huggingface_hub", "gradio"}
print(json.dumps([status, sorted(heavy & {name.split(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


def run(
    script: str, arguments, endpoint: str = "http://127.0.0.1:9", home: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HF_ENDPOINT": endpoint, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-c", script, *map(str, arguments)]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)


def copies(recipes, folder: Path) -> list[Path]:
    """Copies to lock: a lock is written beside its recipe."""
    assert recipes
    folder.mkdir()
    return [Path(shutil.copy(recipe, folder)) for recipe in recipes]


def upload(devhub, repo: str, folder: Path) -> None:
    devhub.store.create_repo(repo, repo.partition("/")[0])
    devhub.store.commit_files(repo, {path.name: path for path in sorted(folder.iterdir())}, "Upload")


def check(done: subprocess.CompletedProcess[str], recipes) -> None:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for recipe in recipes:
        assert f"{recipe}: its lock fits" in done.stdout
        lock = json.loads(recipe.with_suffix(".lock.json").read_text())
        assert f'"digest": "{lock["plan_digest"]}"' in done.stdout
        assert f"Plan digest `{lock['plan_digest']}`" in done.stdout
        assert f"plan {lock['plan_digest'][:16]}" in done.stdout


def test_local_examples_without_torch(tmp_path):
    recipes = copies(LOCAL, tmp_path / "local")
    check(run(BLOCKED, recipes), recipes)


def test_examples_on_a_hub_without_torch(tmp_path, devhub):
    for folder in sorted((ROOT / "examples" / "models").iterdir()):
        upload(devhub, f"demo/tiny-{folder.name}", folder)
    recipes = copies(DEMO, tmp_path / "demo")
    check(run(BLOCKED, recipes, devhub.endpoint), recipes)


def test_the_articles_recipes_without_torch(tmp_path, devhub):
    shape = families.Shape(layers=32)
    folder = families.write_model(tmp_path / "model", families.random_tensors(shape, 1), families.config_of(shape))
    for repo in ARTICLES_MODELS:
        upload(devhub, repo, folder)
    recipes = copies(ARTICLE, tmp_path / "article")
    check(run(BLOCKED, recipes, devhub.endpoint), recipes)


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_plan_loads_nothing_heavy(form):
    started = time.monotonic()
    done = run(LOOK, ["plan", LOCAL[0], "--format", form])
    sys.stdout.write(f"mergesmith plan --format {form}: {time.monotonic() - started:.2f} s\n")
    assert json.loads(done.stderr) == [0, []]


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--help"], ["methods"], ["methods", "ties"], ["--version"]])
def test_help_loads_nothing_heavy(arguments):
    assert json.loads(run(LOOK, arguments).stderr) == [0, []]


@pytest.mark.parametrize("parted", ["64 * 1024 * 1024", "0"])
def test_what_only_copies_needs_no_torch(tmp_path, parted):
    """By threads, and by processes: a model of layers 0 to 1 and 1 to 2, each tensor with a parent's bytes."""
    shape = families.Shape(layers=3)
    tensors = families.random_tensors(shape, 1)
    families.write_model(tmp_path / "one", tensors, families.config_of(shape))
    (tmp_path / "stack.yaml").write_text(
        "merge_method: passthrough\nslices:\n"
        "  - sources: [{model: ./one, layer_range: [0, 2]}]\n  - sources: [{model: ./one, layer_range: [1, 3]}]\n"
    )
    script = f"import engine.run.sharing\nengine.run.sharing.PARTED = {parted}\n{COPYING}"
    done = run(script, [], home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    made = load_file(tmp_path / "out" / "model.safetensors")
    came_from = {0: 0, 1: 1, 2: 1, 3: 2}
    expected = {name: tensor for name, tensor in tensors.items() if ".layers." not in name}
    for layer, source in came_from.items():
        own = [name for name in tensors if f".layers.{source}." in name]
        expected |= {name.replace(f".layers.{source}.", f".layers.{layer}."): tensors[name] for name in own}
    assert made.keys() == expected.keys()
    assert all(made[name].equal(expected[name]) for name in expected)
