"""Publishes killed at random moments: the target is the old model or the new one, and the next run goes on.

Each run is a process of its own, forked from one that has everything loaded. It is killed once the Hub has seen a
number of its requests that is drawn at random, and a moment later that is drawn too.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest
from targets import TARGET, expected, held, plan_of, seed_parents, send, staging, write_recipes

from engine import cli
from engine.hub_client import Hub
from engine.publish.staging import staging_name

KILLS = 52
PRELOADED = ["engine.cli", "engine.commands", "engine.hub_client", "engine.publish.publishing", "engine.publish.resume"]
ARGUMENTS = ["publish", "ties.yaml", "--repo", TARGET, "--max-shard-size", "4000", "--threads", "1"]
CONTEXT = multiprocessing.get_context("forkserver")


def run_publish(home: str, temporary: str, said: str, endpoint: str, token: str) -> None:
    """What the process does: the command line, as somebody at a terminal has it."""
    os.chdir(home)
    sys.stderr = Path(said).open("a", buffering=1)  # noqa: SIM115 - until the process ends
    tempfile.tempdir = temporary
    os.environ["HF_ENDPOINT"] = endpoint
    cli.open_hub = lambda: Hub(endpoint=endpoint, token=token, sleep=lambda _seconds: None)
    sys.argv = ["mergesmith", *ARGUMENTS]
    cli.main()


class Machine:
    """Where publishes run: with a folder for temporary files that a fresh machine does not have."""

    def __init__(self, server, recipe: Path, root: Path) -> None:
        self._server, self._root = server, root
        self._home = root / "recipes"  # no folder here is named as a model on the Hub is
        self._home.mkdir()
        (self._home / recipe.name).write_bytes(recipe.read_bytes())
        self._count = 0
        self.refresh()

    def refresh(self) -> None:
        """Move to another machine."""
        self._count += 1
        self.temporary = self._root / str(self._count)
        self.temporary.mkdir()

    def start(self):
        """Start a publish."""
        self.said = self._root / "said"
        self.said.write_text("")
        places = (str(self._home), str(self.temporary), str(self.said))
        process = CONTEXT.Process(
            target=run_publish, args=(*places, self._server.endpoint, self._server.token("alice"))
        )
        process.start()
        return process

    def finish(self) -> None:
        """Publish to the end."""
        process = self.start()
        process.join(60)
        assert process.exitcode == 0, self.said.read_text()

    def kill(self, requests: int, moment: float) -> bool:
        """Start a publish, and kill it after so many requests and a moment; returns whether it was still alive."""
        self._server.clear_log()
        process = self.start()
        while len(self._server.log) < requests and process.is_alive():
            time.sleep(0.0005)
        time.sleep(moment)
        process.kill()
        process.join(60)
        return process.exitcode == -signal.SIGKILL


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    CONTEXT.set_forkserver_preload(PRELOADED)
    return write_recipes(tmp_path_factory.mktemp("home"))


@pytest.fixture
def server(devhub, home, monkeypatch):
    seed_parents(devhub, home)
    monkeypatch.chdir(home)
    return devhub


def models_on_main(server) -> list[dict[str, str]]:
    """What readers of main have seen, at each of its commits."""
    return [
        {name: entry.sha256 for name, entry in commit.files.items()}
        for commit in server.store.history(TARGET, server.store.resolve(TARGET, "main"))
    ]


def test_fifty_kills(server, home, tmp_path):
    choose = random.Random(6)
    new = expected(server, "ties.yaml", tmp_path, max_shard_size=4_000)
    empty = {".gitattributes": new[".gitattributes"]}
    send(server, "linear.yaml")
    old = held(server)
    shards = {shard.file for shard in plan_of(server, max_shard_size=4_000).shards}
    machine = Machine(server, home / "ties.yaml", tmp_path)
    server.clear_log()
    machine.finish()
    requests = len(server.log)
    kills = fresh = gone_on = rounds = 0
    while kills < KILLS:
        rounds += 1
        server.store.delete_repo(TARGET)
        before = empty
        if rounds % 2:
            send(server, "linear.yaml")
            before = old
        for _ in range(8):
            if choose.random() < 0.5:
                machine.refresh()
                fresh += 1
            killed = machine.kill(choose.randint(1, requests), choose.random() * 0.005)
            kills += killed
            if server.store.repo(TARGET) is not None:
                known = (before, empty, new)
                assert [model for model in models_on_main(server) if model not in known] == []
                assert held(server) in (before, new)
                gone_on += bool(staging(server))
            assert len(list(machine.temporary.rglob("*.partial"))) <= 1
            if not killed:
                break
        machine.finish()
        assert held(server) == new
        assert staging(server) == []
        assert list(machine.temporary.iterdir()) == []
        assert shards <= set(held(server))
        # Killed between creating the repo and noting that, nobody knows whose it is: it stays private, and says so.
        assert not server.store.repo(TARGET).private or "private" in machine.said.read_text()
    assert fresh >= kills * 0.35
    assert gone_on > kills // 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(server, home, tmp_path, number):
    new = expected(server, "ties.yaml", tmp_path, max_shard_size=4_000)
    machine = Machine(server, home / "ties.yaml", tmp_path)
    process = machine.start()
    while not any(exchange.route == "lfs-verify" for exchange in server.log) and process.is_alive():
        time.sleep(0.0005)
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == 130
    assert machine.said.read_text().splitlines()[-1] == (
        "mergesmith: interrupted; what is uploaded waits at the target, and the same command goes on from there"
    )
    assert list(machine.temporary.iterdir()) == []
    assert len(staging(server)) == 1
    assert set(held(server)) == {".gitattributes"}
    machine.refresh()
    machine.finish()
    assert f"({plan_branch(server)}), from the commits that it began with" in machine.said.read_text()
    assert held(server) == new
    assert server.store.repo(TARGET).private is False


def plan_branch(server) -> str:
    return staging_name(plan_of(server, max_shard_size=4_000))
