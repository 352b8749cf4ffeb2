"""What the Hub tells and is told, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from huggingface_hub import CommitOperationAdd


@dataclass(frozen=True)
class HubFile:
    """A file at a commit. ``sha256`` is of its content, known for LFS files only; ``blob_id`` is git's."""

    name: str
    size: int
    sha256: str | None
    blob_id: str


@dataclass(frozen=True)
class HubModel:
    """A repo at a commit: files sorted by name, ``card`` the README's front matter ({} if none).

    ``repo`` is the name that it has on the Hub, which may not be the one that it was asked for by. ``gated`` says that
    access is given on request, whether or not this token has it. ``absent`` names the files that cannot be read,
    and whose ``sha256`` is unknown: offline, those that this machine's cache lacks.
    """

    repo: str
    commit: str
    private: bool
    gated: bool
    files: tuple[HubFile, ...]
    card: Mapping[str, Any]
    last_modified: datetime | None
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Upload:
    """A file that is on the Hub but in no commit yet; nothing of it is needed on this machine any more."""

    name: str
    size: int
    sha256: str
    operation: CommitOperationAdd = field(repr=False, compare=False)


@dataclass(frozen=True)
class Commit:
    """A commit that was made: its page, its hash, and its pull request's page and ref where one was asked for."""

    url: str
    oid: str
    pr_url: str | None
    pr_ref: str | None = None


@dataclass(frozen=True)
class PullRequest:
    """A pull request; ``status`` is draft, open, closed or merged."""

    num: int
    title: str
    status: str
    url: str

    @property
    def ref(self) -> str:
        """The revision that its commits lie on."""
        return f"refs/pr/{self.num}"


@dataclass(frozen=True)
class Found:
    """A model that a search found. ``gated`` says that its files are given out on request only."""

    repo: str
    downloads: int
    likes: int
    private: bool
    gated: bool
