"""A folder of a user's repo that is named like one of our packages is not imported in its place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("engine", "bot", "space")
PACKAGES = (*ROOMS, "templates", "examples")
SCRIPT = Path(sys.executable).with_name("mergesmith")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A repo whose folders end every interpreter that imports them with status 99."""
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("import os\nos._exit(99)\n")
    return tmp_path


def start(workspace: Path, *command: str, safe: bool) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    if safe:
        environment["PYTHONSAFEPATH"] = "1"
    return subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True, check=False)


def test_the_console_script_starts_ours(workspace: Path) -> None:
    done = start(workspace, str(SCRIPT), "--help", safe=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mergesmith" in done.stdout


@pytest.mark.parametrize("name", ROOMS)
def test_the_setting_finds_ours(workspace: Path, name: str) -> None:
    done = start(workspace, sys.executable, "-c", f"import {name}; print({name}.__file__)", safe=True)
    assert (done.stdout.strip(), done.stderr) == (str(ROOT / name / "__init__.py"), "")


@pytest.mark.parametrize("name", PACKAGES)
def test_without_the_setting_the_folder_would_win(workspace: Path, name: str) -> None:
    """So that the test above would notice."""
    command = (sys.executable, "-c", f"import {name}")
    assert start(workspace, *command, safe=False).returncode == 99


def test_the_image_sets_it_and_starts_the_console_script() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert "ENV PYTHONSAFEPATH=1" in lines
    assert 'ENTRYPOINT ["/usr/local/bin/mergesmith"]' in lines
    assert not [line for line in lines if line.startswith(("USER", "WORKDIR"))]
