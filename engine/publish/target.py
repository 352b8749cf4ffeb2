"""The target repo, looked at before anything is computed: what it holds, and what of that may be replaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import HubError, MergeError
from engine.hub_errors import ModelMissing
from engine.publish.assemble import file_names
from engine.publish.record import RECORD, read_record
from engine.publish.replacing import replaced

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from engine.hub_client import Hub, HubModel
    from engine.plan.plan import Plan


@dataclass(frozen=True)
class Target:
    """The target repo as it is before the run: None for ``model`` where there is none yet."""

    repo: str
    model: HubModel | None
    remove: tuple[str, ...]
    published: bool
    """Whether it carries this very plan already."""
    writable: bool = True
    """Whether this token may write there; otherwise it can only propose."""


def inspect_target(hub: Hub, repo: str, plan: Plan, *, force: bool, create_pr: bool = False) -> Target:
    """Look at the target, before anything is computed.

    ``MergeError`` where files there are not ours to replace, unless ``force``; ``HubError`` where the token may not
    write there, unless all that is wanted is a pull request, or may not make a repo that is not there yet.
    """
    try:
        model = hub.model(repo, None)
    except ModelMissing:
        _check_creatable(hub, repo)  # said now, not after the first shard
        return Target(repo, None, (), published=False)
    where = f"{hub.endpoint}/{repo}"
    record = _recorded(hub, model, force=force)
    recorded: Mapping[str, str] = {} if record is None else record["files"]
    present = _present(hub, model, recorded)
    if _is_of(record, present, plan):
        return Target(repo, model, (), published=True)
    writable = hub.can_write(repo) is not False
    if not writable and hub.anonymous:
        raise HubError(f"no token while asking for write access to {where}; set HF_TOKEN to one that may write there")
    if not writable and not create_pr:
        raise HubError(
            f"this token may not write to {where}; use one that may, name another target with --repo, or propose the "
            "model with --create-pr"
        )
    new = file_names(plan)
    leaving = replaced(present, recorded, new, where=where, force=force)
    return Target(repo, model, tuple(name for name in leaving if name not in new), published=False, writable=writable)


def _check_creatable(hub: Hub, repo: str) -> None:
    """Stop where the token's account may make no repo of that name; a namespace's letters may be of either case."""
    namespace, names = repo.split("/", maxsplit=1)[0], hub.namespaces()
    if namespace.casefold() not in {name.casefold() for name in names}:
        raise HubError(
            f"{hub.endpoint}/{repo} is not there, or not for this token to see, and its account, {names[0]}, may make "
            f"no repo in {namespace}; use a token that may, or name another target with --repo"
        )


def carries(hub: Hub, model: HubModel, plan: Plan) -> bool:
    """Whether a repo at a commit holds this very plan's model, whole and unchanged."""
    record = _recorded(hub, model, force=True)
    return record is not None and _is_of(record, _present(hub, model, record["files"]), plan)


def _is_of(record: Mapping[str, Any] | None, present: Mapping[str, str | None], plan: Plan) -> bool:
    if record is None or record["plan_digest"] != plan.digest:
        return False
    return all(present.get(name) == sha256 for name, sha256 in record["files"].items())


def _present(hub: Hub, model: HubModel, recorded: Mapping[str, str]) -> dict[str, str | None]:
    """Each file but the record with its hash. Git's blob ids are none, so small files that are recorded are read."""
    return {
        file.name: hub.sha256(model, file) if file.sha256 or file.name in recorded else None
        for file in model.files
        if file.name != RECORD
    }


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
