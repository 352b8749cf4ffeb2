"""What a target holds before a merge, and what the merge would change. Read from strangers' files, in bounds."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from bot.failures import reason_of
from engine.errors import LockError, MergesmithError
from engine.hub_errors import ModelMissing
from engine.plan.lock import parse_lock
from engine.plan.show.words import short
from engine.version import NUMERICS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.hub_client import Hub, HubModel
    from engine.plan.lock import Lock
    from engine.plan.plan import Plan

RECORD, LOCK, RECIPE = "merge.record.json", "merge.lock.json", "mergekit_config.yml"
LARGEST = 4 * 1024 * 1024
LONGEST_DIFF = 200
"""Lines of the recipe's diff that are shown."""

State = Literal["new", "same", "differs", "foreign", "unknown"]


@dataclass(frozen=True)
class Before:
    """The target as the client sees it. ``parents`` says what changed among them, ``diff`` how the recipe did.

    ``new``: no such repo, or a private one; ``same``: it carries this plan; ``foreign``: a repo that no merge of ours
    made; ``unknown``: it could not be read, ``parents`` says why, and ``reason`` in a word.
    """

    state: State
    parents: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()
    private: bool = False
    reason: str | None = None


def look_at_target(hub: Hub, plan: Plan) -> Before:
    """Compare a plan with what its target holds; never raises for what is found there."""
    if plan.repo is None:
        return Before("new")
    try:
        model = hub.model(plan.repo, None)
        return replace(_compare(plan, hub, model), private=model.private)
    except ModelMissing:
        return Before("new")
    except MergesmithError as trouble:
        return Before("unknown", (str(trouble),), reason=reason_of(trouble))


def _compare(plan: Plan, hub: Hub, model: HubModel) -> Before:
    if all(file.name != RECORD for file in model.files):
        return Before("foreign")
    lock = _lock(hub, model)
    if lock is None:
        return Before("foreign")
    if lock.plan_digest == plan.digest:
        return Before("same")
    old = _small(hub, model, RECIPE).decode(errors="replace")
    lines = difflib.unified_diff(old.splitlines(), plan.text.splitlines(), "published", "this one", n=2, lineterm="")
    return Before("differs", tuple(_moves(lock, plan)), _bounded(lines))


def _lock(hub: Hub, model: HubModel) -> Lock | None:
    try:
        return parse_lock(_small(hub, model, LOCK), LOCK)
    except LockError:
        return None


def _small(hub: Hub, model: HubModel, name: str) -> bytes:
    """Read a small file; nothing where it is missing or large."""
    sizes = {file.name: file.size for file in model.files}
    return hub.read_file(model.repo, model.commit, name) if sizes.get(name, LARGEST + 1) <= LARGEST else b""


def _moves(lock: Lock, plan: Plan) -> Iterable[str]:
    old = {pin.ref: pin for pin in lock.models}
    new = {pin.ref: pin for pin in plan.models}
    for ref, pin in new.items():
        if ref not in old:
            yield f"`{ref}` joins at {short(pin.commit)}"
        elif old[ref].commit != pin.commit:
            yield f"`{ref}` moves from {short(old[ref].commit)} to {short(pin.commit)}"
    yield from (f"`{ref}` leaves" for ref in old if ref not in new)
    if lock.weights_digest == plan.weights_digest:
        yield "the weights stay as they are"
    if lock.numerics != NUMERICS:
        yield f"it was made with numerics {lock.numerics}, and this is {NUMERICS}"


def _bounded(lines: Iterable[str]) -> tuple[str, ...]:
    shown = list(lines)
    more = len(shown) - LONGEST_DIFF
    return (*shown[:LONGEST_DIFF], f"({more} more lines)") if more > 0 else tuple(shown)
