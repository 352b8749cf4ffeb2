"""A local folder as the place of a finished model.

All work happens in ``OUT/.mergesmith``; files move to their names only when every one of them is whole. First what
they replace goes, beginning with what makes it loadable; then the new record comes, so that whatever follows is known
to be ours; what makes the new model loadable comes last. Killed anywhere between, the next run goes on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.checkpoints.checkpoint import INDEX, SINGLE
from engine.errors import MergeError
from engine.publish.assemble import file_names
from engine.publish.lineage import RECIPE
from engine.publish.record import RECORD, read_record
from engine.publish.replacing import replaced
from engine.publish.work import CLAIM, claim
from engine.run.files import disk_errors, sha256_of, write_atomically
from engine.run.journal import JOURNAL, read_journal, write_journal
from engine.run.shard import FinishedShard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.plan.plan import Plan, Shard

WORK = ".mergesmith"
LOADABLE = (INDEX, SINGLE)


class FolderSink:
    """Builds into ``out``. ``MergeError`` where files there are not ours to replace, unless ``force``.

    ``complete`` says that the folder holds this very plan's model already, in these files, whole and unchanged.
    """

    def __init__(self, out: Path, plan: Plan, *, force: bool) -> None:
        self._out, self._plan = out, plan
        self.work = out / WORK
        _refuse_place(out, plan)
        self._record: Mapping[str, Any] | None = _recorded(out / RECORD, force=force)
        files = {} if self._record is None else self._record["files"]
        self._present = _hashes(out, files)
        self._kept: set[str] = set()
        """Shards that stay where they are, in ``out``."""
        names = file_names(plan)
        same = self._record is not None and _same_model(self._record, plan) and {*files, RECORD} == {*names}
        self.complete = same and all(self._present.get(name) == h for name, h in files.items())
        if self.complete:
            if self.work.exists():  # an earlier run was killed just before its end
                self._claimed = _claim(self.work, out)
                self._clear()
            return
        self._leaving = replaced(self._present, files, names, where=str(out), force=force)
        try:
            self.work.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MergeError(f"{self.work} cannot be made ({error.strerror}); name another place") from error
        self._claimed = _claim(self.work, out)
        self._journal = read_journal(self.work, plan)
        for path in self.work.iterdir():
            if path.name not in {JOURNAL, CLAIM, *self._journal}:
                path.unlink()

    def finished(self, shard: Shard) -> FinishedShard | None:
        """Give a shard that is whole already: in the journal, or in ``out`` itself if its record has these weights."""
        done = self._journal.get(shard.file)
        path = self.work / shard.file
        if done is not None and path.is_file() and path.stat().st_size == shard.size:
            return done if sha256_of(path) == done.sha256 else None
        return self._in_place(shard)

    def _in_place(self, shard: Shard) -> FinishedShard | None:
        record = self._record
        if record is None or record["weights_digest"] != self._plan.weights_digest or _known_by_header(self._plan):
            return None
        sha256 = record["files"].get(shard.file)
        if sha256 is None or self._present.get(shard.file) != sha256:
            return None
        with (self._out / shard.file).open("rb") as file:
            header = file.read(len(shard.header))
        names = [self._plan.tensors[number].name for number in shard.tensors]
        if header != shard.header or any(name not in record["tensors"] for name in names):
            return None
        self._kept.add(shard.file)
        return FinishedShard(shard.file, shard.size, sha256, {name: record["tensors"][name] for name in names})

    def accept(self, path: Path, finished: FinishedShard) -> None:
        """Keep a whole shard, and write it into the journal."""
        path.replace(self.work / finished.file)
        self._journal[finished.file] = finished
        write_journal(self.work, self._plan, self._journal)

    def finish(self, files: Mapping[str, bytes]) -> None:
        """Write the other files, then let the old ones go and move everything to its place."""
        with disk_errors(self.work):
            for name, data in files.items():
                write_atomically(self.work / name, data)
        for name in sorted({*self._leaving, *LOADABLE} - self._kept, key=lambda name: name not in LOADABLE):
            (self._out / name).unlink(missing_ok=True)
        names = [*files, *(shard.file for shard in self._plan.shards if shard.file not in self._kept)]
        for name in sorted(names, key=lambda name: (name != RECORD, name in LOADABLE)):
            (self.work / name).replace(self._out / name)
        self._clear()

    def _clear(self) -> None:
        shutil.rmtree(self.work)
        os.close(self._claimed)


def _same_model(record: Mapping[str, Any], plan: Plan) -> bool:
    """Whether a record tells of this very plan, its recipe's text and its title included."""
    text = hashlib.sha256(plan.text.encode()).hexdigest()
    same = record["plan_digest"] == plan.digest and record["files"].get(RECIPE) == text
    return same and record["card"]["title"] == plan.title and not _known_by_header(plan)


def _known_by_header(plan: Plan) -> bool:
    """Whether a parent's weights may change without its pin: then nothing that was made from them before is trusted."""
    return any(file.hash.startswith("header-sha256:") for pin in plan.models for file in pin.files)


def _refuse_place(out: Path, plan: Plan) -> None:
    if out.exists() and not out.is_dir():
        raise MergeError(f"{out} is a file, and a folder is needed; name another place")
    for name in file_names(plan):
        if (out / name).is_dir():
            raise MergeError(f"{out / name} is a folder, and a file of that name is to be made; move it away")
    for pin in plan.models:
        if pin.kind == "local" and Path(pin.ref).resolve() == out.resolve():
            raise MergeError(f"{out} is a model that the recipe merges, and would be overwritten; name another place")


def _recorded(path: Path, *, force: bool) -> Mapping[str, Any] | None:
    """Read what an earlier merge recorded; with ``force`` a record that cannot be read counts as none."""
    if not path.is_file():
        return None
    try:
        return read_record(path.read_bytes(), str(path))
    except MergeError:
        if not force:
            raise
        return None


def _hashes(out: Path, recorded: Mapping[str, str]) -> dict[str, str | None]:
    """Each file in ``out`` with its hash; only a file that the record names can be ours, so only those are read."""
    if not out.is_dir():
        return {}
    names = sorted(path.name for path in out.iterdir() if path.name not in {RECORD, WORK})
    return {name: sha256_of(out / name) if name in recorded and (out / name).is_file() else None for name in names}


def _claim(work: Path, out: Path) -> int:
    """Take the folder for this process, until it ends or closes this file; ``MergeError`` where another one has it."""
    return claim(work, f"another merge is at work in {out}; wait for it, or name another place")
