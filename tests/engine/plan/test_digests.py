"""What changes a plan's two digests, and what does not."""

from __future__ import annotations

import os
import shutil

import families
import pytest

from engine.plan import build as building

SHAPE = families.Shape(layers=2)
TEXT = """\
merge_method: ties
base_model: ./base
models:
  - model: ./base
  - model: ./a
    parameters: {weight: 0.5, density: 0.5}
  - model: ./b
    parameters: {weight: 0.25}
dtype: bfloat16
"""


@pytest.fixture
def bench(bench):
    base = families.random_tensors(SHAPE, 1)
    for seed, name in enumerate(("base", "a", "b")):
        bench.model(name, families.tuned(base, seed), SHAPE)
    return bench


@pytest.fixture
def digests(bench):
    def digests(text=TEXT, **options):
        plan = bench.plan(text, **options)
        return plan.weights_digest, plan.digest

    return digests


SAME = {
    "comments and blank lines": "# a comment\n\n" + TEXT.replace("dtype", "\ndtype"),
    "line ends": TEXT.replace("\n", "\r\n"),
    "the order of keys": "dtype: bfloat16\n" + TEXT.replace("dtype: bfloat16\n", ""),
    "the order of parameters": TEXT.replace("{weight: 0.5, density: 0.5}", "{density: 0.5, weight: 0.5}"),
    "spelling of a number": TEXT.replace("0.25", "2.5e-1"),
    "spelling of a dtype": TEXT.replace("bfloat16", "torch.bfloat16"),
    "quotes": TEXT.replace("./a", "'./a'"),
    "style": TEXT.replace("    parameters: {weight: 0.25}", "    parameters:\n      weight: 0.25"),
    "a parameter without effect": TEXT + "parameters: {int8_mask: true}\n",
    "a default that is written out": TEXT + "seed: 0\n",
}


@pytest.mark.parametrize("change", SAME)
def test_neither_changes_with(digests, change):
    assert digests(SAME[change]) == digests()


@pytest.mark.parametrize(
    "options",
    [{"max_shard_size": 1000}, {"threads": 7}, {"memory": 0}, {"disk": 0}, {"allow_crimes": True}],
    ids=str,
)
def test_neither_changes_with_the_machine_or_the_shards(digests, options):
    assert digests(**options) == digests()


def test_neither_changes_with_times_or_a_new_clone(bench, digests):
    before = digests()
    for path in bench.root.rglob("*"):
        os.utime(path, (0, 0))
    shutil.move("a", "moved")
    shutil.copytree("moved", "a")
    assert digests() == before


WEIGHTS = {
    "a weight": TEXT.replace("0.25", "0.26"),
    "a density": TEXT.replace("density: 0.5", "density: 0.6"),
    "the method": TEXT.replace("ties", "dare_ties"),
    "the order of models": "".join(
        [*TEXT.splitlines(True)[:4], *TEXT.splitlines(True)[6:8], *TEXT.splitlines(True)[4:6], "dtype: bfloat16\n"]
    ),
    "dtype": TEXT.replace("bfloat16", "float16"),
    "out_dtype": TEXT + "out_dtype: float32\n",
    "the seed": TEXT + "seed: 1\n",
}


@pytest.mark.parametrize("change", WEIGHTS)
def test_both_change_with(digests, change):
    before, after = digests(), digests(WEIGHTS[change])
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_both_change_with_a_parents_weights(bench, digests):
    before = digests()
    weights = bench.root / "a" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    after = digests()
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_both_change_with_the_tokenizer(bench, digests):
    assert digests(copy_tokenizer=False)[0] != digests()[0]
    before = digests()
    (bench.root / "base" / "tokenizer.json").write_text("{}")
    assert digests()[0] != before[0]


def test_both_change_with_the_numerics(digests, monkeypatch):
    before = digests()
    monkeypatch.setattr(building, "NUMERICS", building.NUMERICS + 1)
    after = digests()
    assert before[0] != after[0]
    assert before[1] != after[1]


REVIEWED = {
    "the name": (TEXT + "name: Other\n", {}),
    "the target": (TEXT + "publish: {repo: alice/m}\n", {}),
    "the target on the command line": (TEXT, {"repo": "alice/m"}),
    "the visibility": (TEXT, {"private": True}),
    "the visibility in the recipe": (TEXT + "publish: {private: true}\n", {}),
    "the licence": (TEXT + "publish: {license: mit}\n", {}),
    "the card": (TEXT + "publish: {tags: [merge-of-two]}\n", {}),
}


@pytest.mark.parametrize("change", REVIEWED)
def test_only_the_plans_own_digest_changes_with(digests, change):
    text, options = REVIEWED[change]
    before, after = digests(), digests(text, **options)
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_only_the_plans_own_digest_changes_with_a_parents_licence(bench, digests):
    before = digests()
    (bench.root / "a" / "README.md").write_text("---\nlicense: mit\n---\n")
    after = digests()
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_a_target_on_the_command_line_counts_as_the_recipes_own(digests):
    assert digests(repo="alice/m")[1] == digests(TEXT + "publish: {repo: alice/m}\n")[1]
