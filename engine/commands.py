"""The commands as functions: what the command line, the bot and the Space call. Clients are passed in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.canonical import digest
from engine.errors import HubError, LockError, MergeError, RecipeError
from engine.events import Published, Said
from engine.findings import Place, error, warning
from engine.interrupts import deferred
from engine.plan.build import build
from engine.plan.drift import drift_of
from engine.plan.lock import Lock, check_after, check_before, lock_of, lock_path, lock_text, parse_lock
from engine.publish.lineage import LOCK, RECIPE
from engine.publish.record import RECORD, read_record
from engine.recipe import is_repo, meaning, parse
from engine.run.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.checkpoints.checkpoint import Pin
    from engine.events import Report
    from engine.hub_client import Hub
    from engine.plan.drift import Drift
    from engine.plan.models import Models
    from engine.plan.plan import Options, Plan
    from engine.publish.subject import Subject

TOP = Place(1, 1)


@dataclass(frozen=True)
class Planned:
    """A plan, the models that it reads from, and the lock that it follows (None: it was locked in memory)."""

    plan: Plan
    models: Models
    lock: Lock | None


def read_recipe(path: Path) -> str:
    """Read a recipe, line ends as they are; ``RecipeError`` where there is none that can be read."""
    try:
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise _unreadable(path, "no such file") from None
    except IsADirectoryError:
        raise _unreadable(path, "this is a folder, not a recipe") from None
    except UnicodeDecodeError as refusal:
        raise _unreadable(path, f"not UTF-8 text (byte {refusal.start})") from None


def _unreadable(path: Path, why: str) -> RecipeError:
    return RecipeError(str(path), [error("unreadable", f"{why}; expected a recipe in YAML", "check the path", TOP)])


def read_lock(recipe: Path) -> Lock | None:
    """Read the lock beside a recipe, if there is one; ``LockError`` where it cannot be read."""
    path = lock_beside(recipe)
    return parse_lock(path.read_bytes(), str(path)) if path is not None else None


def lock_beside(recipe: Path) -> Path | None:
    """Find a recipe's lock: ``NAME.lock.json``, or for the recipe of a finished model the lock that came with it.

    ``LockError`` where another recipe would have the same.
    """
    finished = recipe.with_name(LOCK) if recipe.name == RECIPE else recipe
    found = next((path for path in (lock_path(recipe), finished) if path != recipe and path.is_file()), None)
    if found == lock_path(recipe):
        _refuse_twins(recipe)
    return found


def _refuse_twins(recipe: Path) -> None:
    """Stop where ``NAME.yaml`` and ``NAME.yml`` lie side by side: their one lock could be either's."""
    twins = sorted(
        path.name for path in {recipe, recipe.with_suffix(".yaml"), recipe.with_suffix(".yml")} if path.is_file()
    )
    if len(twins) > 1:
        raise LockError(f"{lock_path(recipe)}: {' and '.join(twins)} would share this lock; rename one of them")


def plan_locked(path: Path, open_hub: Callable[[], Hub], options: Options) -> Planned:
    """Plan a recipe as a run needs it: with the lock beside it where there is one, or not at all.

    ``LockError`` where the lock disagrees with the recipe, the numerics, or what its models hold now.
    """
    text, lock = read_recipe(path), read_lock(path)
    if lock is None:
        return Planned(*build(str(path), text, open_hub, options), None)
    where = str(lock_beside(path))
    sound = parse(text).sound
    if sound is not None:
        check_before(lock, digest(meaning(sound)), where)
    plan, models = build(str(path), text, open_hub, options, lock.commits)
    if any(pin.kind == "hub" for pin in plan.models) and open_hub().offline:
        plan = replace(plan, models=_seen_as_locked(plan.models, lock))
    if Path(where).name == LOCK:  # who makes a finished model again need not publish it to the same place
        lock = lock.model_copy(update={"plan_digest": plan.digest})
    check_after(lock, plan, where)
    return Planned(plan, models, lock)


def _seen_as_locked(pins: Sequence[Pin], lock: Lock) -> tuple[Pin, ...]:
    """Take from the lock who may see the models, which a cache does not tell."""
    locked = {pin.ref: pin for pin in lock.models}
    known = (locked.get(pin.ref, pin) for pin in pins)
    return tuple(replace(pin, gated=old.gated, private=old.private) for pin, old in zip(pins, known, strict=True))


def plan_for_review(path: Path, open_hub: Callable[[], Hub], options: Options) -> Planned:
    """Plan a recipe to look at it: as a run would, but a lock that no longer fits is a finding, not a stop."""
    try:
        return plan_locked(path, open_hub, options)
    except LockError as stale:
        plan, models = build(str(path), read_recipe(path), open_hub, options)
        message, _, fix = str(stale).rpartition("; ")
        finding = warning("lock-stale", message, fix, TOP)
        return Planned(replace(plan, findings=(finding, *plan.findings)), models, None)


def write_lock(path: Path, open_hub: Callable[[], Hub], options: Options) -> tuple[Path, Plan]:
    """Plan at the models' present commits, and write the lock beside the recipe."""
    text = read_recipe(path)
    _refuse_twins(path)
    plan, _ = build(str(path), text, open_hub, options)
    target = lock_path(path)
    write_atomically(target, lock_text(lock_of(plan)).encode())
    return target, plan


def check_lock(path: Path, open_hub: Callable[[], Hub], options: Options) -> Planned:
    """Check that a recipe has a lock and that it fits; ``LockError`` where not."""
    if read_lock(path) is None:
        read_recipe(path)
        raise LockError(f"{lock_path(path)}: no such file; write it with `mergesmith lock {path}`")
    return plan_locked(path, open_hub, options)


def drifts(lock: Lock, open_hub: Callable[[], Hub]) -> list[Drift]:
    """Compare every locked model on the Hub with what it is now; what changed, in the lock's order."""
    pins = [pin for pin in lock.models if pin.kind == "hub"]
    if not pins:
        return []
    hub = open_hub()
    if hub.offline:
        raise HubError("HF_HUB_OFFLINE is set, so nobody was asked what became of the models; unset it to go online")
    return [drift for pin in pins if (drift := drift_of(hub, pin)) is not None]


def merge(
    path: Path, out: Path, open_hub: Callable[[], Hub], options: Options, report: Report, *, force: bool = False
) -> Plan:
    """Build a recipe's model into the folder ``out``; goes on where an earlier run of the same plan stopped."""
    planned = plan_locked(path, open_hub, options)
    _say_findings(planned.plan, report)
    with deferred():  # a recipe that is refused needs none of these
        from engine.publish.assemble import assemble  # noqa: PLC0415
        from engine.publish.folder import FolderSink  # noqa: PLC0415
        from engine.run.device import chosen  # noqa: PLC0415
        from engine.run.merge import run  # noqa: PLC0415

    device = chosen(options.device)
    sink = FolderSink(out, planned.plan, force=force)
    if sink.complete:
        report(Said(f"{out} holds this very model already: nothing to do"))
        return planned.plan
    shards = run(
        planned.plan,
        planned.models,
        sink,
        report,
        threads=options.threads,
        memory=options.memory,
        device=device,
    )
    files = assemble(planned.plan, planned.models, shards)
    sink.finish(files)
    nbytes = planned.plan.bytes + sum(len(data) for data in files.values())
    report(Published(str(out), len(files) + len(shards), nbytes))
    return planned.plan


def publish(
    path: Path,
    open_hub: Callable[[], Hub],
    options: Options,
    report: Report,
    *,
    open_target: Callable[[], Hub] | None = None,
    force: bool = False,
    require_lock: bool = False,
    create_pr: bool = False,
    clean_staging: bool = False,
) -> str:
    """Make a recipe's model and publish it to its repo; returns the address. A published plan is left alone.

    ``open_target`` is who looks at the target and writes it, where that is not who reads the models. Goes on where an
    earlier run stopped, on this machine or another; without a lock, from the commits that it used. With ``create_pr``
    the model comes as a pull request. ``clean_staging`` removes what unfinished publishes of other plans left at the
    target, and without a lock begins anew.
    """
    if open_hub().offline:
        raise HubError(
            "HF_HUB_OFFLINE is set, and to publish is to write to the Hub; unset it, or make the model in a folder "
            "with `mergesmith merge`"
        )
    open_target = open_target or open_hub
    planned = _plan_to_publish(path, open_hub, open_target, options, report, require_lock, create_pr, clean_staging)
    plan = planned.plan
    _refuse_unpublishable(plan)
    _say_findings(plan, report)
    with deferred():
        from engine.publish.publishing import publish_plan  # noqa: PLC0415 - as in `merge`

    return publish_plan(
        plan,
        planned.models,
        open_target(),
        options,
        report,
        force=force,
        create_pr=create_pr,
        clean_staging=clean_staging,
    )


def _plan_to_publish(
    path: Path,
    open_hub: Callable[[], Hub],
    open_target: Callable[[], Hub],
    options: Options,
    report: Report,
    require_lock: bool,
    create_pr: bool,
    clean_staging: bool,
) -> Planned:
    """Plan with the lock beside the recipe, or else with what an unfinished publish of it left at the target."""
    locked = read_lock(path) is not None
    if require_lock and not locked:
        read_recipe(path)
        raise LockError(
            f"{lock_path(path)}: no such file, and a lock is required; write it with `mergesmith lock {path}`"
        )
    if not (locked or clean_staging):
        with deferred():
            from engine.publish.resume import plan_staged  # noqa: PLC0415 - jinja and the Hub are not needed elsewhere

        staged = plan_staged(str(path), read_recipe(path), open_hub, open_target, options, proposed=create_pr)
        if staged is not None:
            report(Said(staged.told))
            return Planned(staged.plan, staged.models, staged.lock)
    return plan_locked(path, open_hub, options)


def _refuse_unpublishable(plan: Plan) -> None:
    places, findings = parse(plan.text).places, []
    if plan.repo is None:
        message = "the recipe names no target; expected `publish: {repo: namespace/name}`"
        fix = "add it, or pass --repo namespace/name"
        findings.append(error("target-missing", message, fix, places.key(("merge_method",))))
    mentions = {ref.text: at for ref, at in plan.recipe.mentions()}
    for pin in plan.models:
        if pin.kind == "local":
            message = f"{pin.ref} is a local folder, which nobody else could check; expected models on the Hub"
            fix = "publish that model first, and name its repo"
            findings.append(error("local-model", message, fix, places.value(mentions[pin.ref])))
    if findings:
        raise RecipeError(plan.path, findings)


def _say_findings(plan: Plan, report: Report) -> None:
    for finding in plan.findings:
        if finding.level == "warning" or finding.id == "pinned-by-header":
            report(Said(f"{finding.level}: {finding.line_for(plan.path)}"))


def card(out: Path) -> Path:
    """Render the card of a finished folder again from its record, and return its path."""
    from engine.publish.card import render  # noqa: PLC0415 - jinja is not needed elsewhere in the command line
    from engine.publish.record import facts_from  # noqa: PLC0415

    path = out / RECORD
    if not path.is_file():
        raise MergeError(f"{out} has no {RECORD}; name a folder that `mergesmith merge` made")
    readme = out / "README.md"
    readme.write_text(render(facts_from(read_record(path.read_bytes(), str(path)))), encoding="utf-8")
    return readme


def verify(
    target: str,
    open_hub: Callable[[], Hub],
    options: Options,
    report: Report,
    *,
    sample: int = 0,
    seed: int = 0,
    rebuild: bool = False,
) -> str:
    """Check a finished model, a folder or ``namespace/name[@revision]``, against its record; returns what was found.

    ``sample`` tensors, drawn by ``seed``, are computed again from the locked parents and compared byte by byte; with
    ``rebuild`` the whole model is. ``VerifyError`` with every difference.
    """
    from engine.publish import verify as room  # noqa: PLC0415 - the other commands need none of it

    subject = _subject(target, open_hub)
    verified = room.check_files(subject)
    answer = f"{subject.where}: all {len(verified.record['files'])} files are what its record says"
    if not (sample or rebuild):
        return f"{answer}; to compute weights again, pass --sample N or --rebuild"
    options = replace(options, local=options.local and subject.local, allow_crimes=True)
    plan, models = room.plan_again(subject, verified, open_hub, options)
    if rebuild:
        differences = room.compare_all(subject, plan, models, report, options)
        what = f"all {len(plan.tensors)} tensors"
    else:
        tensors = room.chosen(plan, sample, seed)
        differences = room.compare_sample(subject, models, tensors, options.threads)
        what = f"{len(tensors)} of {len(plan.tensors)} tensors"
    if differences:
        raise room.VerifyError(subject.where, differences)
    return f"{answer}, and {what}, made again from the locked parents, have the same bytes"


def _subject(target: str, open_hub: Callable[[], Hub]) -> Subject:
    from engine.publish.subject import FolderSubject, HubSubject  # noqa: PLC0415 - as above

    folder = Path(target)
    if folder.is_dir():
        return FolderSubject(folder)
    repo, at, revision = target.partition("@")
    if not is_repo(repo) or (at and not revision):
        raise MergeError(f"{target}: no such folder, and no name on the Hub; expected a folder or namespace/name")
    return HubSubject(open_hub(), repo, revision or None)
