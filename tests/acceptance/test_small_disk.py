"""A publish needs room for one output file and one scratch file, however large the models are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import families
import folders
import pytest
from targets import TARGET, expected, held, plan_of, seed_parents, send

SHAPE = families.Shape(layers=20, width=64, inner=160, vocab=256)
SHARD = 150_000
LIMIT = 800
"""KiB that the small file system holds."""
TIGHT = {"max_shard_size": SHARD, "memory": 0, "threads": 1}
"""Nothing is held in memory, so what is read more than once goes to scratch files."""
MOUNT = 'mount -t tmpfs -o size="$1"k tmpfs "$2" && cd "$3" && shift 3 && exec "$@"'
PUBLISH = """
import atexit, pathlib
status = pathlib.Path("/proc/self/status")
atexit.register(lambda: print("peak", status.read_text().split("VmHWM:")[1].split()[0]))
from engine.cli import main
main()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Parents large enough for eight times the small file system, and the recipe in a folder of its own."""
    root = tmp_path_factory.mktemp("home")
    base = families.random_tensors(SHAPE, 1)
    models = {"base": base, "one": families.tuned(base, 2), "two": families.tuned(base, 3)}
    for name, tensors in models.items():
        families.write_model(root / "alice" / name, tensors, families.config_of(SHAPE), shards=2)
    (root / "recipes").mkdir()
    (root / "recipes" / "ties.yaml").write_text(folders.TIES)
    return root


@pytest.fixture
def server(devhub, home, monkeypatch):
    seed_parents(devhub, home)
    monkeypatch.chdir(home / "recipes")
    return devhub


def weights(server) -> int:
    """Bytes of all parents' weights and the result's."""
    total = 0
    for repo in ("alice/base", "alice/one", "alice/two", TARGET):
        files = server.store.commit(repo, server.store.resolve(repo, "main")).files
        total += sum(entry.size for name, entry in files.items() if name.endswith(".safetensors"))
    return total


def used(*places: Path) -> int:
    """Bytes in folders, files included that have lost their name and are still open."""
    found = sum(path.stat().st_size for place in places for path in place.rglob("*") if path.is_file())
    for link in Path("/proc/self/fd").iterdir():
        try:
            name = str(link.readlink())
            if name.endswith(" (deleted)") and any(name.startswith(f"{place}/") for place in places):
                found += os.fstat(int(link.name)).st_size
        except OSError:  # closed by another thread meanwhile
            continue
    return found


def test_the_disk_never_holds_more_than_the_plan_says(server, tmp_path, monkeypatch):
    """Looked at whenever a file is given room, written to or let go of."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    plan, seen = plan_of(server, **TIGHT), []
    assert any(tensor.reading == "spool" for tensor in plan.tensors)

    def look(*_args) -> None:
        seen.append(used(temporary, Path(os.environ["HF_HOME"])))

    def looking(function):
        def call(*args, **kwargs):
            try:
                return function(*args, **kwargs)
            finally:
                look()

        return call

    for name in ("posix_fallocate", "ftruncate", "pwrite", "unlink", "fsync", "close"):
        monkeypatch.setattr(os, name, looking(getattr(os, name)))
    send(server, report=look, **TIGHT)
    assert len(plan.shards) > 10
    assert max(shard.size for shard in plan.shards) < max(seen) <= plan.cost.peak_disk_bytes
    assert weights(server) > 8 * max(seen)
    assert list(temporary.iterdir()) == []


def can_mount() -> bool:
    """Whether this machine lets us mount a small file system without being root."""
    if shutil.which("unshare") is None:
        return False
    with tempfile.TemporaryDirectory() as place:
        return in_small_disk(Path(place), Path(place), ["true"], {}).returncode == 0


def in_small_disk(place: Path, work: Path, command: list[str], environment: dict[str, str]):
    """Run a command for which ``place`` is a file system of ``LIMIT`` KiB."""
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", str(LIMIT), place, work, *command],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


CAN_MOUNT = can_mount()
small_disk = pytest.mark.skipif(not CAN_MOUNT, reason="this machine mounts no file system for an ordinary user")


def publish_on_small_disk(server, place: Path, *more: str):
    """Publish with all temporary files and caches in the small file system."""
    place.mkdir()
    environment = {
        "TMPDIR": str(place),
        "HF_HOME": str(place / "cache"),
        "HF_ENDPOINT": server.endpoint,
        "HF_TOKEN": server.token("alice"),
    }
    command = [sys.executable, "-B", "-c", PUBLISH, "publish", "ties.yaml", "--repo", TARGET, "--threads", "1", *more]
    return in_small_disk(place, Path.cwd(), command, environment)


@small_disk
def test_a_model_eight_times_the_disk(server, tmp_path):
    done = publish_on_small_disk(server, tmp_path / "small", "--memory", "0", "--max-shard-size", str(SHARD))
    assert done.returncode == 0, done.stderr
    assert weights(server) >= 8 * LIMIT * 1024
    assert held(server) == expected(server, "ties.yaml", tmp_path, **TIGHT)
    memory = int(done.stdout.rpartition("peak ")[2]) * 1024
    sys.stdout.write(f"peak memory {memory / 2**20:.0f} MiB\n")
    assert memory <= plan_of(server, "ties.yaml", **TIGHT).cost.peak_memory_bytes


@small_disk
def test_a_disk_that_is_too_small_says_so_and_creates_nothing(server, tmp_path):
    place = tmp_path / "small"
    done = publish_on_small_disk(server, place, "--quiet")
    folder = done.stderr.partition(f"{place}/")[2].partition(" ")[0]
    assert (done.returncode, done.stderr) == (
        1,
        f"mergesmith: the disk that holds {place}/{folder} is full; free some space there and run again, or ask for "
        "smaller shards with --max-shard-size\n",
    )
    assert folder.startswith("mergesmith-")
    assert server.store.repo(TARGET) is None
