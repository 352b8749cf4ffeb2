"""One tree of errors: each says what happened and what to do next.

Only ``engine.cli`` turns them into exit codes: 2 where the recipe or a model that it names is at fault,
1 for anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.findings import Finding


class MergesmithError(Exception):
    """Anything that we can explain. ``exit_status`` is what the command ends with."""

    exit_status = 1


class RecipeError(MergesmithError):
    """The recipe, or a model that it names, is at fault: every finding at once, each with its place."""

    exit_status = 2

    def __init__(self, path: str, findings: Sequence[Finding]) -> None:
        self.path = path
        self.findings = tuple(findings)
        super().__init__("\n".join(finding.line_for(path) for finding in self.findings))


class ModelError(MergesmithError):
    """A model that cannot be used: missing, gated, damaged or of a kind that does not merge."""

    exit_status = 2


class LockError(MergesmithError):
    """The lock does not agree with the recipe, with the numerics or with what the Hub serves."""

    exit_status = 2


class MergeError(MergesmithError):
    """A merge that cannot go on: a value that is not finite, a full disk, a file in the way."""


class HubError(MergesmithError):
    """The Hub refused, or did not answer."""


class TensorError(MergesmithError):
    """A tensor whose merged values do not exist or cannot be stored: NaN, or too large for the output dtype."""

    exit_status = 2
