"""A commit's files: the listing from GitHub, the texts from the workspace where they are the same, else from GitHub.

A file of the workspace counts only where git's hash of its bytes is the commit's. So it does not matter what a
checkout holds, what a step before us wrote there, or where a symbolic link points.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import MergesmithError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bot.github import GitHub

PLAIN = frozenset({"100644", "100755"})
"""Git's modes of ordinary files; others are links, folders and submodules."""


@dataclass(frozen=True)
class Entry:
    """A file of a commit: ``sha`` is git's hash of its content, ``size`` in bytes."""

    path: str
    mode: str
    sha: str
    size: int

    @property
    def is_plain(self) -> bool:
        """Whether it is an ordinary file."""
        return self.mode in PLAIN


class Tree:
    """All files of a commit, by path."""

    def __init__(self, github: GitHub, commit: str, entries: Mapping[str, Entry], workspace: Path | None) -> None:
        self.commit, self.entries = commit, entries
        self._github, self._workspace = github, workspace

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def read(self, path: str) -> bytes:
        """Return a file's content. ``KeyError`` where there is none."""
        entry = self.entries[path]
        here = None if self._workspace is None else _in_workspace(self._workspace, entry)
        return self._from_github(entry) if here is None else here

    def _from_github(self, entry: Entry) -> bytes:
        blob = self._github.get(f"git/blobs/{entry.sha}")
        try:
            data = base64.b64decode(blob["content"])
        except (KeyError, TypeError, binascii.Error):
            data = b""
        if blob_id(data) != entry.sha:
            raise MergesmithError(f"GitHub's answer for {entry.path} is not the file of commit {self.commit[:12]}")
        return data


def blob_id(data: bytes) -> str:
    """Git's hash of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def tree_at(github: GitHub, commit: str, workspace: Path | None) -> Tree:
    """List a commit, in one request. ``MergesmithError`` where GitHub does not list it whole."""
    answer = github.get(f"git/trees/{commit}", recursive=1)
    if answer.get("truncated"):
        raise MergesmithError(
            f"{github.repo} has more files at {commit[:12]} than GitHub lists at once (100,000); keep recipes in a "
            "repo of their own"
        )
    entries = (
        Entry(str(item["path"]), str(item["mode"]), str(item["sha"]), int(item.get("size", 0)))
        for item in answer["tree"]
        if item["type"] == "blob"
    )
    return Tree(github, commit, {entry.path: entry for entry in entries}, workspace)


def _in_workspace(workspace: Path, entry: Entry) -> bytes | None:
    """Read a file of the workspace, if it is the very file of the commit."""
    if not entry.is_plain or "\0" in entry.path or ".." in entry.path.split("/"):
        return None
    path = workspace.joinpath(*entry.path.split("/"))
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size != entry.size:
            return None
        data = path.read_bytes()
    except OSError:
        return None
    return data if blob_id(data) == entry.sha else None
