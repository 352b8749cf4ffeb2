"""A Hub repo as the place of a finished model: shard by shard, then one commit.

Nothing is created before the first shard is whole, and a repo that this run creates stays private until its last
step. Readers see the old model, or the whole new one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import HubError, MergeError
from engine.events import Published, Said, ShardUploaded
from engine.publish.assemble import file_names
from engine.publish.record import RECORD, read_record
from engine.publish.replacing import replaced

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from engine.events import Report
    from engine.hub_client import Hub, HubFile, HubModel, Upload
    from engine.plan.plan import Plan, Shard
    from engine.run.shard import FinishedShard

ATTRIBUTES = ".gitattributes"
"""The one file that a new repo has."""


@dataclass(frozen=True)
class Target:
    """The target repo as it is before the run: None for ``model`` where there is none yet."""

    repo: str
    model: HubModel | None
    remove: tuple[str, ...]
    published: bool
    """Whether it carries this very plan already."""


def inspect_target(hub: Hub, repo: str, plan: Plan, *, force: bool) -> Target:
    """Look at the target, before anything is computed.

    ``MergeError`` where files there are not ours to replace, unless ``force``; ``HubError`` where the token may not
    write there.
    """
    from engine.hub_client import ModelMissing  # noqa: PLC0415 - a local merge needs no Hub client

    try:
        model = hub.model(repo, None)
    except ModelMissing:
        hub.whoami()  # without an account nothing can be created: said now, not after the first shard
        return Target(repo, None, (), published=False)
    where = f"{hub.endpoint}/{repo}"
    record = _recorded(hub, model, force=force)
    recorded: Mapping[str, str] = {} if record is None else record["files"]
    present = {file.name: _sha256(hub, model, file, recorded) for file in model.files if file.name != RECORD}
    whole = all(present.get(name) == sha256 for name, sha256 in recorded.items())
    if record is not None and whole and record["plan_digest"] == plan.digest:
        return Target(repo, model, (), published=True)
    if hub.can_write(repo) is False:
        raise HubError(f"this token may not write to {where}; use one that may, or name another target with --repo")
    new = file_names(plan)
    leaving = replaced(present, recorded, new, where=where, force=force)
    return Target(repo, model, tuple(name for name in leaving if name not in new), published=False)


def _recorded(hub: Hub, model: HubModel, *, force: bool) -> Mapping[str, Any] | None:
    """Read what an earlier merge recorded; with ``force`` a record that cannot be read counts as none."""
    if all(file.name != RECORD for file in model.files):
        return None
    try:
        return read_record(hub.read_file(model.repo, model.commit, RECORD), f"{model.repo}/{RECORD}")
    except MergeError:
        if not force:
            raise
        return None


def _sha256(hub: Hub, model: HubModel, file: HubFile, recorded: Mapping[str, str]) -> str | None:
    """Hash of a file's content. Git's blob ids are not sha256, so small files that the record names are read."""
    if file.sha256 is not None or file.name not in recorded:
        return file.sha256
    return hashlib.sha256(hub.read_file(model.repo, model.commit, file.name)).hexdigest()


class HubSink:
    """Uploads each shard as it comes and deletes it here; ``finish`` makes the one commit."""

    def __init__(self, hub: Hub, target: Target, plan: Plan, work: Path, report: Report) -> None:
        self._hub, self._target, self._plan, self._report = hub, target, plan, report
        self.work = work
        self._uploads: list[Upload] = []
        self._parent = None if target.model is None else target.model.commit
        self._created = False

    def finished(self, shard: Shard) -> FinishedShard | None:  # noqa: ARG002 - the protocol's
        """Shards of earlier runs are not found again here."""
        return None

    def accept(self, path: Path, finished: FinishedShard) -> None:
        """Upload a shard, then delete it."""
        repo = self._target.repo
        if self._parent is None:
            self._parent = self._create()
        upload = self._hub.upload(repo, path, finished.file)
        if upload.sha256 != finished.sha256:
            raise MergeError(f"{path} changed between writing and uploading; check the disk, then run again")
        path.unlink()
        self._uploads.append(upload)
        self._report(ShardUploaded(finished.file, finished.size))

    def _create(self) -> str:
        """Create the target, private, and return its head."""
        repo = self._target.repo
        new = self._hub.create_repo(repo, private=True)
        model = self._hub.model(repo, None)
        # Where the answer was lost and the client asked again, the repo is there already, and is this run's all the
        # same: private, and empty.
        self._created = new or (model.private and all(file.name == ATTRIBUTES for file in model.files))
        if not self._created:
            raise MergeError(f"{self._hub.endpoint}/{repo} was created by somebody else meanwhile; run again")
        return model.commit

    def finish(self, files: Mapping[str, bytes]) -> str:
        """Commit everything at once, check what the Hub then holds, and return the model's address.

        A repo that this run created becomes public only now; one that was there stays as private as it was.
        """
        repo = self._target.repo
        held = self._commit(files)
        where = f"{self._hub.endpoint}/{repo}"
        wrong = self._wrong(held, files)
        if wrong:
            raise HubError(f"{where} does not hold what was sent: {', '.join(wrong)}; publish again with --force")
        if not self._plan.private:
            self._open_up(held, where)
        nbytes = sum(upload.size for upload in self._uploads) + sum(len(data) for data in files.values())
        self._report(Published(where, len(self._uploads) + len(files), nbytes))
        return where

    def _open_up(self, held: HubModel, where: str) -> None:
        if not self._created:
            if held.private:
                self._report(Said(f"{where} was private before and stays so; change that in {where}/settings"))
            return
        try:
            self._hub.set_private(self._target.repo, False)  # noqa: FBT003 - the client's name says it
        except HubError as error:
            raise HubError(
                f"{where} holds the whole model, but is still private: {error}; make it public in {where}/settings"
            ) from error

    def _commit(self, files: Mapping[str, bytes]) -> HubModel:
        """Make the commit, and return what the Hub then holds there."""
        from engine.hub_client import Moved  # noqa: PLC0415 - a local merge needs no Hub client

        repo = self._target.repo
        try:
            commit = self._hub.commit(
                repo,
                uploads=self._uploads,
                files=files,
                delete=self._target.remove,
                message=f"Merge {self._plan.title} with mergesmith",
                description=f"weights digest {self._plan.weights_digest}\nplan digest {self._plan.digest}",
                parent_commit=self._parent,
            )
        except Moved:
            raise
        except HubError:
            # The answer may be lost where the commit was made.
            held = self._hub.model(repo, None)
            if held.commit == self._parent or self._wrong(held, files):
                raise
            return held
        return self._hub.model(repo, commit.oid)

    def _wrong(self, held: HubModel, files: Mapping[str, bytes]) -> list[str]:
        """Names of files that are not at the Hub as they were sent."""
        present = {file.name: file for file in held.files}
        wrong = [u.name for u in self._uploads if u.name not in present or present[u.name].sha256 != u.sha256]
        return wrong + [name for name, data in files.items() if name not in present or not _holds(present[name], data)]


def _holds(file: HubFile, data: bytes) -> bool:
    """Whether a file on the Hub has this content: by its sha256, or else by git's id of it."""
    if file.sha256 is not None:
        return file.sha256 == hashlib.sha256(data).hexdigest()
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False)
    return file.blob_id == blob.hexdigest()
