"""The process that publishes: what it is told to do, and what is made of what it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bot.publishing import Published, arguments, publish


def test_arguments():
    start = [sys.executable, "-P", "-m", "engine", "publish", "--events", "json"]
    file = Path("/w/--help.yaml")
    assert arguments(file, None, private=False, create_pr=False) == [*start, "--require-lock", "--", "/w/--help.yaml"]
    assert arguments(file, "a/b", private=True, create_pr=True) == [
        *start,
        "--repo",
        "a/b",
        "--private",
        "--create-pr",
        "--require-lock",
        "--",
        "/w/--help.yaml",
    ]


def run(tmp_path, program: str) -> tuple[Published, list[str]]:
    said: list[str] = []
    done = publish([sys.executable, "-c", program], {"PATH": "/bin"}, tmp_path, said.append)
    return done, said


def test_events_become_lines(tmp_path):
    program = """
import json
for e in [
    {"event": "said", "text": "warning: x"},
    {"event": "started", "tensors": 2, "shards": 1, "nbytes": 10},
    {"event": "tensor-done", "name": "t", "shard": "s", "nbytes": 5},
    {"event": "shard-done", "file": "m.safetensors", "nbytes": 12000, "sha256": "ab" * 32},
    {"event": "shard-uploaded", "file": "m.safetensors", "nbytes": 12000},
    {"event": "published", "where": "https://hub/a/b", "files": 8, "nbytes": 13000},
]:
    print(json.dumps(e))
print("not json")
"""
    assert run(tmp_path, program) == (
        Published("made", "https://hub/a/b"),
        [
            "warning: x",
            "merging 2 tensors into 1 shard",
            "m.safetensors: 12 kB, sha256 abababababababab",
            "m.safetensors: uploaded",
            "done: https://hub/a/b, 8 files, 13 kB",
            "not json",
        ],
    )


def test_without_a_published_event_it_was_there_already(tmp_path):
    assert run(tmp_path, "pass")[0] == Published("current")
    said = {"event": "said", "text": "https://hub/a/b/discussions/2 carries this very plan already: nothing to do"}
    program = f"print({json.dumps(json.dumps(said))})"
    assert run(tmp_path, program)[0] == Published("current", "https://hub/a/b/discussions/2")


def test_failures(tmp_path):
    program = "import sys; sys.stderr.write('mergesmith: [Errno 28] No space left on device'); sys.exit(1)"
    assert run(tmp_path, program)[0] == Published(
        "failed", "", "mergesmith: [Errno 28] No space left on device", "disk"
    )
    assert run(tmp_path, "import os; os.kill(os.getpid(), 9)")[0] == Published(
        "failed", "", "mergesmith ended with status -9 and said nothing", "internal"
    )
