"""The engine's processes: what they get of the runner's secrets, and what is heard of them."""

from __future__ import annotations

import sys

from engine.process import IDENTITY, Ended, command, run_process, to_read, to_write

RUNNER = {
    "PATH": "/bin",
    "HF_ENDPOINT": "https://hub",
    "HF_TOKEN": "hf_lies_about",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_CACHE": "/home/runner/cache",
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
KEPT = {
    "PATH": "/bin",
    "HF_ENDPOINT": "https://hub",
    "GITHUB_ACTIONS": "true",
    "HF_HUB_CACHE": "/dev/null",  # it may hold what whoever is served must not see
}


def test_with_a_token_nothing_else():
    assert to_write(RUNNER, "hf_x", "alice/m") == KEPT | {"HF_TOKEN": "hf_x"}
    bare = {name: value for name, value in RUNNER.items() if name not in IDENTITY}
    assert to_write(bare | {"HF_OIDC_RESOURCE": "a/b"}, "hf_x", "alice/m") == KEPT | {"HF_TOKEN": "hf_x"}


def test_a_token_beside_a_named_resource_only_reads():
    identity = {name: RUNNER[name] for name in IDENTITY}
    both = KEPT | identity | {"HF_TOKEN": "hf_x", "HF_OIDC_RESOURCE": "a/b"}
    assert to_write(RUNNER | {"HF_OIDC_RESOURCE": "a/b"}, "hf_x", "alice/m") == both


def test_without_a_token_trusted_publishing_to_the_target_alone():
    identity = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://id", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "ey"}
    assert to_write(RUNNER, "", "alice/m") == KEPT | identity | {"HF_OIDC_RESOURCE": "alice/m"}
    assert to_write(RUNNER | {"HF_OIDC_RESOURCE": "b/c"}, "", "alice/m")["HF_OIDC_RESOURCE"] == "b/c"


def test_without_either_nobody():
    bare = {k: v for k, v in RUNNER.items() if not k.startswith("ACTIONS_")}
    assert to_write(bare, "", "alice/m") == KEPT


def test_who_only_reads_gets_no_means_to_publish():
    assert to_read(RUNNER, "hf_x") == KEPT | {"HF_TOKEN": "hf_x"}
    assert to_read(RUNNER | {"HF_OIDC_RESOURCE": "a/b"}, "") == KEPT | {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}


def test_command():
    assert command("verify", "--", "--x") == [sys.executable, "-P", "-m", "engine", "verify", "--", "--x"]


def run(tmp_path, program: str) -> tuple[Ended, list[str]]:
    lines: list[str] = []
    return run_process([sys.executable, "-c", program], {"PATH": "/bin"}, tmp_path, lines.append), lines


def test_lines_and_the_end(tmp_path):
    program = (
        "import os, sys; print('one'); print('two\\r'); print(os.getcwd()); sys.stderr.write('so\\n'); sys.exit(2)"
    )
    assert run(tmp_path, program) == (Ended(2, "so"), ["one", "two", str(tmp_path)])
    silent = "mergesmith ended with status -9 and said nothing"
    assert run(tmp_path, "import os; os.kill(os.getpid(), 9)") == (Ended(-9, silent), [])


def test_a_flood_of_errors_is_cut(tmp_path):
    ended, _ = run(tmp_path, "import sys; sys.stderr.write('x' * 300_000); sys.exit(1)")
    assert len(ended.error) == 20_000
