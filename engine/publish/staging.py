"""The staging branch: its name, and the journal that tells which files on it are this plan's and whole.

The branch starts from the target, and so holds the old model's files under the same names: what the journal does not
list is not ours.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from engine.canonical import pretty
from engine.errors import LockError
from engine.plan.lock import lock_of, lock_text, parse_lock
from engine.run.journal import layout_digest
from engine.run.shard import FinishedShard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.plan.lock import Lock
    from engine.plan.plan import Plan

PREFIX = "mergesmith/"
"""What the name of every staging branch begins with."""
JOURNAL = ".mergesmith/journal.json"
LOCK = ".mergesmith/lock.json"
"""The lock in force: who goes on without a lock file merges the same commits."""
FORMAT = 1


@dataclass(frozen=True)
class Journal:
    """What a run notes on the staging branch. ``created`` says that it had to create the repo, as a private one."""

    created: bool
    shards: Mapping[str, FinishedShard] = field(default_factory=dict)


def staging_name(plan: Plan) -> str:
    """Name the branch after the weights and their layout, so that no resume mixes two of either."""
    return f"{PREFIX}{plan.weights_digest[:12]}-{layout_digest(plan)[:8]}"


def staging_branches(branches: Iterable[str]) -> list[str]:
    """Those of a repo's branches that are staging branches, sorted."""
    return sorted(name for name in branches if name.startswith(PREFIX))


def staged_files(plan: Plan, journal: Journal) -> dict[str, bytes]:
    """Everything on the staging branch beside the shards."""
    text = pretty(
        {
            "mergesmith_journal": FORMAT,
            "weights_digest": plan.weights_digest,
            "layout": layout_digest(plan),
            "created": journal.created,
            "shards": [asdict(journal.shards[name]) for name in sorted(journal.shards)],
        }
    )
    return {JOURNAL: text.encode(), LOCK: lock_text(lock_of(plan)).encode()}


def read_journal(text: bytes, plan: Plan) -> Journal | None:
    """Read a journal; None where it is none, or another plan's: then nothing on that branch is taken for whole."""
    try:
        data = json.loads(text)
        found = data["mergesmith_journal"], data["weights_digest"], data["layout"]
        if found != (FORMAT, plan.weights_digest, layout_digest(plan)):
            return None
        return Journal(data["created"] is True, {shard["file"]: FinishedShard(**shard) for shard in data["shards"]})
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def read_staged_lock(text: bytes, where: str) -> Lock | None:
    """Read the lock of a staging branch; None where it cannot be read."""
    try:
        return parse_lock(text, where)
    except LockError:
        return None
