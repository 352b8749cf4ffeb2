"""One commit on the Hub, made once and found to be there as it was sent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.errors import HubError
from engine.hub_errors import Moved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.hub_client import Hub, HubFile, HubModel, Upload
    from engine.run.shard import FinishedShard

MAIN = "main"


@dataclass(frozen=True)
class Change:
    """What a commit brings to ``revision`` if that is still at ``parent``.

    ``copies`` are names of files and the commits that they come from. ``shards`` are to be there afterwards, whichever
    way they came. With ``create_pr`` it becomes a pull request to ``revision``.
    """

    revision: str
    parent: str
    message: str
    shards: Mapping[str, FinishedShard]
    files: Mapping[str, bytes]
    description: str = ""
    uploads: tuple[Upload, ...] = ()
    copies: Mapping[str, str] = field(default_factory=dict)
    delete: tuple[str, ...] = ()
    create_pr: bool = False


@dataclass(frozen=True)
class Landed:
    """What the Hub holds after a commit; the address of the pull request, where the commit is one."""

    model: HubModel
    pr_url: str | None = None


def land(hub: Hub, repo: str, change: Change, *, moved: str) -> Landed:
    """Make a commit, and compare what the Hub then holds with what was sent.

    ``Moved`` with the text ``moved`` where somebody else was faster; ``HubError`` where it cannot be made, or is not
    as it was sent.
    """
    try:
        commit = hub.commit(
            repo,
            uploads=change.uploads,
            files=change.files,
            copies=change.copies,
            delete=change.delete,
            message=change.message,
            description=change.description,
            parent_commit=change.parent,
            create_pr=change.create_pr,
            revision=change.revision,
        )
    except Moved as error:
        raise Moved(moved) from error
    except HubError:
        # The answer may be lost where the commit was made.
        held = hub.model(repo, change.revision)
        if _wrong(hub, held, change):
            raise
        return Landed(held)
    held = hub.model(repo, commit.pr_ref or commit.oid)
    wrong = _wrong(hub, held, change)
    if wrong:
        on_main = change.revision == MAIN
        where = f"{hub.endpoint}/{repo}" + ("" if on_main else f"/tree/{change.revision}")
        then = "publish again with --force" if on_main else "run again"
        raise HubError(f"{where} does not hold what was sent: {', '.join(wrong)}; {then}")
    return Landed(held, commit.pr_url)


def _wrong(hub: Hub, held: HubModel, change: Change) -> list[str]:
    """Names of files that are not at the Hub as they were sent."""
    present = {file.name: file for file in held.files}
    shards = change.shards.values()
    wrong = [s.file for s in shards if s.file not in present or hub.sha256(held, present[s.file]) != s.sha256]
    files = change.files.items()
    return wrong + [name for name, data in files if name not in present or not _holds(present[name], data)]


def _holds(file: HubFile, data: bytes) -> bool:
    """Whether a file on the Hub has this content: by its sha256, or else by git's id of it."""
    if file.sha256 is not None:
        return file.sha256 == hashlib.sha256(data).hexdigest()
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False)
    return file.blob_id == blob.hexdigest()
