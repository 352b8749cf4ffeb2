"""Killed, interrupted or failing at any moment: nothing looks finished, and the next run ends with the same bytes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import families
import folders
import pytest

from engine.commands import merge
from engine.errors import MergeError
from engine.events import ShardDone, ShardKept, TensorDone, silent
from engine.plan.plan import Options

INDEX = "model.safetensors.index.json"
MERGE = "from engine.cli import main; main()"
LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0})); " + MERGE
AT_THE_WORST_MOMENT = """
import os, signal, threading
MAIN, WHEN = threading.get_ident(), {0}
entered = 0
enter = threading.Condition.__enter__

def interrupted_there(condition):
    global entered
    result = enter(condition)
    entered += threading.get_ident() == MAIN
    if entered == WHEN and threading.get_ident() == MAIN:
        os.kill(os.getpid(), signal.{1})
        os.kill(os.getpid(), signal.{1})  # as whoever starts a process may tell it, and then its group
    return result

threading.Condition.__enter__ = interrupted_there
"""
OPTIONS = Options(max_shard_size=folders.SHARD, endpoint=os.environ["HF_ENDPOINT"])


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return folders.write_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(autouse=True)
def _at_home(home, monkeypatch):
    monkeypatch.chdir(home)


def no_hub():
    pytest.fail("no Hub is needed here")


@pytest.fixture(scope="module")
def expected(home, tmp_path_factory):
    """Every byte of an undisturbed merge."""
    out = tmp_path_factory.mktemp("undisturbed")
    here = Path.cwd()
    os.chdir(home)
    try:
        merge(Path("ties.yaml"), out, no_hub, OPTIONS, silent)
    finally:
        os.chdir(here)
    made = folders.contents(out)
    assert sum(name.endswith(".safetensors") for name in made) == folders.SHARDS
    return made


def kept_in(out: Path) -> int:
    """How many shards the journal calls whole."""
    journal = out / ".mergesmith" / "journal.json"
    return len(json.loads(journal.read_text())["shards"]) if journal.is_file() else 0


def resumed(out: Path) -> list[str]:
    """Run the merge to its end; returns the shards that it did not compute again."""
    events = []
    merge(Path("ties.yaml"), out, no_hub, OPTIONS, events.append)
    done = [event.file for event in events if isinstance(event, ShardDone)]
    kept = [event.file for event in events if isinstance(event, ShardKept)]
    assert sorted(done + kept) == [f"model-0000{k}-of-00003.safetensors" for k in range(1, 4)]
    return kept


class Killed(BaseException):
    """Nothing in the engine catches this: the code stops dead, as a killed process does."""


def kill_at(monkeypatch, step: int) -> list[str]:
    """Let the ``step``-th change to the file system not happen, nor anything after it."""
    steps: list[str] = []

    def dying(name, function):
        def call(*args, **kwargs):
            steps.append(name)
            if len(steps) >= step:
                raise Killed
            return function(*args, **kwargs)

        return call

    for name in ("replace", "unlink", "rmdir", "fsync"):
        monkeypatch.setattr(os, name, dying(name, getattr(os, name)))
    return steps


def killed_at_every_step(out_for, monkeypatch, check):
    """Merge into ``out_for(step)``, killed at one step later each time, until a merge gets through."""
    for step in range(1, 1000):
        out = out_for(step)
        with monkeypatch.context() as patch:
            kill_at(patch, step)
            try:
                merge(Path("ties.yaml"), out, no_hub, OPTIONS, silent)
            except Killed:
                killed = True
            else:
                killed = False
        if not killed:
            return step
        check(out)
    return pytest.fail("it never ends")


def test_killed_at_every_step(tmp_path, expected, monkeypatch):
    def check(out):
        # An index is what a reader begins with: where there is one, all is there.
        if folders.looks_finished(out) or (out / INDEX).exists():
            assert folders.contents(out) == {**expected, ".mergesmith": b"(folder)"}
        if not (out / "README.md").is_file():  # else it was killed while files moved to their places
            assert not list(out.glob("*.safetensors"))
        merge(Path("ties.yaml"), out, no_hub, OPTIONS, silent)
        assert folders.contents(out) == expected

    steps = killed_at_every_step(lambda step: tmp_path / str(step), monkeypatch, check)
    # For each shard: sync it, move it, sync and move the journal. For the 8 other files: sync and move them. Then
    # everything moves to its place, and the work folder goes.
    files = len(expected)
    assert steps > 4 * folders.SHARDS + 2 * (files - folders.SHARDS) + files


def test_killed_at_every_step_over_an_earlier_model(home, tmp_path, expected, monkeypatch):
    """The earlier model is larger and has other files; readers see it whole, or none, or the new one whole."""
    base = families.random_tensors(families.Shape(layers=6), 1)
    families.write_model(tmp_path / "old", base, families.config_of(families.Shape(layers=6)))
    (tmp_path / "old" / "generation_config.json").write_text("{}")
    recipe = tmp_path / "old.yaml"
    recipe.write_text(f"merge_method: linear\nmodels: [{{model: {tmp_path}/old, parameters: {{weight: 1}}}}]\n")
    merge(recipe, tmp_path / "earlier", no_hub, OPTIONS, silent)
    earlier = folders.contents(tmp_path / "earlier")

    def out_for(step):
        out = tmp_path / str(step)
        out.mkdir()
        for name, data in earlier.items():
            (out / name).write_bytes(data)
        return out

    def check(out):
        if folders.looks_finished(out) or (out / INDEX).exists():
            left = {name: data for name, data in folders.contents(out).items() if name != ".mergesmith"}
            assert left in (earlier, expected)
        merge(Path("ties.yaml"), out, no_hub, OPTIONS, silent)
        assert folders.contents(out) == expected

    killed_at_every_step(out_for, monkeypatch, check)


def start(out: Path, *, script: str = MERGE) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", script, "merge", "ties.yaml", str(out), "--events", "json"]
    return subprocess.Popen(
        [*command, "--max-shard-size", str(folders.SHARD)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def stopped(out: Path, signal_number: int, events: int, delay: float) -> tuple[int, str]:
    """Send a signal some seconds after so many events; returns the exit status and what was said."""
    process = start(out)
    for _ in range(events):
        process.stdout.readline()
    time.sleep(delay)
    process.send_signal(signal_number)
    return ended(process)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a process, not for ever; returns the exit status and what was said."""
    try:
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, said


def test_sigkill_at_random_moments(tmp_path, expected):
    choose = random.Random(5)
    for attempt in range(4):
        out = tmp_path / str(attempt)
        status, _ = stopped(out, signal.SIGKILL, choose.randint(1, 38), choose.random() * 0.01)
        assert status == -signal.SIGKILL
        assert not folders.looks_finished(out)
        assert [path.name for path in out.iterdir()] == [".mergesmith"]
        finished = kept_in(out)
        assert len(resumed(out)) == finished
        assert folders.contents(out) == expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number, tmp_path, expected):
    out = tmp_path / "out"
    status, said = stopped(out, number, 25, 0)
    assert status == 130
    assert said == "mergesmith: interrupted; what is finished is kept, and the same command goes on from there\n"
    assert [path.name for path in out.iterdir()] == [".mergesmith"]
    finished = kept_in(out)
    assert finished > 0
    assert len(resumed(out)) == finished
    assert folders.contents(out) == expected


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("when", [1, 20, 41, 60, 83, 105, 200])
def test_interrupted_where_a_lock_was_just_taken(name, when, tmp_path, expected):
    """Python would raise there, before it knows that it has the lock; the threads that need it would never end."""
    out = tmp_path / "out"
    status, said = ended(start(out, script=AT_THE_WORST_MOMENT.format(when, name) + MERGE))
    assert (status, said) == (
        130,
        "mergesmith: interrupted; what is finished is kept, and the same command goes on from there\n",
    )
    assert [path.name for path in out.iterdir()] == [".mergesmith"]
    resumed(out)
    assert folders.contents(out) == expected


@pytest.mark.parametrize("when", [1, 8, 12, 16, 20])
def test_verifying_interrupted_where_a_lock_was_just_taken(when, tmp_path, monkeypatch):
    write_large_tensor(tmp_path, 1 << 22)
    monkeypatch.chdir(tmp_path)
    merge(Path("ties.yaml"), Path("out"), no_hub, OPTIONS, silent)
    script = AT_THE_WORST_MOMENT.format(when, "SIGINT") + MERGE
    command = [sys.executable, "-W", "error", "-c", script, "verify", "out", "--sample", "1", "--threads", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert ended(process) == (130, "mergesmith: interrupted\n")


@pytest.mark.parametrize(("threads", "skip"), [(1, 0), (1, 6), (2, 0), (2, 6)])
def test_interrupted_while_a_hub_says_wait(home, tmp_path, devhub, monkeypatch, threads, skip):
    """At the headers, or at the weights; in the main thread, or in others."""
    for model in ("base", "one", "two"):
        devhub.store.create_repo(f"alice/{model}", "alice")
        files = {path.name: path for path in sorted((home / "alice" / model).iterdir())}
        devhub.store.commit_files(f"alice/{model}", files, "Upload")
    devhub.inject("resolve", path="*.safetensors", status=429, headers={"Retry-After": "60"}, times=1000, skip=skip)
    (tmp_path / "ties.yaml").write_text(folders.TIES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", devhub.endpoint)
    monkeypatch.setenv("HF_TOKEN", devhub.token("alice"))
    command = [sys.executable, "-W", "error", "-c", MERGE, "merge", "ties.yaml", "out", "--threads", str(threads)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if any(exchange.status == 429 for exchange in devhub.log):
            break
        time.sleep(0.1)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    status, said = ended(process)
    assert time.monotonic() - begin < 5
    assert (status, said.splitlines()[-1]) == (
        130,
        "mergesmith: interrupted; what is finished is kept, and the same command goes on from there",
    )


def write_large_tensor(home: Path, size: int) -> None:
    """Parents that have one tensor, of so many elements, and ``ties.yaml``."""
    tensors = {"model.layers.0.mlp.large.weight": families.torch.ones(size, dtype=families.torch.bfloat16)}
    for model in ("base", "one", "two"):
        families.write_model(home / "alice" / model, tensors, families.config_of(families.Shape(layers=1)))
    (home / "ties.yaml").write_text(folders.TIES)


def test_interrupted_while_a_large_tensor_is_computed(home, tmp_path, monkeypatch):
    """The threads stop after what they are at, not after all that was asked of them."""
    write_large_tensor(tmp_path, 1 << 25)
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    process = start(out)
    while '"started"' not in process.stdout.readline():
        pass
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - begin < 2
    assert [path.name for path in out.iterdir()] == [".mergesmith"]


def test_two_at_once(tmp_path, expected):
    out = tmp_path / "out"
    first = start(out)
    first.stdout.readline()
    first.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(MergeError) as caught:
            merge(Path("ties.yaml"), out, no_hub, OPTIONS, silent)
        assert str(caught.value) == f"another merge is at work in {out}; wait for it, or name another place"
    finally:
        first.send_signal(signal.SIGCONT)
        first.communicate(timeout=60)
    assert first.returncode == 0
    assert folders.contents(out) == expected


def test_a_parent_that_is_cut_short_meanwhile(tmp_path, monkeypatch):
    home = folders.write_home(tmp_path / "home")
    monkeypatch.chdir(home)
    merge(Path("ties.yaml"), tmp_path / "whole", no_hub, OPTIONS, silent)
    victim = home / "alice" / "two" / "model-00002-of-00002.safetensors"
    whole = victim.read_bytes()

    def spoil(event):
        if isinstance(event, ShardDone):
            victim.write_bytes(whole[:2000])

    out = tmp_path / "out"
    with pytest.raises(MergeError) as caught:
        merge(Path("ties.yaml"), out, no_hub, OPTIONS, spoil)
    assert (
        str(caught.value)
        == "alice/two/model-00002-of-00002.safetensors was changed after the merge was planned; run again"
    )
    assert [path.name for path in out.iterdir()] == [".mergesmith"]
    victim.write_bytes(whole)
    assert resumed(out)
    assert folders.contents(out) == folders.contents(tmp_path / "whole")


def test_a_full_disk(tmp_path, expected):
    out = tmp_path / "out"
    process = start(out, script=LIMITED.format(6000))
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (
        1,
        f"mergesmith: the disk that holds {out}/.mergesmith is full; free some space there and run "
        "again, or ask for smaller shards with --max-shard-size\n",
    )
    assert [path.name for path in out.iterdir()] == [".mergesmith"]
    assert resumed(out) == []
    assert folders.contents(out) == expected


def test_a_disk_that_is_full_at_the_end(tmp_path, monkeypatch):
    """All shards fit, and the tokenizer does not."""
    home = folders.write_home(tmp_path / "home")
    (home / "alice" / "base" / "tokenizer.json").write_text(" " * 100_000)
    monkeypatch.chdir(home)
    out = tmp_path / "out"
    process = start(out, script=LIMITED.format(50_000))
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said[:56]) == (1, f"mergesmith: the disk that holds {out}/.mergesmith is full; "[:56])
    assert [path.name for path in out.iterdir()] == [".mergesmith"]
    assert len(resumed(out)) == folders.SHARDS


def test_descriptors_are_given_back(tmp_path):
    """Neither a merge that ends well nor one that fails keeps any file of a parent open."""

    def open_files() -> set[str]:
        return {str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}

    def stop(event):
        if isinstance(event, TensorDone):
            raise MergeError("as a test wants it")

    before = open_files()
    merge(Path("ties.yaml"), tmp_path / "well", no_hub, OPTIONS, silent)
    assert open_files() <= before
    with pytest.raises(MergeError):
        merge(Path("ties.yaml"), tmp_path / "ill", no_hub, OPTIONS, stop)
    assert {name for name in open_files() - before if not name.endswith("/claim")} == set()
