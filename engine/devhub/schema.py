"""What the embedded Hub keeps: values, and the SQLite tables that hold them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TABLES = """
CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, token TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS members (org TEXT NOT NULL, user TEXT NOT NULL, role TEXT NOT NULL, PRIMARY KEY (org, user));
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS repos (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, private INTEGER NOT NULL, gated TEXT NOT NULL,
    created TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS access (
    repo TEXT NOT NULL REFERENCES repos ON DELETE CASCADE, user TEXT NOT NULL, PRIMARY KEY (repo, user));
CREATE TABLE IF NOT EXISTS creators (repo TEXT PRIMARY KEY REFERENCES repos ON DELETE CASCADE, client TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counts (
    repo TEXT PRIMARY KEY REFERENCES repos ON DELETE CASCADE, downloads INTEGER NOT NULL, likes INTEGER NOT NULL,
    trending INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS commits (
    repo TEXT NOT NULL REFERENCES repos ON DELETE CASCADE, oid TEXT NOT NULL, parent TEXT, author TEXT NOT NULL,
    title TEXT NOT NULL, body TEXT NOT NULL, date TEXT NOT NULL, files TEXT NOT NULL, PRIMARY KEY (repo, oid));
CREATE TABLE IF NOT EXISTS refs (
    repo TEXT NOT NULL REFERENCES repos ON DELETE CASCADE, name TEXT NOT NULL, oid TEXT NOT NULL,
    PRIMARY KEY (repo, name));
CREATE TABLE IF NOT EXISTS large (
    repo TEXT NOT NULL REFERENCES repos ON DELETE CASCADE, sha256 TEXT NOT NULL, PRIMARY KEY (repo, sha256));
CREATE TABLE IF NOT EXISTS discussions (
    repo TEXT NOT NULL REFERENCES repos ON DELETE CASCADE, num INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (repo, num));
CREATE TABLE IF NOT EXISTS xorbs (hash TEXT PRIMARY KEY, chunks TEXT NOT NULL, shard TEXT);
CREATE TABLE IF NOT EXISTS tracked (chunk TEXT PRIMARY KEY, xorb TEXT NOT NULL REFERENCES xorbs);
CREATE TABLE IF NOT EXISTS xet_files (hash TEXT PRIMARY KEY, sha256 TEXT NOT NULL, terms TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Repo:
    """A model repo. ``owner`` may write, as may the user whom the namespace is named after.

    ``gated`` is "" for open files, else "auto" or "manual" as the Hub names them.
    """

    id: str
    owner: str
    private: bool
    gated: str
    created: str

    @property
    def namespace(self) -> str:
        """The part of the id before the slash."""
        return self.id.split("/", maxsplit=1)[0]


@dataclass(frozen=True)
class Counts:
    """How liked a repo is, as the Hub counts it. Here it is what a test says: nothing adds to it."""

    downloads: int = 0
    likes: int = 0
    trending: int = 0


@dataclass(frozen=True)
class Entry:
    """A file in a commit: where its content lies (``sha256``), and git's hash of it or of its LFS pointer."""

    size: int
    sha256: str
    lfs: bool
    oid: str


@dataclass(frozen=True)
class Commit:
    """A commit: its first parent, its message, and every file by its path, sorted."""

    oid: str
    parent: str | None
    author: str
    title: str
    body: str
    date: str
    files: Mapping[str, Entry]


def connect(path: Path) -> sqlite3.Connection:
    """Open the database, made if absent, for any thread; whoever uses it holds a lock."""
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
    connection.row_factory = sqlite3.Row
    connection.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; {TABLES}")
    return connection


def files_to_text(files: Mapping[str, Entry]) -> str:
    """Write a commit's files as JSON, sorted by path."""
    return json.dumps({path: [e.size, e.sha256, e.lfs, e.oid] for path, e in sorted(files.items())})


def repo_from(row: sqlite3.Row) -> Repo:
    """Read a row of ``repos``."""
    return Repo(row["id"], row["owner"], bool(row["private"]), row["gated"], row["created"])


def commit_from(row: sqlite3.Row) -> Commit:
    """Read a row of ``commits``."""
    rows: dict[str, list[Any]] = json.loads(row["files"])
    files = {path: Entry(*values) for path, values in rows.items()}
    return Commit(row["oid"], row["parent"], row["author"], row["title"], row["body"], row["date"], files)
