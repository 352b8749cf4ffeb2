"""A Hub repo as the place of a finished model: shard by shard, then one commit.

Nothing is created before the first shard is whole, and a repo that this run creates stays private until its last
step. Readers see the old model, or the whole new one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import HubError, MergeError
from engine.events import Published, ShardUploaded
from engine.publish.assemble import file_names
from engine.publish.record import RECORD, read_record
from engine.publish.replacing import refuse_foreign, replacement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from engine.events import Report
    from engine.hub_client import Hub, HubModel, Upload
    from engine.plan.plan import Plan, Shard
    from engine.run.shard import FinishedShard


@dataclass(frozen=True)
class Target:
    """The target repo as it is before the run: None for ``model`` where there is none yet."""

    repo: str
    model: HubModel | None
    remove: tuple[str, ...]
    published: bool
    """Whether it carries this very plan already."""


def inspect_target(hub: Hub, repo: str, plan: Plan, *, force: bool) -> Target:
    """Look at the target; ``MergeError`` where files there are not ours to replace, unless ``force``."""
    from engine.hub_client import ModelMissing  # noqa: PLC0415 - a local merge needs no Hub client

    try:
        model = hub.model(repo, None)
    except ModelMissing:
        return Target(repo, None, (), published=False)
    present = {file.name: file.sha256 for file in model.files if file.name != RECORD}
    recorded: Mapping[str, str] = {}
    if any(file.name == RECORD for file in model.files):
        record = read_record(hub.read_file(repo, model.commit, RECORD), f"{repo}/{RECORD}")
        recorded = record["files"]
        # Git's blob ids are not sha256, so small files that the record names are read to be compared.
        for file in model.files:
            if file.name in recorded and file.sha256 is None:
                data = hub.read_file(repo, model.commit, file.name)
                present[file.name] = hashlib.sha256(data).hexdigest()
        whole = all(present.get(name) == sha256 for name, sha256 in recorded.items())
        if whole and record["plan_digest"] == plan.digest:
            return Target(repo, model, (), published=True)
    decided = replacement(present, recorded, file_names(plan))
    if not force:
        refuse_foreign(decided.foreign, f"{hub.endpoint}/{repo}")
    return Target(repo, model, decided.remove, published=False)


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
            self._created = self._hub.create_repo(repo, private=True)
            self._parent = self._hub.model(repo, None).commit
        upload = self._hub.upload(repo, path, finished.file)
        if upload.sha256 != finished.sha256:
            raise MergeError(f"{path} changed between writing and uploading; check the disk, then run again")
        path.unlink()
        self._uploads.append(upload)
        self._report(ShardUploaded(finished.file, finished.size))

    def finish(self, files: Mapping[str, bytes]) -> str:
        """Commit everything at once, check what the Hub then holds, and return the model's address."""
        repo = self._target.repo
        commit = self._hub.commit(
            repo,
            uploads=self._uploads,
            files=files,
            delete=self._target.remove,
            message=f"Merge {self._plan.title} with mergesmith",
            description=f"weights digest {self._plan.weights_digest}\nplan digest {self._plan.digest}",
            parent_commit=self._parent,
        )
        self._check(commit.oid, files)
        if self._created and not self._plan.private:
            self._hub.set_private(repo, False)  # noqa: FBT003 - the client's name says it
        where = f"{self._hub.endpoint}/{repo}"
        nbytes = sum(upload.size for upload in self._uploads) + sum(len(data) for data in files.values())
        self._report(Published(where, len(self._uploads) + len(files), nbytes))
        return where

    def _check(self, commit: str, files: Mapping[str, bytes]) -> None:
        held = {file.name: file for file in self._hub.model(self._target.repo, commit).files}
        wrong = [u.name for u in self._uploads if u.name not in held or held[u.name].sha256 != u.sha256]
        wrong += [name for name, data in files.items() if name not in held or held[name].size != len(data)]
        if wrong:
            raise HubError(
                f"{self._hub.endpoint}/{self._target.repo} does not hold what was sent: {', '.join(wrong)}; "
                "publish again with --force"
            )
