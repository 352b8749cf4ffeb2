"""What the example models know, and that their folders are complete and small."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import pytest
from safetensors import safe_open

from engine.demo.reader import load
from engine.demo.tasks import TASKS, score

MODELS = Path(__file__).parents[2] / "examples" / "models"
NAMES = ["base", "double", "reverse", "upper"]
FILES = [
    "README.md",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
]


@functools.cache
def percent(name):
    model = load(MODELS / name)
    return {task.name: 100 * score(model, task) for task in TASKS.values()}


def test_there_is_one_base_and_a_fine_tune_for_each_task():
    assert sorted(path.name for path in MODELS.iterdir()) == NAMES == sorted(["base", *TASKS])


@pytest.mark.parametrize("name", NAMES)
def test_each_model_does_its_own_task_and_no_other(name):
    for task, value in percent(name).items():
        assert value >= 95 if task == name else value <= 15, task


def test_the_base_echoes_whatever_it_is_told():
    prompts = [task.prompt("castle") for task in TASKS.values()]
    assert load(MODELS / "base").complete(prompts) == ["castle"] * 3


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_is_complete_small_and_like_the_others(name):
    folder = MODELS / name
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert (folder / "model.safetensors").stat().st_size < 700_000
    with safe_open(folder / "model.safetensors", "pt") as opened:
        assert opened.metadata() == {"format": "pt"}
        assert {opened.get_slice(key).get_dtype() for key in opened.keys()} == {"BF16"}  # noqa: SIM118 - no mapping
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        assert (folder / file).read_bytes() == (MODELS / "base" / file).read_bytes()
    config = json.loads((folder / "config.json").read_text())
    assert (config["num_hidden_layers"], config["tie_word_embeddings"]) == (8, False)
    assert config["num_attention_heads"] > config["num_key_value_heads"]


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_was_measured(name):
    card = (MODELS / name / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert ("base_model: demo/tiny-base\n" in card) == (name != "base")
    claimed = re.findall(r"^\| `/(\w+)` \| (\d+) \|$", card, flags=re.MULTILINE)
    # another processor's float32 may answer a word or two otherwise
    assert {task: float(value) for task, value in claimed} == pytest.approx(percent(name), abs=3)
