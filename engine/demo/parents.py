"""The tiny trained models on an embedded Hub, under the names that the example recipes have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.resources import EXAMPLES

if TYPE_CHECKING:
    from pathlib import Path

    from engine.devhub.store import Store

OWNER = "demo"


def folders() -> list[Path]:
    """List the models' folders, by name."""
    return sorted(path for path in (EXAMPLES / "models").iterdir() if path.is_dir())


def upload(store: Store) -> list[str]:
    """Put every model there as ``demo/tiny-…`` that is not there yet, and return the repos' names."""
    there = {repo.id for repo in store.repos()}
    names = []
    for folder in folders():
        repo = f"{OWNER}/tiny-{folder.name}"
        names.append(repo)
        if repo not in there:
            store.create_repo(repo, OWNER)
            files: dict[str, bytes | Path] = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
            store.commit_files(repo, files, "Upload a tiny model")
    return names
