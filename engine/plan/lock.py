"""The lock: what the recipe's references meant when it was planned, in a file beside it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.canonical import digest, pretty
from engine.checkpoints.checkpoint import Pin
from engine.errors import LockError
from engine.recipe import meaning
from engine.version import ENGINE, NUMERICS

if TYPE_CHECKING:
    from pathlib import Path

    from engine.plan.plan import Plan


class Lock(BaseModel):
    """A lock file's content. ``recipe`` is the digest of the recipe's meaning, without spelling or comments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mergesmith_lock: Literal[1] = 1
    engine: str
    numerics: int
    recipe: str
    models: tuple[Pin, ...]
    weights_digest: str
    plan_digest: str

    @property
    def commits(self) -> dict[str, str]:
        """Pinned commit by reference, of the models on the Hub."""
        return {pin.ref: pin.commit for pin in self.models if pin.commit is not None}


def lock_path(recipe: Path) -> Path:
    """``NAME.lock.json`` beside ``NAME.yaml``."""
    return recipe.with_name(recipe.stem + ".lock.json")


def lock_of(plan: Plan) -> Lock:
    """Lock what was planned."""
    return Lock(
        engine=ENGINE,
        numerics=NUMERICS,
        recipe=digest(meaning(plan.recipe)),
        models=plan.models,
        weights_digest=plan.weights_digest,
        plan_digest=plan.digest,
    )


def lock_text(lock: Lock) -> str:
    """Write a lock as JSON for people and for diffs."""
    return pretty(lock.model_dump(mode="json"))


def parse_lock(text: bytes, where: str) -> Lock:
    """Read a lock; ``LockError`` where it is not one."""
    try:
        return Lock.model_validate_json(text)
    except ValidationError as refusal:
        first = refusal.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise LockError(
            f"{where}: not a lock that can be read ({place}: {first['msg']}); write it again with `mergesmith lock`"
        ) from None


def check_before(lock: Lock, recipe_digest: str, where: str) -> None:
    """Stop before anything is opened where the lock was made for another recipe or by other numerics."""
    if lock.numerics != NUMERICS:
        raise LockError(
            f"{where}: made with numerics {lock.numerics} (mergesmith {lock.engine}), and this is {NUMERICS}; "
            "use that version, or write the lock again with `mergesmith lock`"
        )
    if lock.recipe != recipe_digest:
        raise LockError(
            f"{where}: the recipe changed since it was locked; look at the new plan, then write the lock again with "
            "`mergesmith lock`"
        )


def check_after(lock: Lock, plan: Plan, where: str) -> None:
    """Stop where the models that were opened are not the ones that the lock pins, or the plan is another one."""
    locked = {pin.ref: pin for pin in lock.models}
    if len(locked) != len(lock.models) or locked.keys() != {pin.ref for pin in plan.models}:
        raise LockError(f"{where}: it does not list the recipe's models; write it again with `mergesmith lock`")
    for pin in plan.models:
        changed = _difference(locked[pin.ref], pin)
        if changed:
            raise LockError(
                f"{where}: {pin.ref} does not hold what was locked: {changed} differs; look at what changed, then "
                "write the lock again with `mergesmith lock`"
            )
    if lock.weights_digest != plan.weights_digest:
        raise _other_plan("the plan changed since it was locked", lock.weights_digest, plan.weights_digest, where)
    if lock.plan_digest != plan.digest:
        what = "its weights are those that were locked, but what is published with them is not"
        raise _other_plan(what, lock.plan_digest, plan.digest, where)


def _other_plan(what: str, locked: str, found: str, where: str) -> LockError:
    return LockError(
        f"{where}: {what} (digest {found[:12]}, locked was {locked[:12]}); pass the options that it was locked with, "
        "or look at the new plan and write the lock again with `mergesmith lock`"
    )


def _difference(old: Pin, new: Pin) -> str | None:
    """What of a model is not as it was locked. Who may see it may change without changing the model."""
    files = sorted(set(old.files) ^ set(new.files), key=lambda file: file.name)
    if files:
        return files[0].name
    fields = [field.name for field in dataclasses.fields(Pin) if field.name not in {"files", "gated", "private"}]
    changed = [name for name in fields if getattr(old, name) != getattr(new, name)]
    return f"its {changed[0].replace('_', ' ')}" if changed else None
