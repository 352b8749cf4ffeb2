"""One recipe of a commit → what there is to say about it. Reads headers only; knows nothing of GitHub."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from bot import policy as policies
from bot.failures import first_reason, reason_of
from bot.machine import fit
from bot.recipes import lock_of as lock_file_of
from engine.commands import plan_for_review, plan_locked
from engine.errors import HubError, LockError, ModelError, RecipeError
from engine.findings import Finding, Place, error, warning
from engine.hub_errors import ModelMissing
from engine.plan.lock import lock_of, lock_path, lock_text
from engine.recipe import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bot.machine import Machine
    from bot.recipes import Change
    from bot.tree import Tree
    from engine.commands import Planned
    from engine.hub_client import Hub
    from engine.plan.plan import Options, Plan

LARGEST_RECIPE = 1024 * 1024
LARGEST_LOCK = 8 * 1024 * 1024
TOP = Place(1, 1)
LEVELS = ("error", "warning", "note")
_NAME = re.compile(r"(?!.*(--|\.\.|\.git$))[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?")
_REASONS = {"lock-stale": "plan-changed"}
_GONE = re.compile(r" is locked at commit [0-9a-f]{12}, which ")

LockState = Literal["fits", "missing", "stale"]


@dataclass(frozen=True)
class Review:
    """What a recipe would make, as far as it can be planned; ``findings`` are sorted, errors first.

    ``new_lock`` is a lock's text where there is none that fits. ``reason`` is why it cannot be merged, None if it
    can. ``file`` is where the recipe lies for a run, with its lock beside it.
    """

    path: str
    change: Change | None
    plan: Plan | None
    findings: tuple[Finding, ...]
    lock: LockState
    new_lock: str | None
    reason: str | None
    file: Path | None

    def fails(self, fail_on: str) -> bool:
        """Whether it fails a run that is asked to ``fail_on`` errors, or warnings as well."""
        levels = {finding.level for finding in self.findings}
        return "error" in levels or (fail_on == "warning" and "warning" in levels)


@dataclass(frozen=True)
class Desk:
    """What planning takes beside the recipe: ``work`` is an empty folder for texts of the commit.

    ``strict`` plans as a run does: a lock that does not fit is an error, and nothing is looked at further.
    ``set_aside`` turns breaches of the policy into warnings where somebody who may do so has done so.
    """

    work: Path
    open_hub: Callable[[], Hub]
    options: Options
    machine: Machine
    policy: policies.Policy
    namespace: str = ""
    require_lock: bool = False
    strict: bool = False
    set_aside: Callable[[Plan, tuple[Finding, ...]], tuple[Finding, ...]] = lambda _plan, findings: findings


def review(tree: Tree, path: str, change: Change | None, desk: Desk) -> Review:
    """Plan the recipe at ``path`` of a commit. What is wrong with it, its lock or its models becomes findings."""
    lock: LockState = "stale" if lock_file_of(path) in tree.entries else "missing"
    refused = Review(path, change, None, (), lock, None, None, None)
    try:
        file = _lay_out(tree, path, desk.work)
    except RecipeError as refusal:
        return _refused(refused, refusal.findings, "bad-recipe")
    try:
        options = _with_target(file.read_bytes(), path, desk)
        planned = _planned(file, desk, options)
        names = _names(planned.plan, desk)
    except RecipeError as refusal:
        findings = _named(refusal.findings, file, path)
        return _refused(refused, findings, _reason(findings))
    except LockError as stale:
        return _refused(refused, _named([error("lock-stale", str(stale), "", TOP)], file, path), "plan-changed")
    except (HubError, ModelError) as trouble:
        return _refused(refused, _named([error("hub", str(trouble), "", TOP)], file, path), reason_of(trouble))
    plan = replace(planned.plan, path=path)
    lock = "fits" if planned.lock else lock
    findings = _sorted(_judged(plan, lock, _named(plan.findings, file, path), desk, names))
    new_lock = None if lock == "fits" else lock_text(lock_of(plan))
    return Review(path, change, plan, findings, lock, new_lock, _reason(findings), file)


def _planned(file: Path, desk: Desk, options: Options) -> Planned:
    """Plan a recipe, as a run does or for a reader.

    Where a locked commit is gone, no plan follows the lock: that is the lock's fault. A reader sees the plan at the
    models' present commits instead, so that there is a lock to commit.
    """
    try:
        return (plan_locked if desk.strict else plan_for_review)(file, desk.open_hub, options)
    except RecipeError as refusal:
        findings = tuple(replace(f, id="lock-stale") if _GONE.search(f.message) else f for f in refusal.findings)
        if desk.strict or any(f.level == "error" and f.id != "lock-stale" for f in findings):
            raise RecipeError(refusal.path, findings) from None
    lock_path(file).unlink()
    planned = plan_for_review(file, desk.open_hub, options)
    return replace(planned, plan=replace(planned.plan, findings=(*findings, *planned.plan.findings)))


def _refused(empty: Review, findings: Iterable[Finding], reason: str | None) -> Review:
    return replace(empty, findings=_sorted(findings), reason=reason)


def _sorted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda f: (LEVELS.index(f.level), f.line, f.column)))


def _reason(findings: Iterable[Finding]) -> str | None:
    wrong = [finding.id for finding in findings if finding.level == "error"]
    return first_reason("policy" if i.startswith("policy-") else _REASONS.get(i, "bad-recipe") for i in wrong)


def _lay_out(tree: Tree, path: str, work: Path) -> Path:
    """Write a recipe and its lock into a folder of their own, under their own names; nothing else of the repo."""
    for name, largest in ((path, LARGEST_RECIPE), (lock_file_of(path), LARGEST_LOCK)):
        entry = tree.entries.get(name)
        if entry is not None and not entry.is_plain:
            message = f"{name} is a symbolic link, which is not followed; expected the file itself"
            raise RecipeError(path, [error("not-a-file", message, "commit the file in its place", TOP)])
        if entry is not None and entry.size > largest:
            message = f"{name} is larger than {largest // 1024} KiB"
            raise RecipeError(path, [error("too-large", message, "shorten it", TOP)])
    folder = work / str(len(list(work.iterdir())))
    folder.mkdir()
    try:
        for name in (path, lock_file_of(path)):
            if name in tree.entries:
                (folder / PurePosixPath(name).name).write_bytes(tree.read(name))
    except (OSError, ValueError):
        message = "the file's name cannot be used on this machine"
        raise RecipeError(path, [error("unreadable", message, "give it a shorter or plainer name", TOP)]) from None
    return folder / PurePosixPath(path).name


def _named(findings: Iterable[Finding], file: Path, path: str) -> tuple[Finding, ...]:
    """Let findings speak of the repo's paths, not of the folder that the texts were laid out in."""
    parent = str(PurePosixPath(path).parent)
    place = "" if parent == "." else f"{parent}/"
    return tuple(replace(f, message=f.message.replace(f"{file.parent}/", place)) for f in findings)


def _with_target(text: bytes, path: str, desk: Desk) -> Options:
    """Add the target that the inputs make where the recipe names none."""
    recipe = parse(text.decode(errors="replace")).recipe
    if recipe is None or not desk.namespace or (recipe.publish and recipe.publish.repo):
        return desk.options
    name = recipe.name or PurePosixPath(path).stem
    if not _NAME.fullmatch(name) or len(name) > 96:
        message = f"the file's name makes {name[:100]!r} the model's, which cannot be a name on the Hub"
        raise RecipeError(path, [error("bad-name", message, "add `name:`, or `publish: {repo: …}`", TOP)])
    return replace(desk.options, repo=f"{desk.namespace}/{name}")


def _names(plan: Plan, desk: Desk) -> dict[str, str]:
    """Ask the Hub what it calls the repos whose owners the policy judges."""
    asked = [pin.repo for pin in plan.models if pin.repo] if desk.policy.allowed_owners else []
    asked += [plan.repo] if plan.repo and desk.policy.target_namespaces else []
    names = {}
    for repo in asked:
        with suppress(ModelMissing):  # a target that does not exist yet, or is private
            names[repo] = desk.open_hub().model(repo, None).repo
    return names


def _judged(
    plan: Plan, lock: LockState, findings: tuple[Finding, ...], desk: Desk, names: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Add what the engine does not judge: the lock that is asked for, the target, the machine, the policy."""
    # A run stops at such a lock, so for whoever is about to merge it this is no mere warning.
    judged = [replace(f, level="error") if f.id == "lock-stale" else f for f in findings]
    if desk.require_lock and lock == "missing":
        fix = f"commit {lock_file_of(plan.path)}"
        judged.append(error("lock-missing", "the recipe has no lock, and this repo asks for one", fix, TOP))
    if plan.repo is None:
        fix = "add `publish: {repo: namespace/name}`, or set the Action's `namespace`"
        judged.append(warning("target-missing", "the recipe names no target, so nothing will be published", fix, TOP))
    room = fit(plan.cost, desk.machine)
    if room.verdict != "yes":
        judged.append(warning("machine", f"the merge {room.text}", "use a larger runner to publish it", TOP))
    breaches = policies.breaches(desk.policy, plan, locked=lock == "fits", names=names)
    return (*judged, *desk.set_aside(plan, breaches))
