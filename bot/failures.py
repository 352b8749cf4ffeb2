"""Why a run failed, as one word of a fixed list that a workflow can act upon."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.errors import HubError, LockError, MergesmithError, ModelError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REASONS: Mapping[str, str] = {
    "settings": "an input or the event does not make a run",
    "bad-recipe": "a recipe, or a model that it names, is at fault",
    "plan-changed": "a lock does not agree with its recipe, or with what the models hold now",
    "policy": "the policy forbids it, or cannot be read",
    "permission": "a token may not do what is needed, or there is none",
    "target-changed": "the target holds files that are not ours, or changed during the run",
    "verify-failed": "a model on the Hub is not the one that was published",
    "disk": "the disk is full",
    "network": "the Hub or GitHub did not answer, or failed",
    "internal": "anything else, a mistake of mergesmith's included",
}
"""Reasons with what each means; where a run has several, the first of them is told."""


class SettingsError(MergesmithError):
    """Inputs or an event that make no run."""


_TEXTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("disk", re.compile(r"No space left on device|disk is full|Errno 28|Errno 122")),
    ("target-changed", re.compile(r"\bmoved \(412\)|created by somebody else meanwhile|does not hold what was sent")),
    (
        "target-changed",
        re.compile(r"already holds files that no merge recorded|not a record of a merge|damaged record"),
    ),
    (
        "permission",
        re.compile(
            r"may not write to |, may make no repo in |\((401|402|403)\) while |^(?:mergesmith: )?no token while ",
            re.MULTILINE,
        ),
    ),
    ("permission", re.compile(r"is still private: ")),
    ("network", re.compile(r"no answer while |\((408|429|5\d\d)\) while |HF_HUB_OFFLINE is set")),
)


def reason_of(error: BaseException) -> str:  # noqa: PLR0911 - one for each kind of error
    """Tell why, from an error of the engine's or of ours."""
    match error:
        case SettingsError():
            return "settings"
        case LockError():
            return "plan-changed"
        case RecipeError() | ModelError():
            return "bad-recipe"
        case HubError():
            return reason_of_text(str(error), 1)
        case OSError():
            return reason_of_text(str(error), 1)
        case MergesmithError():
            named = getattr(error, "reason", None)
            return named if isinstance(named, str) else reason_of_text(str(error), error.exit_status)
    return "internal"


def reason_of_text(text: str, status: int) -> str:
    """Tell why, from what ``mergesmith`` wrote to standard error and its exit status.

    Status 2 is the recipe's fault or its lock's; for anything else the engine's own sentences decide.
    """
    if status == 2:
        return "plan-changed" if re.search(r"\.lock\.json: | is locked at commit ", text) else "bad-recipe"
    return next((reason for reason, pattern in _TEXTS if pattern.search(text)), "internal")


def first_reason(reasons: Iterable[str | None]) -> str | None:
    """Choose the one to tell, None where nothing failed."""
    given = set(reasons)
    return next((reason for reason in REASONS if reason in given), None)
