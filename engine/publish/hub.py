"""A Hub repo as the place of a finished model: shard by shard to a staging place, then one commit.

Nothing is created before the first shard is whole, and a repo that a run creates stays private until the last step.
Readers see the old model, or the whole new one. Killed anywhere, the next run goes on from the staging place.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import HubError, MergeError
from engine.events import Published, Said, ShardUploaded
from engine.hub_errors import BranchMissing
from engine.interrupts import deferred, result_of
from engine.publish.committing import MAIN, Change, land
from engine.publish.stage import Stage, pull_request_title
from engine.publish.staging import JOURNAL, LOCK, Journal, staged_files, staging_name
from engine.publish.work import CREATED
from engine.run.files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from engine.events import Report
    from engine.hub_client import Hub, PullRequest, Upload
    from engine.plan.plan import Plan, Shard
    from engine.publish.committing import Landed
    from engine.publish.target import Target
    from engine.run.shard import FinishedShard

ATTRIBUTES = ".gitattributes"
"""The one file that a new repo has."""


class HubSink:
    """Stages each shard as it comes and deletes it here; ``finish`` makes the one commit.

    ``stage`` is what an earlier run of this plan left. With ``create_pr`` the last commit is a pull request.
    """

    def __init__(
        self,
        hub: Hub,
        target: Target,
        plan: Plan,
        work: Path,
        report: Report,
        *,
        stage: Stage | None = None,
        create_pr: bool = False,
    ) -> None:
        self._hub, self._target, self._plan, self._report = hub, target, plan, report
        self._create_pr = create_pr
        self.work = work
        self._where = f"{hub.endpoint}/{target.repo}"
        self._head = "" if target.model is None else target.model.commit
        """Where the target's main branch is known to be."""
        self._created = target.model is None or _noted(work) == self._head
        """Whether the repo is ours: created by this run, or by one that was stopped before its journal could say so."""
        self._stage = stage
        if stage is not None and self._created:
            self._stage = replace(stage, journal=replace(stage.journal, created=True))

    def finished(self, shard: Shard) -> FinishedShard | None:
        """Give a shard that waits at the staging place."""
        return None if self._stage is None else self._stage.journal.shards.get(shard.file)

    def accept(self, path: Path, finished: FinishedShard) -> None:
        """Stage a shard, then delete it here."""
        stage = self._stage = self._stage or self._open()
        try:
            self._stage = self._send(stage, path, finished)
        except BranchMissing as error:
            raise HubError(
                f"{stage.ref} of {self._where} is gone: another run of this plan has ended, or somebody removed it; "
                "run again"
            ) from error
        path.unlink()
        self._report(ShardUploaded(finished.file, finished.size))

    def _send(self, stage: Stage, path: Path, finished: FinishedShard) -> Stage:
        with ThreadPoolExecutor(1, "hash-sent") as beside:
            # Hashed once more while it is sent: what the disk gives back may not be what was written.
            with deferred():
                content = beside.submit(sha256_of, path)
            try:
                upload = self._hub.upload(self._target.repo, path, finished.file, stage.ref, sha256=finished.sha256)
            finally:
                with deferred():
                    sent = result_of(content)
                if sent != finished.sha256:
                    raise MergeError(f"{path} changed between writing and uploading; check the disk, then run again")
        journal = replace(stage.journal, shards={**stage.journal.shards, finished.file: finished})
        return self._note(stage, journal, f"Stage {finished.file}", upload)

    def _open(self) -> Stage:
        """Make the staging place, and note at once whether the repo is new: who goes on must know."""
        repo, target = self._target.repo, self._target
        if target.model is None:
            self._create()
        if target.writable:
            name = staging_name(self._plan)
            self._hub.create_branch(repo, name, self._head)
            stage = Stage(name, self._head, Journal(self._created))
        else:
            pull = self._hub.open_pull_request(repo, pull_request_title(self._plan), self._digests())
            stage = Stage(pull.ref, self._hub.model(repo, pull.ref).commit, Journal(self._created), pull)
        return self._note(stage, stage.journal, "Begin a journal")

    def _note(self, stage: Stage, journal: Journal, message: str, *uploads: Upload) -> Stage:
        """Commit to the staging place: the journal, with the shard that it newly lists."""
        files = staged_files(self._plan, journal)
        change = Change(stage.ref, stage.commit, message, journal.shards, files, uploads=uploads)
        moved = (
            f"another run publishes this model to {self._where}: {stage.ref} there is no longer where this run left "
            "it; wait until that run has ended, then run again"
        )
        landed = land(self._hub, self._target.repo, change, moved=moved)
        (self.work / CREATED).unlink(missing_ok=True)  # the journal says it from now on, and to every machine
        return replace(stage, commit=landed.model.commit, journal=journal)

    def _create(self) -> None:
        """Create the target, private."""
        repo = self._target.repo
        new = self._hub.create_repo(repo, private=True)
        model = self._hub.model(repo, None)
        # Where the answer was lost and the client asked again, the repo is there already, and is this run's all the
        # same: private, and empty.
        if not (new or (model.private and all(file.name == ATTRIBUTES for file in model.files))):
            raise MergeError(f"{self._where} was created by somebody else meanwhile; run again")
        (self.work / CREATED).write_text(model.commit, encoding="utf-8")
        self._target, self._head = replace(self._target, model=model), model.commit

    def finish(self, files: Mapping[str, bytes]) -> str:
        """Commit everything at once, and return the address of the model or of the pull request.

        A repo that was created for this becomes public only now; one that was there before stays as private as it was.
        """
        stage = self._stage
        if stage is None:
            raise AssertionError("a plan has at least one shard, and the first one opens the staging place")
        if stage.pull is None:
            where = self._last(stage, files).pr_url or self._where
        else:
            self._propose(stage, stage.pull, files)
            where = stage.pull.url
        settle(self._hub, self._target, self._plan, stage, self._report)
        nbytes = self._plan.bytes + sum(len(data) for data in files.values())
        self._report(Published(where, len(stage.journal.shards) + len(files), nbytes))
        return where

    def _last(self, stage: Stage, files: Mapping[str, bytes]) -> Landed:
        """Bring everything together on the target, or in a pull request to it."""
        shards = stage.journal.shards
        change = Change(
            MAIN,
            self._head,
            pull_request_title(self._plan) if self._create_pr else f"Merge {self._plan.title} with mergesmith",
            shards,
            files,
            description=self._digests(),
            copies=dict.fromkeys(shards, stage.commit),
            delete=self._target.remove,
            create_pr=self._create_pr,
        )
        moved = (
            f"{self._where} changed while this model was made: {MAIN} is no longer at {self._head[:12]}. Nothing "
            f"was published, and the finished shards wait on the branch {stage.ref}; look at what changed, then run "
            "again"
        )
        return land(self._hub, self._target.repo, change, moved=moved)

    def _propose(self, stage: Stage, pull: PullRequest, files: Mapping[str, bytes]) -> None:
        """Make the draft pull request whole, and open it for review."""
        repo = self._target.repo
        there = {file.name for file in self._hub.model(repo, stage.commit).files}
        change = Change(
            stage.ref,
            stage.commit,
            f"Merge {self._plan.title} with mergesmith",
            stage.journal.shards,
            files,
            description=self._digests(),
            delete=tuple(name for name in (JOURNAL, LOCK, *self._target.remove) if name in there),
        )
        moved = f"somebody else committed to {pull.url} meanwhile; look at what changed, then run again"
        land(self._hub, repo, change, moved=moved)
        self._hub.mark_ready(repo, pull.num)

    def _digests(self) -> str:
        return f"weights digest {self._plan.weights_digest}\nplan digest {self._plan.digest}"


def _noted(work: Path) -> str | None:
    """Commit at which an earlier run here created the target, and got no further."""
    try:
        return (work / CREATED).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def settle(hub: Hub, target: Target, plan: Plan, stage: Stage, report: Report) -> None:
    """Do what is left once the model is there: make a new repo public, and remove the staging branch.

    ``HubError`` where it cannot be made public: whoever runs again does it then.
    """
    where = f"{hub.endpoint}/{target.repo}"
    if target.model is not None and target.model.private and not plan.private:
        if stage.journal.created:
            _make_public(hub, target.repo, where)
        else:
            report(Said(f"{where} was private before and stays so; change that in {where}/settings"))
    if stage.pull is None:
        drop(hub, target.repo, stage.ref, report)


def _make_public(hub: Hub, repo: str, where: str) -> None:
    try:
        hub.set_private(repo, False)  # noqa: FBT003 - the client's name says it
    except HubError as error:
        raise HubError(
            f"{where} holds the whole model, but is still private: {error}; the same command makes it public, or do "
            f"so in {where}/settings"
        ) from error


def drop(hub: Hub, repo: str, branch: str, report: Report) -> bool:
    """Remove a staging branch; where that fails, say so and return False: the model is none the worse for it."""
    try:
        hub.delete_branch(repo, branch)
    except HubError as error:
        report(Said(f"warning: the staging branch {branch} is left in {hub.endpoint}/{repo}: {error}"))
        return False
    return True
