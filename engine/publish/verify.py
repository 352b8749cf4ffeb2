"""Is a finished model what its record says, and does its recipe make these very weights?"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.canonical import digest
from engine.errors import LockError, MergesmithError
from engine.plan.build import build
from engine.plan.lock import check_after, parse_lock
from engine.plan.shards import shards_by_file
from engine.publish.lineage import LOCK, RECIPE
from engine.publish.record import RECORD, read_record
from engine.publish.replacing import would_be_read
from engine.recipe import meaning, parse
from engine.version import ENGINE, NUMERICS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from engine.events import Report
    from engine.hub_client import Hub
    from engine.plan.lock import Lock
    from engine.plan.models import Models
    from engine.plan.plan import Options, OutputTensor, Plan
    from engine.publish.subject import Subject

MADE_AGAIN = frozenset({RECORD, LOCK, "README.md"})
"""Files that name the engine's version: another one of the same numerics writes them otherwise."""


class VerifyError(MergesmithError):
    """A model that is not what it is said to be: every difference, a line each."""

    exit_status = 2

    def __init__(self, where: str, differences: Sequence[str]) -> None:
        self.differences = tuple(differences)
        super().__init__("\n".join(f"{where}: {difference}" for difference in differences))


@dataclass(frozen=True)
class Verified:
    """A model whose files are what its record says; ``texts`` are its recipe and its lock."""

    record: Mapping[str, Any]
    recipe: str
    lock: Lock


def check_files(subject: Subject) -> Verified:
    """Compare every file with the record, and the record with the lock and the recipe beside it.

    ``VerifyError`` with all differences; ``MergeError`` where there is no record that can be read.
    """
    text = subject.read(RECORD)
    if text is None:
        raise VerifyError(subject.where, [f"it has no {RECORD}; only models that mergesmith made can be verified"])
    record = read_record(text, f"{subject.where}/{RECORD}")
    files: Mapping[str, str] = record["files"]
    differences = [f"{name} is missing" for name in files if name not in subject.names]
    differences += [
        f"{name} is not the file that was recorded"
        for name, sha256 in files.items()
        if name in subject.names and subject.sha256(name) != sha256
    ]
    foreign = sorted(name for name in subject.names - files.keys() - {RECORD} if would_be_read(name))
    differences += [f"{name} is not in the record, and a reader would take it for the model's" for name in foreign]
    if differences:
        raise VerifyError(subject.where, differences)
    return _joined(subject, record)


def _joined(subject: Subject, record: Mapping[str, Any]) -> Verified:
    """Hold recipe, lock and record against each other: they must tell of one merge."""
    recipe, lock_text = subject.read(RECIPE), subject.read(LOCK)
    if recipe is None or lock_text is None:
        missing = RECIPE if recipe is None else LOCK
        raise VerifyError(subject.where, [f"it has no {missing}, so nobody can tell what it was made from"])
    lock = parse_lock(lock_text, f"{subject.where}/{LOCK}")
    text = recipe.decode("utf-8", errors="replace")
    parsed = parse(text).recipe
    differences = []
    if parsed is None or lock.recipe != digest(meaning(parsed)):
        differences.append(f"{LOCK} was made for another recipe than {RECIPE}")
    if lock.weights_digest != record["weights_digest"]:
        differences.append(f"{RECORD} tells of another merge than {LOCK}")
    if differences:
        raise VerifyError(subject.where, differences)
    return Verified(record, text, lock)


def plan_again(
    subject: Subject, verified: Verified, open_hub: Callable[[], Hub], options: Options
) -> tuple[Plan, Models]:
    """Plan the model's recipe at its locked commits, for the very weights that were recorded.

    ``LockError`` where it was made with other numerics (it names the version to use), or where its parents do not
    hold what was locked.
    """
    lock, where = verified.lock, f"{subject.where}/{LOCK}"
    if lock.numerics != NUMERICS:
        raise LockError(
            f"{subject.where} was made by mergesmith {lock.engine} with numerics {lock.numerics}, and this is {ENGINE} "
            f"with {NUMERICS}, whose last bits may differ; verify it with mergesmith {lock.engine}"
        )
    label = f"{subject.where}/{RECIPE}"
    plans = (
        build(label, verified.recipe, open_hub, replace(options, copy_tokenizer=copied), lock.commits)
        for copied in (True, False)  # an option of whoever made it, which its lock does not tell
    )
    plan, models = first = next(plans)
    if plan.weights_digest != lock.weights_digest:
        plan, models = next((p for p in plans if p[0].weights_digest == lock.weights_digest), first)
    check_after(lock.model_copy(update={"plan_digest": plan.digest}), plan, where)
    return plan, models


def chosen(plan: Plan, number: int, seed: int) -> list[OutputTensor]:
    """Draw ``number`` tensors that have elements: those whose name, with the seed, has the lowest hash."""

    def lot(tensor: OutputTensor) -> str:
        return hashlib.sha256(f"{seed}\x00{tensor.name}".encode()).hexdigest()

    return sorted((tensor for tensor in plan.tensors if tensor.size), key=lot)[:number]


def compare_sample(subject: Subject, models: Models, tensors: Sequence[OutputTensor], threads: int) -> list[str]:
    """Compute some tensors again and compare their bytes; the differences."""
    from engine.run.compare import differences  # noqa: PLC0415 - torch is loaded only where something is computed

    with tempfile.TemporaryDirectory(prefix="mergesmith-") as scratch:
        return differences(tensors, models, subject.checkpoint(), Path(scratch), threads)


def compare_all(subject: Subject, plan: Plan, models: Models, report: Report, options: Options) -> list[str]:
    """Make the whole model again, file by file, none of them kept; the differences in hashes."""
    from engine.publish.assemble import assemble  # noqa: PLC0415 - as above
    from engine.run.compare import Discarding  # noqa: PLC0415
    from engine.run.merge import run  # noqa: PLC0415

    places = {name: info.file for name, info in subject.checkpoint().tensors.items()}
    lost = [f"it lacks the tensor {tensor.name!r}" for tensor in plan.tensors if tensor.name not in places]
    if lost:
        return lost
    again = replace(plan, shards=shards_by_file(plan.tensors, places))
    with tempfile.TemporaryDirectory(prefix="mergesmith-") as work:
        shards = run(again, models, Discarding(Path(work)), report, threads=options.threads, memory=options.memory)
    made = {name: hashlib.sha256(data).hexdigest() for name, data in assemble(again, models, shards).items()}
    made |= {shard.file: shard.sha256 for shard in shards}
    return [
        f"{name} comes out otherwise when it is made again"
        for name, sha256 in made.items()
        if name not in MADE_AGAIN and (name not in subject.names or subject.sha256(name) != sha256)
    ]
