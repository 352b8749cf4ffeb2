"""huggingface_hub's cache on this machine, which is read and never written.

It keeps each file of a commit as a link to a blob that is named after its content: by its SHA-256 where it is an LFS
file, else by git's blob id. Who downloads a repo (``hf download``) leaves the list of all its files there too.
Source: huggingface_hub 2.4.0, "Manage huggingface_hub cache-system", and its ``get_cached_repo_tree``.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from huggingface_hub import get_cached_repo_tree, metadata_load, try_to_load_from_cache
from huggingface_hub.errors import CachedRepoTreeNotFoundError

from engine.hub_client.values import HubFile, HubModel
from engine.hub_errors import not_cached

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from huggingface_hub.hf_api import RepoFile

CHUNK = 1 << 20
_COMMIT = re.compile("[0-9a-f]{40}")
_SHA256 = re.compile("[0-9a-f]{64}")


def file_at(repo: str, commit: str, name: str) -> Path | None:
    """Find a file at a commit; None where the cache lacks it, and at a branch, which may have moved since."""
    return _find(repo, commit, name) if _COMMIT.fullmatch(commit) else None


def copy(path: Path, begin: int, length: int | None, take: Callable[[int, bytes], None]) -> int:
    """Give ``take`` the bytes of ``[begin, begin + length)`` (None: to the end) in order; returns how many there were.

    These are fewer where the file is shorter.
    """
    done = 0
    with path.open("rb") as file:
        file.seek(begin)
        while chunk := file.read(CHUNK if length is None else min(CHUNK, length - done)):
            take(done, chunk)
            done += len(chunk)
    return done


def model_at(repo: str, revision: str | None) -> HubModel:
    """Return what the cache knows of ``repo`` at ``revision`` (None: main), which means there what it last meant.

    The cache does not say who may see a model: here it is neither private nor gated. Raises ``NotCached`` where it has
    no list of the model's files, or none of them.
    """
    try:
        tree = {file.path: file for file in get_cached_repo_tree(repo, revision=revision)}
    except CachedRepoTreeNotFoundError:
        raise not_cached(repo, revision) from None
    found = {name: path for name in tree if (path := _find(repo, revision, name)) is not None}
    whole = {name: path for name, path in found.items() if path.stat().st_size == tree[name].size}
    if not found:
        raise not_cached(repo, revision, sorted(tree))
    return HubModel(
        repo=repo,
        commit=_commit(*next(iter(found.items()))),
        private=False,
        gated=False,
        files=tuple(_file(tree[name], whole.get(name)) for name in sorted(tree)),
        card=_card(whole["README.md"]) if "README.md" in whole else {},
        last_modified=None,
        absent=tuple(sorted(tree.keys() - whole.keys())),
    )


def _find(repo: str, revision: str | None, name: str) -> Path | None:
    try:
        found = try_to_load_from_cache(repo, name, revision=revision)
    except ValueError:  # a name that would lead out of the cache, which so cannot hold it
        return None
    return Path(found) if isinstance(found, str) else None


def _commit(name: str, path: Path) -> str:
    """Return the commit that a file was found at: the name of the folder that mirrors the repo."""
    return path.parents[name.count("/")].name


def _file(file: RepoFile, path: Path | None) -> HubFile:
    """Return a listed file; of one that the cache lacks the SHA-256 is not known."""
    return HubFile(file.path, file.size, None if path is None else _sha256(path, file.blob_id), file.blob_id)


def _sha256(path: Path, blob_id: str) -> str | None:
    """Return the SHA-256 of an LFS file; None for a file of git's own."""
    if path.is_symlink() and (blob := path.readlink().name) and (blob == blob_id or _SHA256.fullmatch(blob)):
        return None if blob == blob_id else blob
    # Where links cannot be made the cache keeps copies, whose content has to tell.
    sha256, sha1 = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)

    def update(_at: int, chunk: bytes) -> None:
        sha256.update(chunk)
        sha1.update(chunk)

    copy(path, 0, None, update)
    return None if sha1.hexdigest() == blob_id else sha256.hexdigest()


def _card(readme: Path) -> Mapping[str, Any]:
    """Return a card's front matter, as the Hub does: nothing where it cannot be read."""
    try:
        return metadata_load(readme) or {}
    except (ValueError, yaml.YAMLError):
        return {}
