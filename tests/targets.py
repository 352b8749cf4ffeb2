"""A target repo at the embedded Hub: parents to merge, a publish to it, and questions about what it holds."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import folders
import pytest

from engine.commands import merge, plan_locked, publish
from engine.devhub import Server
from engine.events import Event, ShardDone, ShardKept, ShardUploaded, silent
from engine.hub_client import Hub
from engine.plan.plan import Options, Plan

TARGET = "alice/merged"
NAMES = [f"model-0000{k}-of-00003.safetensors" for k in (1, 2, 3)]
LINEAR = (
    "merge_method: linear\nmodels:\n"
    "  - {model: alice/one, parameters: {weight: 1}}\n  - {model: alice/two, parameters: {weight: 1}}\n"
)


def write_recipes(root: Path) -> Path:
    """Write the parents and ``ties.yaml``, as ``folders`` does, and ``linear.yaml``."""
    folders.write_home(root)
    (root / "linear.yaml").write_text(LINEAR)
    return root


def seed(server: Server, repo: str, folder: Path, **kind) -> None:
    """Put a folder's files into a new repo."""
    server.store.create_repo(repo, repo.split("/", maxsplit=1)[0], **kind)
    server.store.commit_files(repo, {path.name: path for path in sorted(folder.iterdir())}, "Upload")


def seed_parents(server: Server, home: Path) -> None:
    for model in ("base", "one", "two"):
        seed(server, f"alice/{model}", home / "alice" / model)


def hub_of(server: Server, user: str = "alice") -> Hub:
    return Hub(endpoint=server.endpoint, token=server.token(user), sleep=lambda _seconds: None)


def options(server: Server, **more) -> Options:
    return Options(**{"local": False, "repo": TARGET, "endpoint": server.endpoint, "max_shard_size": 8_000, **more})


def send(
    server: Server, recipe: str = "ties.yaml", *, user: str = "alice", report=silent, force=False, create_pr=False,
    clean_staging=False, require_lock=False, **more,
) -> str:  # fmt: skip
    return publish(
        Path(recipe),
        lambda: hub_of(server, user),
        options(server, **more),
        report,
        force=force,
        create_pr=create_pr,
        clean_staging=clean_staging,
        require_lock=require_lock,
    )


def plan_of(server: Server, recipe: str = "ties.yaml", **more) -> Plan:
    return plan_locked(Path(recipe), lambda: hub_of(server), options(server, **more)).plan


def history(server: Server, revision: str = "main") -> list[str]:
    """Titles of the target's commits, the newest first."""
    head = server.store.resolve(TARGET, revision)
    return [commit.title for commit in server.store.history(TARGET, head)]


def held(server: Server, revision: str = "main") -> dict[str, str]:
    """What readers of a revision see: sha256 by name."""
    return {name: entry.sha256 for name, entry in entries(server, revision).items()}


def entries(server: Server, revision: str = "main"):
    return server.store.commit(TARGET, server.store.resolve(TARGET, revision)).files


def content(server: Server, name: str, revision: str = "main") -> bytes:
    return server.store.blobs.path(held(server, revision)[name]).read_bytes()


def staging(server: Server) -> list[str]:
    """The target's staging branches."""
    refs = server.store.refs(TARGET)
    return [ref.removeprefix("refs/heads/") for ref in refs if ref.startswith("refs/heads/mergesmith/")]


def expected(server: Server, recipe: str, tmp_path: Path, **more) -> dict[str, str]:
    """The same model, made in a folder from the same Hub, with what a new repo has."""
    out = tmp_path / f"expected-{recipe}"
    merge(Path(recipe), out, lambda: hub_of(server), options(server, **more), silent)
    made = {name: hashlib.sha256(data).hexdigest() for name, data in folders.contents(out).items()}
    head = server.store.resolve("alice/base", "main")
    return {**made, ".gitattributes": server.store.commit("alice/base", head).files[".gitattributes"].sha256}


class Stopped(Exception):  # noqa: N818 - what a test makes a run stop with
    """The run is stopped by the test."""


def stop_after(server: Server, count: int, recipe: str = "ties.yaml", **more) -> list[str]:
    """Publish until so many shards are staged; returns the names of those that were computed."""
    done: list[str] = []

    def stop(event):
        if isinstance(event, ShardDone):
            done.append(event.file)
        if isinstance(event, ShardUploaded) and len(done) == count:
            raise Stopped

    with pytest.raises(Stopped):
        send(server, recipe, report=stop, **more)
    return done


def resume(server: Server, recipe: str = "ties.yaml", **more) -> tuple[list[str], list[str]]:
    """Publish to the end; returns which shards were computed, and which were found."""
    events: list[Event] = []
    send(server, recipe, report=events.append, **more)
    return (
        [event.file for event in events if isinstance(event, ShardDone)],
        [event.file for event in events if isinstance(event, ShardKept)],
    )


def elsewhere(call, *args) -> None:
    """Call as if on another machine, which has temporary files of its own."""
    here = tempfile.tempdir
    with tempfile.TemporaryDirectory() as tempfile.tempdir:
        call(*args)
    tempfile.tempdir = here


WRITES = {"create-repo", "create-branch", "preupload", "lfs-batch", "lfs-put", "lfs-verify", "commit", "settings"}


def writes(server: Server) -> list[str]:
    """Routes of the requests that wrote something, in order."""
    return [exchange.route for exchange in server.log if exchange.route in WRITES]
