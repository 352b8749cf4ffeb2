"""``mergesmith demo`` as a newcomer runs it, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.demo.run import Result, failures_of

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"│ (\w+) +│ ([\w-]+) +│ +(\d+)% │ +(\d+)% │ +(\d+)% │")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")} | {
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
    }
    command = [sys.executable, "-m", "engine", "demo", "--keep", "out"]
    shown = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    return folder / "out", shown.stdout


def test_the_table_shows_merges_that_do_what_their_parents_do(demo):
    _, text = demo
    rows = {name: (kind, int(a), int(b), int(c)) for name, kind, a, b, c in ROW.findall(text)}
    assert set(rows) == {"base", "double", "reverse", "upper", "slerp", "ties", "dare_ties"}
    assert max(rows["base"][1:]) <= 20
    for column, task in enumerate(("reverse", "upper", "double"), start=1):
        assert rows[task][column] >= 90, "a fine-tune does its own task"
        assert all(rows[task][other] <= 20 for other in {1, 2, 3} - {column}), "and no other"
    assert min(rows["slerp"][1:3]) >= 80, "reverse and upper, merged"
    assert min(rows["ties"][1:]) >= 80
    assert min(rows["dare_ties"][1:]) >= 80


def test_what_it_leaves_is_where_it_says(demo):
    folder, text = demo
    assert "The stacked model has 10 layers, loads, and all its weights are finite." in text
    for name in ("tiny-slerp", "tiny-ties", "tiny-dare-ties", "tiny-passthrough"):
        assert f"out/models/{name}" in text
        card = (folder / "models" / name / "README.md").read_text()
        assert f"# {name}\n" in card
    assert "mergesmith devhub --root out/hub --port" in text, text


def test_a_folder_that_is_no_demo_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    command = [sys.executable, "-m", "engine", "demo", "--keep", "mine"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    shown = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr == "mergesmith: mine exists and is no earlier demo's; name another folder with --keep\n"
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


GOOD = [
    Result("base", {"reverse": 0.0, "upper": 0.0, "double": 0.1}),
    Result("reverse", {"reverse": 1.0, "upper": 0.0, "double": 0.0}),
    Result("ties", {"reverse": 0.9, "upper": 0.8, "double": 0.0}),
]


@pytest.mark.parametrize(
    ("label", "scores", "fails"),
    [
        ("ties", {"reverse": 0.9, "upper": 0.8, "double": 0.0}, False),
        ("ties", {"reverse": 0.9, "upper": 0.7, "double": 0.0}, True),
        ("base", {"reverse": 0.9, "upper": 0.0, "double": 0.0}, True),
        ("base", {"reverse": 0.5, "upper": 0.0, "double": 0.0}, True),
        ("reverse", {"reverse": 0.7, "upper": 0.0, "double": 0.0}, True),
        ("reverse", {"reverse": 1.0, "upper": 0.3, "double": 0.0}, True),
    ],
)
def test_the_demo_fails_where_the_table_does_not_show_it(label, scores, fails):
    assert failures_of(GOOD) == []
    told = failures_of([Result(label, scores)])
    assert told == ([f"the scores of {label} are not what the demo is to show: {scores}"] if fails else [])
