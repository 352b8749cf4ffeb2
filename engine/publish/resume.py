"""Going on with an unfinished publish on a machine that knows nothing of it but the recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.canonical import digest
from engine.errors import RecipeError
from engine.plan.build import build
from engine.publish.stage import staged_locks
from engine.publish.staging import staging_name
from engine.recipe import meaning, parse
from engine.version import NUMERICS

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.hub_client import Hub
    from engine.plan.lock import Lock
    from engine.plan.models import Models
    from engine.plan.plan import Options, Plan


@dataclass(frozen=True)
class Staged:
    """The plan of an unfinished publish, planned again with its lock; ``told`` says so to whoever runs it."""

    plan: Plan
    models: Models
    lock: Lock
    told: str


def plan_staged(
    path: str,
    text: str,
    open_hub: Callable[[], Hub],
    open_target: Callable[[], Hub],
    options: Options,
    *,
    proposed: bool,
) -> Staged | None:
    """Plan a recipe with the commits that an unfinished publish of it began with; None where there is none.

    ``open_target`` is who looks at the target, ``open_hub`` who reads the models. It has to be the same recipe,
    numerics, weights and layout. With ``proposed``, draft pull requests count too.
    """
    recipe = parse(text).sound
    repo = None if recipe is None else options.repo or (recipe.publish.repo if recipe.publish else None)
    if recipe is None or repo is None:
        return None
    hub, wanted = open_target(), (digest(meaning(recipe)), NUMERICS)
    for name, lock in staged_locks(hub, repo, proposed=proposed):
        if (lock.recipe, lock.numerics) != wanted:
            continue
        try:
            plan, models = build(path, text, open_hub, options, lock.commits)
        except RecipeError:  # a commit that is gone: begun anew, it may do without; whatever else is wrong shows there
            continue
        if staging_name(plan) == name:
            told = (
                f"going on with the unfinished publish of this recipe at {hub.endpoint}/{repo} ({name}), from the "
                "commits that it began with; --clean-staging begins anew"
            )
            return Staged(plan, models, lock, told)
    return None
