"""Git's hashes, so that ids look and compare as on the real Hub. Source: git's object format."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.devhub.schema import Entry

CHUNK = 1 << 20


def object_hash(kind: str, content: bytes) -> str:
    """Return git's SHA-1 of an object: over its kind, its length, a zero byte and its content."""
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


def pointer(sha256: str, size: int) -> bytes:
    """Return the pointer file that git holds in place of an LFS object. Source: the git-lfs specification."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def tree_hashes(files: Mapping[str, Entry]) -> dict[str, str]:
    """Return every folder's tree hash by its path, the root's under ""."""
    folders: dict[str, dict[str, Entry | None]] = {"": {}}
    for path, entry in files.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folders.setdefault("/".join(parts[:depth]), {})
            folders.setdefault("/".join(parts[: depth - 1]), {})[parts[depth - 1]] = None
        folders.setdefault("/".join(parts[:-1]), {})[parts[-1]] = entry
    hashes: dict[str, str] = {}
    for folder in sorted(folders, key=lambda path: (path != "", path.count("/")), reverse=True):
        hashes[folder] = object_hash("tree", b"".join(_rows(folder, folders[folder], hashes)))
    return hashes


def _rows(folder: str, names: Mapping[str, Entry | None], hashes: Mapping[str, str]) -> Iterator[bytes]:
    # Git sorts a folder as if its name ended with a slash.
    for name in sorted(names, key=lambda name: (name if names[name] else f"{name}/").encode()):
        entry = names[name]
        oid = entry.oid if entry else hashes[f"{folder}/{name}" if folder else name]
        yield f"{'100644' if entry else '40000'} {name}\0".encode() + bytes.fromhex(oid)


def commit_hash(tree: str, parent: str | None, author: str, seconds: int, message: str) -> str:
    """Return git's hash of a commit by ``author`` at ``seconds`` since 1970, UTC."""
    who = f"{author} <{author}@users.noreply.hub> {seconds} +0000"
    parents = f"parent {parent}\n" if parent else ""
    return object_hash("commit", f"tree {tree}\n{parents}author {who}\ncommitter {who}\n\n{message}\n".encode())
