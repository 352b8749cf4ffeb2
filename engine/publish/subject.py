"""A finished model that somebody looks at again: a folder, or a Hub repo at a commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from engine.run.files import sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    from engine.checkpoints.checkpoint import Checkpoint
    from engine.hub_client import Hub


class Subject(Protocol):
    """What is known of a finished model without reading its weights."""

    @property
    def where(self) -> str:
        """How to call it."""
        ...

    @property
    def local(self) -> bool:
        """Whether its recipe may name folders."""
        ...

    @property
    def names(self) -> frozenset[str]:
        """Its files."""
        ...

    def sha256(self, name: str) -> str:
        """Hash of a file's content, in hexadecimal."""
        ...

    def read(self, name: str) -> bytes | None:
        """Content of a small file; None where there is none of that name."""
        ...

    def checkpoint(self) -> Checkpoint:
        """Open its weights."""
        ...


class FolderSubject:
    """A local folder. Every file is read to hash it."""

    local = True

    def __init__(self, folder: Path) -> None:
        self._folder, self.where = folder, str(folder)
        self.names = frozenset(path.name for path in folder.iterdir() if path.is_file())

    def sha256(self, name: str) -> str:
        """Hash of a file's content."""
        return sha256_of(self._folder / name)

    def read(self, name: str) -> bytes | None:
        """Content of a file; None where there is none of that name."""
        return (self._folder / name).read_bytes() if name in self.names else None

    def checkpoint(self) -> Checkpoint:
        """Open its weights."""
        from engine.checkpoints.local import LocalCheckpoint  # noqa: PLC0415 - hashing files needs none of it

        return LocalCheckpoint(self.where, self._folder)


class HubSubject:
    """A repo at what ``revision`` means now. The Hub knows the hash of large files; small ones are read."""

    local = False

    def __init__(self, hub: Hub, repo: str, revision: str | None) -> None:
        self._hub, self._repo = hub, repo
        self._model = hub.model(repo, revision)
        self._files = {file.name: file for file in self._model.files}
        self.where = f"{repo}@{self._model.commit[:12]}"
        self.names = frozenset(self._files)

    def sha256(self, name: str) -> str:
        """Hash of a file's content."""
        return self._hub.sha256(self._model, self._files[name])

    def read(self, name: str) -> bytes | None:
        """Content of a file; None where there is none of that name."""
        return self._hub.read_file(self._repo, self._model.commit, name) if name in self.names else None

    def checkpoint(self) -> Checkpoint:
        """Open its weights."""
        from engine.checkpoints.hub import HubCheckpoint  # noqa: PLC0415 - comparing hashes needs none of it

        return HubCheckpoint(self._repo, self._hub, self._repo, None, self._model.commit)
