"""A local folder as the place of a finished model.

All work happens in ``OUT/.mergesmith``; files move to their names only when every one of them is whole, and what
makes a folder loadable, the index or the single weight file, comes last.
"""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

from engine.checkpoints.checkpoint import INDEX, SINGLE
from engine.errors import MergeError
from engine.publish.assemble import file_names
from engine.publish.record import RECORD, read_record
from engine.publish.replacing import refuse_foreign, replacement
from engine.run.journal import read_journal, write_atomically, write_journal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from engine.plan.plan import Plan, Shard
    from engine.run.shard import FinishedShard

WORK = ".mergesmith"


class FolderSink:
    """Builds into ``out``. ``MergeError`` where files there are not ours to replace, unless ``force``."""

    def __init__(self, out: Path, plan: Plan, *, force: bool) -> None:
        self._out, self._plan = out, plan
        self.work = out / WORK
        if out.exists() and not out.is_dir():
            raise MergeError(f"{out} is a file, and a folder is needed; name another place")
        self._remove: tuple[str, ...] = ()
        self.complete = False
        """Whether the folder holds this very plan's model already, whole and unchanged."""
        if out.exists():
            self._look(force=force)
        if not self.complete:
            self.work.mkdir(parents=True, exist_ok=True)
        self._journal = read_journal(self.work, plan)

    def _look(self, *, force: bool) -> None:
        digest, recorded = self._recorded()
        present = {path.name: path for path in sorted(self._out.iterdir()) if path.is_file() and path.name != RECORD}
        # Only a file that the record names can be ours, so only those are read.
        hashes = {name: sha256_of(path) if name in recorded else None for name, path in present.items()}
        self.complete = digest == self._plan.digest and all(hashes.get(n) == h for n, h in recorded.items())
        decided = replacement(hashes, recorded, file_names(self._plan))
        if not force:
            refuse_foreign(decided.foreign, str(self._out))
        self._remove = decided.remove

    def _recorded(self) -> tuple[str | None, Mapping[str, str]]:
        """Give the plan digest and the files' hashes that an earlier merge recorded."""
        path = self._out / RECORD
        if not path.is_file():
            return None, {}
        record = read_record(path.read_bytes(), str(path))
        return record["plan_digest"], record["files"]

    def finished(self, shard: Shard) -> FinishedShard | None:
        """Give a shard that an earlier run left whole: in the journal, and with the hash that it says."""
        done = self._journal.get(shard.file)
        path = self.work / shard.file
        if done is None or not path.is_file() or path.stat().st_size != shard.size:
            return None
        return done if sha256_of(path) == done.sha256 else None

    def accept(self, path: Path, finished: FinishedShard) -> None:
        """Keep a whole shard, and write it into the journal."""
        path.replace(self.work / finished.file)
        self._journal[finished.file] = finished
        write_journal(self.work, self._plan, self._journal)

    def finish(self, files: Mapping[str, bytes]) -> None:
        """Write the other files, then move everything to its place."""
        for name, data in files.items():
            write_atomically(self.work / name, data)
        for name in (*self._remove, INDEX, SINGLE):
            (self._out / name).unlink(missing_ok=True)
        names = [*files, *(shard.file for shard in self._plan.shards)]
        for name in sorted(names, key=lambda name: name in {INDEX, SINGLE}):
            (self.work / name).replace(self._out / name)
        shutil.rmtree(self.work)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
