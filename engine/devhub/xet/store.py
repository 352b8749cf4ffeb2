"""The embedded Hub's Xet storage: xorbs on disk, and in the Hub's database what they and the files are made of.

A file is also written out as plain bytes as soon as a client registers it, so that all that the Hub does with LFS
files (plain downloads, ranges, copies, commits by SHA-256) holds for it too.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from engine.devhub.xet import hashes
from engine.devhub.xet.shard import Term, read_shard, write_shard
from engine.devhub.xet.terms import cut, ranges
from engine.devhub.xet.xorb import Chunk, read_xorb, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from engine.devhub.store import Store
    from engine.devhub.xet.shard import Shard, ShardFile


class Xet:
    """The Xet side of a ``Store``, under one folder. Safe to use from several threads."""

    def __init__(self, store: Store, root: Path) -> None:
        self._store = store
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def path(self, xorb: str) -> Path:
        """Return where a xorb lies, or would."""
        return self._root / xorb[:2] / xorb

    def add_xorb(self, name: str, file: Path) -> bool:
        """Move a xorb in, unless it is here, and tell which. Raises ``ValueError`` if its hash is not ``name``."""
        text = json.dumps([astuple(chunk) for chunk in read_xorb(file.read_bytes(), name)])
        with self._store.transaction() as database:
            # The same chunks may come packed otherwise: what is kept must be what was noted of it.
            added = database.execute("INSERT OR IGNORE INTO xorbs (hash, chunks) VALUES (?, ?)", (name, text))
            if added.rowcount == 0:
                return False
            self.path(name).parent.mkdir(exist_ok=True)
            file.replace(self.path(name))
            return True

    def chunks(self, xorb: str) -> tuple[Chunk, ...]:
        """Return a xorb's chunks. Raises ``ValueError`` for a xorb that is not here."""
        rows = self._rows("SELECT chunks FROM xorbs WHERE hash = ?", xorb)
        if not rows:
            raise ValueError(f"the xorb {xorb} is not here; it has to be uploaded first")
        return tuple(Chunk(*row) for row in json.loads(rows[0]["chunks"]))

    def add_shard(self, data: bytes, repo: str) -> None:
        """Register the files of a shard, for ``repo`` to commit. Raises ``ValueError`` where anything disagrees."""
        shard = read_shard(data)
        self._check_xorbs(shard)
        for file in shard.files:
            self._check_terms(file)
            known = self.file(file.hash)
            if known is None:
                self._write_out(file)
            elif known[0] != file.sha256:
                raise ValueError(f"the file {file.hash} has the SHA-256 {known[0]}, not {file.sha256}")
        name = hashlib.sha256(data).hexdigest()
        with self._store.transaction() as database:
            for file in shard.files:
                text = json.dumps([astuple(term) for term in file.terms])
                database.execute("INSERT OR IGNORE INTO xet_files VALUES (?, ?, ?)", (file.hash, file.sha256, text))
                self._store.link(repo, file.sha256)
            for xorb in shard.xorbs:
                database.execute("UPDATE xorbs SET shard = ? WHERE hash = ? AND shard IS NULL", (name, xorb.hash))
            database.executemany("INSERT OR IGNORE INTO tracked VALUES (?, ?)", self._tracked(shard))

    def file(self, name: str) -> tuple[str, tuple[Term, ...]] | None:
        """Return a file's SHA-256 and what it is made of; None if it is not here."""
        rows = self._rows("SELECT sha256, terms FROM xet_files WHERE hash = ?", name)
        return (rows[0]["sha256"], tuple(Term(*row) for row in json.loads(rows[0]["terms"]))) if rows else None

    def parts(
        self, made_of: Iterable[Term], begin: int, end: int
    ) -> tuple[int, list[Term], dict[str, list[tuple[range, range]]]]:
        """Return what to fetch for bytes ``begin`` to before ``end`` of a file.

        That is: how many bytes of the first term are not wanted, the terms, and for each xorb which chunks to fetch,
        with the bytes that they take there.
        """
        terms = list(made_of)
        xorbs = {term.xorb: self.chunks(term.xorb) for term in terms}
        skipped, wanted = cut(terms, xorbs, begin, end)
        fetches = {
            name: [(range(a, b), range(xorbs[name][a].begin, xorbs[name][b - 1].end)) for a, b in spans]
            for name, spans in ranges(wanted).items()
        }
        return skipped, wanted, fetches

    def name(self, sha256: str) -> str | None:
        """Return the Xet hash of the file with a SHA-256; None if it did not come through Xet."""
        rows = self._rows("SELECT hash FROM xet_files WHERE sha256 = ? ORDER BY hash", sha256)
        return str(rows[0]["hash"]) if rows else None

    def known_with(self, chunk: str, created: int, expires: int) -> bytes | None:
        """Return the shard that tells of a tracked chunk's xorb and of those that came with it; None for others."""
        rows = self._rows(
            "SELECT hash FROM xorbs WHERE shard IN"
            " (SELECT shard FROM xorbs JOIN tracked ON tracked.xorb = xorbs.hash WHERE chunk = ?)",
            chunk,
        )
        found = {row["hash"]: self.chunks(row["hash"]) for row in rows}
        return write_shard(found, created, expires) if found else None

    def _rows(self, query: str, value: str) -> list[Any]:
        with self._store.transaction() as database:
            return database.execute(query, (value,)).fetchall()

    def _check_xorbs(self, shard: Shard) -> None:
        for xorb in shard.xorbs:
            if tuple((chunk.hash, chunk.size) for chunk in self.chunks(xorb.hash)) != xorb.chunks:
                raise ValueError(f"the xorb {xorb.hash} does not have the chunks that the shard lists")

    def _tracked(self, shard: Shard) -> Iterator[tuple[str, str]]:
        """Yield the chunks that clients ask for, each with its xorb: those that begin a file, and a share of all."""
        for file in shard.files:
            first = file.terms[0]
            yield self.chunks(first.xorb)[first.begin].hash, first.xorb
        for xorb in shard.xorbs:
            yield from ((chunk, xorb.hash) for chunk, _ in xorb.chunks if hashes.is_tracked(chunk))

    def _check_terms(self, file: ShardFile) -> None:
        whole: list[Chunk] = []
        for term, proof in zip(file.terms, file.proofs, strict=True):
            chunks = self.chunks(term.xorb)[term.begin : term.end]
            if not 0 < len(chunks) == term.end - term.begin or sum(chunk.size for chunk in chunks) != term.size:
                raise ValueError(f"the file {file.hash} has a term that its xorb {term.xorb} does not hold")
            if hashes.proof(chunk.hash for chunk in chunks) != proof:
                raise ValueError(f"the file {file.hash} has a term without the right proof")
            whole += chunks
        if not whole or hashes.file_hash([(chunk.hash, chunk.size) for chunk in whole]) != file.hash:
            raise ValueError(f"the file {file.hash} does not have the hash of its chunks")

    def _write_out(self, file: ShardFile) -> None:
        descriptor, path = self._store.blobs.new_file()
        digest = hashlib.sha256()
        try:
            with os.fdopen(descriptor, "wb") as out:
                for content in self._contents(file.terms):
                    out.write(content)
                    digest.update(content)
            if digest.hexdigest() != file.sha256:
                raise ValueError(f"the file {file.hash} has the SHA-256 {digest.hexdigest()}, not {file.sha256}")
            self._store.blobs.keep(file.sha256, path)
        finally:
            path.unlink(missing_ok=True)

    def _contents(self, made_of: Iterable[Term]) -> Iterator[bytes]:
        for term in made_of:
            chunks = self.chunks(term.xorb)[term.begin : term.end]
            with self.path(term.xorb).open("rb") as xorb:
                xorb.seek(chunks[0].begin)
                sent = xorb.read(chunks[-1].end - chunks[0].begin)
            yield from (content for _, _, content in unpacked(sent))
