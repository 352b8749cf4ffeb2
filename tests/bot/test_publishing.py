"""The process that publishes: what it gets, and what is made of what it says."""

from __future__ import annotations

import sys
from pathlib import Path

from bot.publishing import Published, arguments, child_environment, publish

RUNNER = {
    "PATH": "/bin",
    "HF_ENDPOINT": "https://hub",
    "HF_TOKEN": "hf_lies_about",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "GITHUB_TOKEN": "ghs_x",
    "GITHUB_ACTIONS": "true",
    "INPUT_GITHUB-TOKEN": "ghs_x",
    "INPUT_HF-TOKEN": "hf_x",
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://id",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "ey",
    "ACTIONS_RUNTIME_TOKEN": "ey",
    "PYTHONPATH": "/workspace",
    "LD_PRELOAD": "/workspace/x.so",
}
KEPT = {"PATH": "/bin", "HF_ENDPOINT": "https://hub", "GITHUB_ACTIONS": "true"}


def test_with_a_token_nothing_else():
    assert child_environment(RUNNER, "hf_x", "alice/m") == KEPT | {"HF_TOKEN": "hf_x"}
    assert child_environment(RUNNER | {"HF_OIDC_RESOURCE": "a/b"}, "hf_x", "alice/m") == KEPT | {"HF_TOKEN": "hf_x"}


def test_without_a_token_trusted_publishing_to_the_target_alone():
    identity = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://id", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "ey"}
    assert child_environment(RUNNER, "", "alice/m") == KEPT | identity | {"HF_OIDC_RESOURCE": "alice/m"}
    assert child_environment(RUNNER | {"HF_OIDC_RESOURCE": "b/c"}, "", "alice/m")["HF_OIDC_RESOURCE"] == "b/c"


def test_without_either_nobody():
    bare = {k: v for k, v in RUNNER.items() if not k.startswith("ACTIONS_")}
    assert child_environment(bare, "", "alice/m") == KEPT


def test_arguments():
    start = [sys.executable, "-P", "-m", "engine", "publish", "--events", "json"]
    file = Path("/w/--help.yaml")
    assert arguments(file, None, private=False, require_lock=False) == [*start, "--", "/w/--help.yaml"]
    assert arguments(file, "a/b", private=True, require_lock=True) == [
        *start,
        "--repo",
        "a/b",
        "--private",
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


def test_failures(tmp_path):
    program = "import sys; sys.stderr.write('mergesmith: [Errno 28] No space left on device'); sys.exit(1)"
    assert run(tmp_path, program)[0] == Published(
        "failed", "", "mergesmith: [Errno 28] No space left on device", "disk"
    )
    assert run(tmp_path, "import os; os.kill(os.getpid(), 9)")[0] == Published(
        "failed", "", "mergesmith ended with status -9 and said nothing", "internal"
    )


def test_a_flood_of_errors_is_cut(tmp_path):
    done, _ = run(tmp_path, "import sys; sys.stderr.write('x' * 300_000); sys.exit(1)")
    assert len(done.message) == 20_000
