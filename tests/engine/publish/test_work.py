"""The folder that a run works in."""

from __future__ import annotations

import stat
import subprocess
import sys
import tempfile

import pytest

from engine.errors import MergeError
from engine.publish.work import CREATED, work_folder

HOLD = """
import sys, tempfile
from engine.publish.work import work_folder
tempfile.tempdir = sys.argv[1]
with work_folder("mergesmith-x") as folder:
    (folder / "left").write_bytes(b"x" * 10)
    print("there", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_it_is_empty_private_and_gone_afterwards(tmp_path):
    with work_folder("mergesmith-x") as folder:
        assert folder == tmp_path / "mergesmith-x"
        assert names(folder) == ["claim"]
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "a").write_text("a")
    assert names(tmp_path) == []


def test_it_is_gone_after_a_failure_too(tmp_path):
    def stopped():
        with work_folder("mergesmith-x") as folder:
            (folder / "a").write_text("a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert names(tmp_path) == []


def test_the_note_outlives_a_failure_and_ends_with_a_run_that_ends_well(tmp_path):
    def stopped():
        with work_folder("mergesmith-x") as folder:
            for name in ("a", CREATED):
                (folder / name).write_text("a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert sorted(names(tmp_path / "mergesmith-x")) == ["claim", CREATED]
    with work_folder("mergesmith-x") as folder:
        assert sorted(names(folder)) == ["claim", CREATED]
    assert names(tmp_path) == []


def test_of_two_processes_the_second_is_refused_and_empties_it_once_the_first_is_killed(tmp_path):
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout.readline() == "there\n"
    with pytest.raises(MergeError) as caught, work_folder("mergesmith-x"):
        pytest.fail("two in one folder")
    assert str(caught.value) == (
        f"another run publishes this model from this machine, in {tmp_path}/mergesmith-x; wait until it has ended"
    )
    first.kill()
    first.communicate()
    assert sorted(names(tmp_path / "mergesmith-x")) == ["claim", "left"]
    with work_folder("mergesmith-x") as folder:
        assert names(folder) == ["claim"]


def test_a_place_that_somebody_else_prepared_is_refused(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("p")
    (tmp_path / "mergesmith-x").symlink_to(elsewhere)
    for _ in range(2):
        with pytest.raises(MergeError) as caught, work_folder("mergesmith-x"):
            pytest.fail("a folder of somebody else's")
        assert str(caught.value) == (
            f"{tmp_path}/mergesmith-x is somebody else's; name another folder for temporary files with TMPDIR"
        )
        assert names(elsewhere) == ["precious"]
        (tmp_path / "mergesmith-x").unlink()
        (tmp_path / "mergesmith-x").write_text("a file")
