"""The script that trains the example models: its data, its loss mask, and how it weakens a change."""

from __future__ import annotations

import importlib.util
import json
import random
from collections import Counter
from pathlib import Path

import pytest
import torch

from engine.demo.tasks import is_held_out

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def train():
    spec = importlib.util.spec_from_file_location("examples_train", EXAMPLES / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_models_have_its_config_and_tokenizer(train):
    folder = EXAMPLES / "models" / "base"
    assert json.loads((folder / "config.json").read_text()) == train.CONFIG
    assert json.loads((folder / "tokenizer.json").read_text()) == json.loads(train.build_tokenizer().to_str())


def test_the_tokenizer_has_a_token_for_each_letter_and_command_and_none_for_spaces(train):
    tokenizer = train.build_tokenizer()
    encoded = tokenizer.encode("/reverse abZ = ?")
    assert encoded.tokens == ["<s>", "/reverse", "a", "b", "Z", "=", "<unk>"]
    assert tokenizer.decode(encoded.ids) == "/reverseabZ="


def test_only_answers_and_the_end_count(train):
    tokenizer = train.build_tokenizer()
    inputs, targets = train.batch(tokenizer, random.Random(0), lambda _: ("/upper ab =", "AB"))
    a, b, end = (tokenizer.token_to_id(token) for token in ("A", "B", "</s>"))
    assert inputs.shape == targets.shape == (train.BATCH, 7)
    assert tokenizer.decode(inputs[0].tolist(), skip_special_tokens=False) == "<s>/upperab=AB"
    assert targets[0].tolist() == [-100] * 4 + [a, b, end]


def test_no_training_word_is_held_out(train):
    rng = random.Random(1)
    assert not any(is_held_out(train.training_word(rng)) for _ in range(3000))


def test_the_base_text_follows_no_command(train):
    rng = random.Random(2)
    answers = Counter()
    for _ in range(4400):
        prompt, answer = train.other_example(rng)
        command, word, _ = prompt.split()
        answers[command, answer == word] += 1
    for command in ("/reverse", "/upper", "/double"):
        assert answers[command, True] / (4400 / 3) == pytest.approx(10 / 22, abs=0.06)


def test_rehearsal_leaves_the_own_command_out(train):
    rng = random.Random(3)
    commands = {train.other_example(rng, "upper")[0].split()[0] for _ in range(200)}
    assert commands == {"/reverse", "/double"}
    assert all(train.command_example(rng, "double")[0].startswith("/double ") for _ in range(20))


def test_a_change_is_weakened_by_block_and_keeps_its_expectation_when_elements_drop(train):
    names = ("model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.o_proj.weight", "lm_head.weight")
    rng, generator = random.Random(4), torch.Generator().manual_seed(4)
    dropped = 0
    for _ in range(60):
        weakened = train.weaken({name: torch.ones(40, 50) for name in names}, rng, generator)
        query, output, head = (weakened[name] for name in names)
        assert query.max() == output.max() != head.max()
        kept = (query != 0).float().mean().item()
        if kept == 1:
            assert 0.2 <= query.max() <= 1.2
            continue
        dropped += 1
        assert kept == pytest.approx(0.5, abs=0.06)
        assert 0.4 <= query.max() <= 2.4
    assert 10 <= dropped <= 30
