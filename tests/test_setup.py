"""What `make setup` says on a machine that lacks something, and when it has nothing to do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
TOOLS = ("cat", "cksum", "dirname", "rm", "sed")


class Machine:
    """A project folder, and a PATH that holds only what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.bin = folder / "bin"
        self.bin.mkdir()
        (self.project / "scripts").mkdir(parents=True)
        for name in ("pyproject.toml", "scripts/setup.sh", "scripts/torch.txt"):
            shutil.copy(ROOT / name, self.project / name)
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found
            (self.bin / tool).symlink_to(found)

    def script(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def python(self, name: str, version: tuple[int, int, int], before: str = "") -> None:
        """The real interpreter, made to believe that it has another version."""
        code = f"import sys; sys.version_info = {version}; {before or 'pass'}; exec(sys.argv[2])"
        self.script(self.bin / name, f"""exec '{sys.executable}' -c "{code}" "$@" """)

    def setup(self) -> subprocess.CompletedProcess[str]:
        bash = shutil.which("bash")
        assert bash
        return subprocess.run(
            [bash, str(self.project / "scripts/setup.sh")],
            env={"PATH": str(self.bin)},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def stamp(self) -> Path:
        return self.project / ".venv/setup.stamp"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def says(machine: Machine, *lines: str) -> None:
    """It stops with status 1, and with exactly these lines."""
    done = machine.setup()
    assert done.stderr.splitlines() == [f"setup: {line}" for line in lines]
    assert (done.returncode, done.stdout) == (1, "")
    assert not machine.stamp.exists()


def test_no_python(machine: Machine) -> None:
    says(
        machine,
        "no Python found; Python 3.11 or newer is needed.",
        "Install it with: sudo apt-get install python3 python3-venv",
    )


def test_a_shim_that_runs_nothing_is_no_python(machine: Machine) -> None:
    machine.script(machine.bin / "python3", "echo 'python3: command not found' >&2; exit 127")
    says(
        machine,
        "no Python found; Python 3.11 or newer is needed.",
        "Install it with: sudo apt-get install python3 python3-venv",
    )


def test_python_too_old(machine: Machine) -> None:
    machine.python("python3", (3, 9, 2))
    says(
        machine,
        "found only python3 (3.9.2); Python 3.11 or newer is needed.",
        "Install it with: sudo apt-get install python3.11 python3.11-venv",
        "(Debian 12, Ubuntu 24.04 and later have a new enough python3 of their own.)",
    )


def test_a_newer_python_beside_an_old_one_is_used_and_named(machine: Machine) -> None:
    machine.python("python3", (3, 10, 12))
    machine.python("python3.12", (3, 12, 3), before="sys.modules['ensurepip'] = None")
    says(
        machine,
        "python3.12 has no venv module; it makes the environment.",
        "Install it with: sudo apt-get install python3.12-venv",
    )


def test_python_without_its_venv_module(machine: Machine) -> None:
    machine.python("python3", (3, 11, 0), before="sys.modules['ensurepip'] = None")
    says(
        machine,
        "python3 has no venv module; it makes the environment.",
        "Install it with: sudo apt-get install python3-venv",
    )


def test_no_git(machine: Machine) -> None:
    machine.python("python3", (3, 11, 0))
    says(machine, "git is missing.", "Install it with: sudo apt-get install git")


@pytest.fixture
def ready(machine: Machine) -> Machine:
    """Everything is there but the packages; the environment's Python only writes down what it is asked."""
    machine.python("python3", (3, 11, 0))
    machine.script(machine.bin / "git", "exit 0")
    machine.script(
        machine.project / ".venv/bin/python",
        """case "$*" in
        *"pip install"*) echo "$*" >>asked; exec cat answer ;;
        *runpy*) cat cuda ;;
        esac""",
    )
    (machine.project / "answer").write_text("")
    (machine.project / "cuda").write_text("\n")
    return machine


def test_torch_comes_first_and_the_stamp_last(ready: Machine) -> None:
    done = ready.setup()
    assert (done.returncode, done.stderr) == (0, "")
    asked = (ready.project / "asked").read_text().splitlines()
    assert [line.removeprefix("-m pip install --disable-pip-version-check ") for line in asked] == [
        f"--retries 0 --timeout 15 --no-deps --extra-index-url {CPU_INDEX} -r scripts/torch.txt",
        "-r scripts/torch.txt -e .[dev]",
    ]
    assert done.stdout.splitlines()[:2] == [
        "setup: getting torch==2.13.0, CPU build",
        "setup: getting the other packages",
    ]
    assert ready.stamp.exists()


def test_packages_show_as_one_line_each(ready: Machine) -> None:
    (ready.project / "answer").write_text(
        "Collecting rich>=14\n"
        "  Obtaining dependency information for rich>=14\n"
        "  Downloading rich-15.0.0-py3-none-any.whl.metadata (18 kB)\n"
        "  Using cached ruff-0.17.6-py3-none-manylinux_2_17_x86_64.whl (10.6 MB)\n"
        "Downloading rich-15.0.0-py3-none-any.whl (310 kB)\n"
        "Installing collected packages: rich, ruff\n"
        "Successfully installed rich-15.0.0 ruff-0.17.6\n"
    )
    lines = ready.setup().stdout.splitlines()
    start = lines.index("setup: getting the other packages")
    assert lines[start + 1 : -1] == [
        "  ruff-0.17.6-py3-none-manylinux_2_17_x86_64.whl (10.6 MB)",
        "  rich-15.0.0-py3-none-any.whl (310 kB)",
        "setup: installing what was downloaded",
    ]


def test_a_cuda_build_is_named_before_its_libraries_are_fetched(ready: Machine) -> None:
    (ready.project / "cuda").write_text("13.0\n")
    assert ready.setup().stdout.splitlines()[:5] == [
        "setup: getting torch==2.13.0, CPU build",
        f"setup: this torch is built for CUDA 13.0, since {CPU_INDEX} did not answer.",
        "setup: It works on the CPU too, but its libraries are gigabytes. To wait for the small build:",
        "setup: stop here, rm -rf .venv, and make setup later.",
        "setup: getting the other packages",
    ]


def test_no_network_leaves_no_stamp(ready: Machine) -> None:
    (ready.project / "answer").unlink()
    done = ready.setup()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "setup: pip could not install torch; it says why above.",
        "setup: Try again with: make setup",
    ]
    assert not ready.stamp.exists()


def test_the_second_time_asks_nobody(ready: Machine) -> None:
    ready.setup()
    asked = (ready.project / "asked").read_text()
    (ready.bin / "python3").unlink()
    done = ready.setup()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (ready.project / "asked").read_text() == asked


@pytest.mark.parametrize("name", ["pyproject.toml", "scripts/torch.txt", "scripts/setup.sh"])
def test_a_change_of_what_it_was_made_from_sets_up_again(ready: Machine, name: str) -> None:
    ready.setup()
    path = ready.project / name
    path.write_text(path.read_text() + "\n")
    (ready.project / "asked").unlink()
    assert ready.setup().returncode == 0
    assert len((ready.project / "asked").read_text().splitlines()) == 2


def test_a_moved_folder_sets_up_again(ready: Machine) -> None:
    ready.setup()
    ready.project = ready.project.rename(ready.project.with_name("moved"))
    (ready.project / "asked").unlink()
    assert ready.setup().returncode == 0
    assert len((ready.project / "asked").read_text().splitlines()) == 2
