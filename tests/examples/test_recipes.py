"""The example recipes: that each makes a model which knows what the README's table says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from engine.commands import merge
from engine.demo.reader import load
from engine.demo.tasks import TASKS, score
from engine.events import silent
from engine.plan.plan import Options

EXAMPLES = Path(__file__).parents[2] / "examples"
RECIPES = sorted(path.stem for path in (EXAMPLES / "recipes").glob("*.yaml"))
ROW = re.compile(r"^\| `(models|recipes)/(\w+)(?:\.yaml)?`.*?\| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)
TABLE = {(kind, name): scores for kind, name, *scores in ROW.findall((EXAMPLES / "README.md").read_text())}
SLACK = 3
"""Words of 100 that another processor's float32 may answer otherwise."""


def no_hub():
    pytest.fail("a recipe with folders alone asked for the Hub")


def with_folders(text):
    """The recipe without its ``publish:``, and with folders in place of Hub names."""
    body = text.partition("publish:\n")[0]
    return re.sub(r"demo/tiny-(\w+)", lambda name: f"examples/models/{name[1]}", body)


def percent(folder):
    model = load(folder)
    return [100 * score(model, task) for task in TASKS.values()]


def test_the_table_has_every_model_and_every_recipe():
    folders = sorted(path.name for path in (EXAMPLES / "models").iterdir())
    assert sorted(TABLE) == [("models", name) for name in folders] + [("recipes", name) for name in RECIPES]


@pytest.mark.parametrize("name", RECIPES)
def test_the_table_says_what_a_merge_scores(name, tmp_path, monkeypatch):
    monkeypatch.chdir(EXAMPLES.parent)
    recipe = tmp_path / f"{name}.yaml"
    recipe.write_text(with_folders((EXAMPLES / "recipes" / f"{name}.yaml").read_text()))
    merge(recipe, tmp_path / "out", no_hub, Options(threads=1), silent)
    assert percent(tmp_path / "out") == pytest.approx([float(value) for value in TABLE["recipes", name]], abs=SLACK)


@pytest.mark.parametrize("name", [name for kind, name in TABLE if kind == "models"])
def test_the_table_says_what_a_models_card_says(name):
    card = (EXAMPLES / "models" / name / "README.md").read_text()
    assert TABLE["models", name] == re.findall(r"^\| `/\w+` \| (\d+) \|$", card, flags=re.MULTILINE)


@pytest.mark.parametrize("name", ["slerp", "linear", "task_arithmetic", "ties", "dare_ties", "hierarchical"])
def test_a_merge_keeps_what_each_of_its_fine_tunes_knows(name):
    recipe = (EXAMPLES / "recipes" / f"{name}.yaml").read_text()
    scores = dict(zip(TASKS, map(int, TABLE["recipes", name]), strict=True))
    for task, value in scores.items():
        assert value >= 85 if f"demo/tiny-{task}" in recipe else value <= 10, task


def test_the_passthrough_recipe_stacks_ten_layers(tmp_path, monkeypatch):
    monkeypatch.chdir(EXAMPLES.parent)
    recipe = tmp_path / "stack.yaml"
    recipe.write_text(with_folders((EXAMPLES / "recipes" / "passthrough.yaml").read_text()))
    merge(recipe, tmp_path / "out", no_hub, Options(threads=1), silent)
    stacked, lower, upper = (
        load(folder) for folder in (tmp_path / "out", EXAMPLES / "models/reverse", EXAMPLES / "models/upper")
    )
    assert stacked.shape.layers == 10
    for name, model, at in (("7", lower, "7"), ("8", upper, "6"), ("9", upper, "7")):
        tensor = "model.layers.{}.mlp.up_proj.weight"
        assert stacked.weights[tensor.format(name)].equal(model.weights[tensor.format(at)])


@pytest.mark.parametrize("path", sorted((EXAMPLES / "local").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_local_recipe_is_its_namesake_with_folders(path):
    namesake = (EXAMPLES / "recipes" / path.name).read_text()
    assert yaml.safe_load(path.read_text()) == yaml.safe_load(with_folders(namesake))
    assert f"mergesmith merge examples/local/{path.name} out" in path.read_text()


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_where_it_goes(name):
    *_, result = yaml.safe_load_all((EXAMPLES / "recipes" / f"{name}.yaml").read_text())
    publish = result["publish"]
    assert publish["repo"] == f"demo/tiny-{name.replace('_', '-')}"
    assert publish["license"] == "apache-2.0"
