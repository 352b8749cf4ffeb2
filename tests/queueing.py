"""A queue of publishes to the embedded Hub: orders for it, and ways to wait and to look."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.commands import write_lock
from engine.devhub import Server
from engine.hub_client import Hub
from engine.jobs import Order
from engine.plan.plan import Options
from engine.resources import EXAMPLES

TOKENS = {"alice": "hf_alice_token", "bob": "hf_bob_token"}
RECIPE = """\
merge_method: linear
models:
  - {model: alice/upper, parameters: {weight: 1}}
  - {model: alice/reverse, parameters: {weight: 1}}
dtype: float32
"""


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid: int) -> list[int]:
    """Processes that a process started, and that run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid and fields[0] not in {"Z", "X"}:
            found.append(int(path.parent.name))
    return found


def told_of(folder: Path, secret: str) -> list[Path]:
    """Files below a folder that hold a secret."""
    return [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


@dataclass(frozen=True)
class World:
    """An embedded Hub that has the models, and what orders are made of."""

    server: Server
    tmp: Path

    @property
    def folder(self) -> Path:
        return self.tmp / "jobs"

    @property
    def environment(self) -> dict[str, str]:
        kept = ("PATH", "HOME", "HF_HOME", "HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_PROGRESS_BARS")
        return {name: os.environ[name] for name in kept if name in os.environ}

    def order(self, owner: str = "alice", target: str = "alice/merged") -> Order:
        """An order that a publish carries out."""
        path = self.tmp / "recipe.yaml"
        path.write_text(RECIPE)
        options = Options(threads=1, local=False, repo=target, endpoint=self.server.endpoint)
        hub = Hub(endpoint=self.server.endpoint, token=self.server.token(owner))
        lock, plan = write_lock(path, lambda: hub, options)
        nbytes = plan.cost.bytes_read + plan.cost.bytes_written
        return Order(owner, target, "Two tasks", RECIPE, lock.read_text(), nbytes)

    def hold(self, **which: object) -> None:
        """Let requests hang, all or some, so that a job goes on until the faults are cleared."""
        self.server.inject(**{"route": "*", "delay": 120.0, "times": 1000, **which})

    def files(self, repo: str) -> set[str]:
        """Files of a repo's main branch; none where there is no such repo."""
        if repo not in {found.id for found in self.server.store.repos()}:
            return set()
        store = self.server.store
        return set(store.commit(repo, store.resolve(repo, "main") or "").files)


def seed(server: Server) -> None:
    """Put the tiny models ``upper`` and ``reverse`` there."""
    for name in ("upper", "reverse"):
        folder = EXAMPLES / "models" / name
        server.store.create_repo(f"alice/{name}", "alice")
        files: dict[str, bytes | Path] = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        server.store.commit_files(f"alice/{name}", files, "Upload")
