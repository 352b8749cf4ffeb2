"""Where finished shards wait at the target for the last commit, and what earlier runs left there.

A staging branch; or, where this token may not write, the ref of a draft pull request that its account opened. A branch
is trusted, for who can write it can write the target; a pull request only where it is our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.hub_errors import FileMissing, ModelMissing
from engine.publish.staging import (
    JOURNAL,
    LOCK,
    PREFIX,
    Journal,
    read_journal,
    read_staged_lock,
    staging_branches,
    staging_name,
)
from engine.publish.target import carries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.hub_client import Hub, PullRequest
    from engine.plan.lock import Lock
    from engine.plan.plan import Plan
    from engine.publish.target import Target


@dataclass(frozen=True)
class Stage:
    """A staging place at its head ``commit``; every shard in its journal is there, as the Hub confirms."""

    ref: str
    commit: str
    journal: Journal
    pull: PullRequest | None = None


@dataclass(frozen=True)
class Waiting:
    """What earlier runs left at the target.

    ``others`` are staging branches that this plan has no use for; ``proposed`` is our own pull request that carries
    this very plan already.
    """

    stage: Stage | None = None
    others: tuple[str, ...] = ()
    proposed: PullRequest | None = None


def look(hub: Hub, target: Target, plan: Plan, *, create_pr: bool) -> Waiting:
    """Find what earlier runs left at the target; pull requests only where one is wanted."""
    if target.model is None:
        return Waiting()
    name, branches = staging_name(plan), hub.branches(target.repo)
    others = tuple(branch for branch in staging_branches(branches) if branch != name)
    stage = _stage(hub, target.repo, plan, name, branches[name]) if name in branches and target.writable else None
    pull = own_pull_request(hub, target.repo, plan) if create_pr and not target.published else None
    if pull is None:
        return Waiting(stage, others)
    held = hub.model(target.repo, pull.ref)
    if carries(hub, held, plan):
        return Waiting(stage, others, pull)
    if not target.writable:
        stage = _stage(hub, target.repo, plan, pull.ref, held.commit, pull)
    return Waiting(stage, others)


def pull_request_title(plan: Plan) -> str:
    """Title of this plan's pull request, by which a later run finds it."""
    return f"Merge {plan.title} with mergesmith ({staging_name(plan).removeprefix(PREFIX)})"


def own_pull_request(hub: Hub, repo: str, plan: Plan) -> PullRequest | None:
    """Find this plan's pull request that this token's account opened and nobody closed."""
    title = pull_request_title(plan)
    return next((pull for pull in hub.pull_requests(repo, hub.whoami()) if pull.title == title), None)


def _stage(hub: Hub, repo: str, plan: Plan, ref: str, commit: str, pull: PullRequest | None = None) -> Stage:
    """Read a staging place; shards whose hash the Hub does not confirm are left out."""
    model = hub.model(repo, commit)
    files = {file.name: file for file in model.files}
    text = hub.read_file(repo, commit, JOURNAL) if JOURNAL in files else b""
    journal = read_journal(text, plan) or Journal(created=False)
    confirmed = {
        name: shard
        for name, shard in journal.shards.items()
        if name in files and hub.sha256(model, files[name]) == shard.sha256
    }
    return Stage(ref, commit, Journal(journal.created, confirmed), pull)


def staged_locks(hub: Hub, repo: str, *, proposed: bool) -> Iterator[tuple[str, Lock]]:
    """Give the locks that unfinished publishes to ``repo`` left there, each with the name of its staging branch.

    Of our own pull requests too, if ``proposed``; their names are in their titles.
    """
    try:
        branches = hub.branches(repo)
    except ModelMissing:
        return
    places = [(name, branches[name]) for name in staging_branches(branches)]
    if proposed:
        own = hub.pull_requests(repo, hub.whoami())
        places += [(PREFIX + pull.title.rpartition("(")[2].rstrip(")"), pull.ref) for pull in own]
    for name, revision in places:
        try:
            lock = read_staged_lock(hub.read_file(repo, revision, LOCK), f"{repo}/{LOCK}")
        except FileMissing:
            continue
        if lock is not None:
            yield name, lock
