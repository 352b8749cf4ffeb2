"""The embedded Hub's memory: repos, commits and refs in SQLite, contents beside it. Knows nothing of HTTP."""

from __future__ import annotations

import json
import secrets
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from engine.devhub import git, schema
from engine.devhub.blobs import ATTRIBUTES, Blobs
from engine.devhub.schema import Commit, Counts, Entry, Repo

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAIN = "refs/heads/main"


class Conflict(Exception):  # noqa: N818
    """What is to be made is there already, or the branch is not where it was expected."""


class Store:
    """Everything under one folder. Safe to use from several threads; each call is one transaction."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.blobs = Blobs(root)
        self._database = schema.connect(root / "hub.sqlite")
        self._lock = threading.RLock()
        self._last = datetime.fromtimestamp(0, UTC)

    def close(self) -> None:
        """Close the database; the store is of no use afterwards."""
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the database for several statements: all of them happen, or none. May be nested."""
        with self._lock:
            if self._database.in_transaction:
                yield self._database
                return
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        with self._lock:
            return self._database.execute(query, values).fetchall()

    def _now(self) -> datetime:
        """Return the time, never the same millisecond twice: what is newer must show in a list."""
        self._last = max(datetime.now(UTC), self._last + timedelta(milliseconds=1))
        return self._last

    # users

    def users(self) -> dict[str, str]:
        """Return every user's token."""
        return {row["name"]: row["token"] for row in self._rows("SELECT * FROM users")}

    def add_user(self, name: str, token: str) -> None:
        """Add a user, or give one another token."""
        with self.transaction() as database:
            database.execute("INSERT OR REPLACE INTO users VALUES (?, ?)", (name, token))

    def add_org(self, org: str, members: Mapping[str, str]) -> None:
        """Add an organisation, or members to one: each user's role, "admin", "write", "contributor" or "read"."""
        with self.transaction() as database:
            for user, role in members.items():
                database.execute("INSERT OR REPLACE INTO members VALUES (?, ?, ?)", (org, user, role))

    def members(self, org: str) -> dict[str, str]:
        """Return every member's role in an organisation; {} if there is no such one."""
        rows = self._rows("SELECT user, role FROM members WHERE org = ? ORDER BY user", org)
        return {row["user"]: row["role"] for row in rows}

    def orgs(self, user: str) -> dict[str, str]:
        """Return a user's role in each organisation."""
        rows = self._rows("SELECT org, role FROM members WHERE user = ? ORDER BY org", user)
        return {row["org"]: row["role"] for row in rows}

    def secret(self) -> bytes:
        """Return the key that addresses of contents are signed with; it outlives a restart."""
        with self.transaction() as database:
            database.execute("INSERT OR IGNORE INTO settings VALUES ('secret', ?)", (secrets.token_hex(32),))
            return bytes.fromhex(self._rows("SELECT value FROM settings WHERE key = 'secret'")[0]["value"])

    # repos

    def create_repo(
        self, repo: str, owner: str, private: bool = False, gated: bool = False, client: str | None = None
    ) -> Commit:
        """Create a repo that holds a .gitattributes, as on the Hub. Raises ``Conflict`` if it is there.

        ``client`` is the app that creates it for its owner.
        """
        with self.transaction() as database:
            if self.repo(repo) is not None:
                raise Conflict(repo)
            row = (repo, owner, private, "manual" if gated else "", _text(self._now()))
            database.execute("INSERT INTO repos VALUES (?, ?, ?, ?, ?)", row)
            if client is not None:
                database.execute("INSERT INTO creators VALUES (?, ?)", (repo, client))
            files = {".gitattributes": self.blobs.regular_entry(self.blobs.add(ATTRIBUTES))}
            return self.add_commit(repo, MAIN, files, owner, "initial commit")

    def repo(self, repo: str) -> Repo | None:
        """Return the repo of that id; None if there is none."""
        rows = self._rows("SELECT * FROM repos WHERE id = ?", repo)
        return schema.repo_from(rows[0]) if rows else None

    def repos(self) -> list[Repo]:
        """Return every repo, the newest first."""
        return [schema.repo_from(row) for row in self._rows("SELECT * FROM repos ORDER BY created DESC, id")]

    def set_repo(self, repo: str, *, private: bool | None = None, gated: str | None = None) -> None:
        """Change who may see a repo (``private``) or take its files (``gated``: "", "auto", "manual")."""
        with self.transaction() as database:
            if private is not None:
                database.execute("UPDATE repos SET private = ? WHERE id = ?", (private, repo))
            if gated is not None:
                database.execute("UPDATE repos SET gated = ? WHERE id = ?", (gated, repo))

    def creator(self, repo: str) -> str | None:
        """Return the app that created a repo; None if none did."""
        rows = self._rows("SELECT client FROM creators WHERE repo = ?", repo)
        return str(rows[0]["client"]) if rows else None

    def set_counts(self, repo: str, counts: Counts) -> None:
        """Say how liked a repo is: for tests of searching."""
        row = (repo, counts.downloads, counts.likes, counts.trending)
        with self.transaction() as database:
            database.execute("INSERT OR REPLACE INTO counts VALUES (?, ?, ?, ?)", row)

    def counts(self, repo: str) -> Counts:
        """Return how liked a repo is: zeros unless somebody said more."""
        rows = self._rows("SELECT downloads, likes, trending FROM counts WHERE repo = ?", repo)
        return Counts(*rows[0]) if rows else Counts()

    def delete_repo(self, repo: str) -> None:
        """Delete a repo with its history; contents stay on disk."""
        with self.transaction() as database:
            database.execute("DELETE FROM repos WHERE id = ?", (repo,))

    def allow(self, repo: str, user: str) -> None:
        """Give a user access to a gated repo."""
        with self.transaction() as database:
            database.execute("INSERT OR IGNORE INTO access VALUES (?, ?)", (repo, user))

    def is_allowed(self, repo: str, user: str) -> bool:
        """Tell whether a user was given access to a gated repo."""
        return bool(self._rows("SELECT 1 FROM access WHERE repo = ? AND user = ?", repo, user))

    # commits

    def commit_files(self, repo: str, files: Mapping[str, bytes | Path], message: str, revision: str = "main") -> str:
        """Commit files to a branch without HTTP, and return the commit's hash.

        A ``Path`` is hard-linked, or copied where that cannot be, and never read whole into memory.
        """
        ref, found = f"refs/heads/{revision}", self.repo(repo)
        head = self.resolve(repo, ref)
        if found is None or head is None:
            raise KeyError(f"{repo}@{revision}: no such branch; create the repo or the branch first")
        added: dict[str, Entry] = {}
        for name, content in files.items():
            sha256 = self.blobs.add(content) if isinstance(content, bytes) else self.blobs.add_file(content)
            added[name] = self.blobs.entry(name, sha256)
            self.link(repo, sha256)
        with self.transaction():
            merged = {**self.commit(repo, head).files, **added}
            return self.add_commit(repo, ref, merged, found.owner, message).oid

    def add_commit(
        self, repo: str, ref: str, files: Mapping[str, Entry], author: str, title: str, body: str = "",
        parent: str | None = None,
    ) -> Commit:  # fmt: skip
        """Make a commit of exactly ``files`` on ``ref``; on ``parent`` if given, else on where ``ref`` is."""
        with self.transaction() as database:
            parent = parent or self.ref(repo, ref)
            date = self._now()
            tree = git.tree_hashes(files)[""]
            message = f"{title}\n\n{body}" if body else title
            # Git's times are whole seconds: move on until the hash is new, so that no two commits are one.
            seconds = int(date.timestamp())
            while self._rows(
                "SELECT 1 FROM commits WHERE repo = ? AND oid = ?",
                repo,
                oid := git.commit_hash(tree, parent, author, seconds, message),
            ):
                seconds += 1
            made = Commit(oid, parent, author, title, body, _text(date), dict(sorted(files.items())))
            row = (repo, oid, parent, author, title, body, made.date, schema.files_to_text(files))
            database.execute("INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            self.set_ref(repo, ref, oid)
            return made

    def commit(self, repo: str, oid: str) -> Commit:
        """Return a commit of a repo. Raises ``KeyError`` if there is none."""
        rows = self._rows("SELECT * FROM commits WHERE repo = ? AND oid = ?", repo, oid)
        if not rows:
            raise KeyError(oid)
        return schema.commit_from(rows[0])

    def history(self, repo: str, oid: str) -> list[Commit]:
        """Return a commit and its first parents, the newest first."""
        found: list[Commit] = []
        at: str | None = oid
        while at:
            found.append(self.commit(repo, at))
            at = found[-1].parent
        return found

    def link(self, repo: str, sha256: str) -> None:
        """Note that an LFS object was uploaded to a repo; only then may its commits name it."""
        with self.transaction() as database:
            database.execute("INSERT OR IGNORE INTO large VALUES (?, ?)", (repo, sha256))

    def has_large(self, repo: str, sha256: str) -> bool:
        """Tell whether an LFS object was uploaded to a repo."""
        return bool(self._rows("SELECT 1 FROM large WHERE repo = ? AND sha256 = ?", repo, sha256))

    # refs

    def resolve(self, repo: str, revision: str) -> str | None:
        """Return the commit that a branch, a tag, a full ref or a full hash names; None for none."""
        for name in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
            if oid := self.ref(repo, name):
                return oid
        rows = self._rows("SELECT oid FROM commits WHERE repo = ? AND oid = ?", repo, revision)
        return str(rows[0]["oid"]) if rows else None

    def ref(self, repo: str, name: str) -> str | None:
        """Return the commit that a full ref names."""
        rows = self._rows("SELECT oid FROM refs WHERE repo = ? AND name = ?", repo, name)
        return str(rows[0]["oid"]) if rows else None

    def refs(self, repo: str) -> dict[str, str]:
        """Return every ref's commit, sorted by name."""
        rows = self._rows("SELECT name, oid FROM refs WHERE repo = ? ORDER BY name", repo)
        return {row["name"]: row["oid"] for row in rows}

    def set_ref(self, repo: str, name: str, oid: str) -> None:
        """Point a ref at a commit."""
        with self.transaction() as database:
            database.execute("INSERT OR REPLACE INTO refs VALUES (?, ?, ?)", (repo, name, oid))

    def delete_ref(self, repo: str, name: str) -> None:
        """Drop a ref; its commits stay."""
        with self.transaction() as database:
            database.execute("DELETE FROM refs WHERE repo = ? AND name = ?", (repo, name))

    # discussions

    def discussions(self, repo: str) -> list[dict[str, Any]]:
        """Return the discussions of a repo, the newest first, as ``engine.devhub.discussions`` writes them."""
        rows = self._rows("SELECT value FROM discussions WHERE repo = ? ORDER BY num DESC", repo)
        return [json.loads(row["value"]) for row in rows]

    def put_discussion(self, repo: str, num: int, value: Mapping[str, Any]) -> None:
        """Write a discussion, new or changed."""
        with self.transaction() as database:
            database.execute("INSERT OR REPLACE INTO discussions VALUES (?, ?, ?)", (repo, num, json.dumps(value)))


def _text(date: datetime) -> str:
    return date.strftime("%Y-%m-%dT%H:%M:%S.") + f"{date.microsecond // 1000:03d}Z"
