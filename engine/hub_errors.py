"""What the Hub's answers mean in our own words: pure functions of plain values, without the client."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import HubError, ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHOWN = 3
"""Files that an error names, of those that are missing."""


class ModelMissing(ModelError):  # noqa: N818  read as a sentence: except ModelMissing
    """No such repo, or a private one that this token may not see."""


class RevisionMissing(ModelError):  # noqa: N818
    """The repo has no such branch, tag or commit."""


class FileMissing(ModelError):  # noqa: N818
    """The commit has no such file."""


class ModelGated(ModelError):  # noqa: N818
    """The repo's files are given out on request only, and this token has no access."""


class NotCached(ModelError):  # noqa: N818
    """Asking is forbidden, and this machine's cache does not hold the model, or not the whole of it."""


class Moved(HubError):  # noqa: N818
    """The branch is no longer at the parent commit that was expected (412)."""


class BranchMissing(HubError):  # noqa: N818
    """The repo has no such branch, where something was to be written to it."""


@dataclass(frozen=True)
class Task:
    """What was being done to ``repo`` at ``revision``; ``what`` continues "while …".

    ``reading`` says that a missing or gated model is the recipe's fault, not the Hub's.
    """

    what: str
    endpoint: str
    repo: str
    revision: str | None = None
    reading: bool = False


def at(repo: str, revision: str | None) -> str:
    """Write ``repo@revision``, a commit by its first 12 digits; ``repo`` alone for None."""
    if revision is None:
        return repo
    is_hash = len(revision) == 40 and all(digit in "0123456789abcdef" for digit in revision)
    return f"{repo}@{revision[:12] if is_hash else revision}"


def missing(task: Task) -> ModelMissing:
    """Explain a repo that is not there; the Hub answers the same for a private one."""
    return ModelMissing(
        f"{task.repo}: no such model at {task.endpoint}, or it is private and this token may not read it;"
        " check the name, or set HF_TOKEN to a token that may read it"
    )


def misnamed(task: Task) -> ModelMissing:
    """Explain a name that no repo can have."""
    return ModelMissing(f"{task.repo!r} is not the name of a model on a Hub; expected NAMESPACE/NAME")


def gated(task: Task) -> ModelGated:
    """Explain files that are given out on request only."""
    return ModelGated(
        f"{task.repo}: gated at {task.endpoint}, and this token has no access;"
        f" ask for access at {task.endpoint}/{task.repo}, and set HF_TOKEN to a token of that account"
    )


def revision_missing(task: Task) -> RevisionMissing:
    """Explain a revision that the repo does not have."""
    return RevisionMissing(
        f"{task.repo}: no branch, tag or commit {task.revision} at {task.endpoint};"
        f" choose one that is listed at {task.endpoint}/{task.repo}"
    )


def file_missing(task: Task) -> FileMissing:
    """Explain a file that the commit does not have."""
    return FileMissing(
        f"not found while {task.what} at {task.endpoint};"
        f" the files are listed at {task.endpoint}/{task.repo}/tree/{task.revision}"
    )


def branch_missing(task: Task) -> BranchMissing:
    """Explain a branch that is not there to be written to."""
    return BranchMissing(
        f"no branch {task.revision} in {task.repo} (404) {_while(task)};"
        f" its branches are listed at {task.endpoint}/{task.repo}"
    )


def unreachable(task: Task, reason: str) -> HubError:
    """Explain that no whole answer came."""
    return HubError(f"no answer {_while(task)}: {reason}; check the network and HF_ENDPOINT")


def offline(task: Task) -> HubError:
    """Explain that the user forbade asking."""
    return HubError(f"HF_HUB_OFFLINE is set, so nothing was asked {_while(task)}; unset it to go online")


def not_cached(repo: str, revision: str | None, absent: Sequence[str] = ()) -> NotCached:
    """Explain that the cache lacks some files of a model, or has no list of what there is."""
    fetch = f"hf download {repo}" if revision is None else f"hf download {repo} --revision {shlex.quote(revision)}"
    listed = ", ".join(absent[:SHOWN]) + (f" and {len(absent) - SHOWN} more" if len(absent) > SHOWN else "")
    lacks = f"lacks {listed}" if absent else "has no list of its files"
    return NotCached(
        f"{at(repo, revision)}: HF_HUB_OFFLINE is set, and the Hub's cache on this machine {lacks};"
        f" run `HF_HUB_OFFLINE=0 {fetch}`, or unset HF_HUB_OFFLINE"
    )


def no_token(task: Task, advice: str = "") -> HubError:
    """Explain that there is no token where one is needed; the client's ``advice``, where it has some, says why."""
    return HubError(f"no token {_while(task)}{_said(advice) or '; set HF_TOKEN'}")


def unsigned(task: Task, reason: str) -> HubError:
    """Explain that trusted publishing, which HF_OIDC_RESOURCE asks for, gave no token."""
    return HubError(
        f"no token {_while(task)}: trusted publishing failed{_said(reason)}; see that the target's settings name this"
        " workflow as a trusted publisher, and that its job has `permissions: id-token: write`; or unset"
        " HF_OIDC_RESOURCE, and set HF_TOKEN"
    )


def refused(task: Task, reason: str) -> HubError:
    """Explain what the client itself found wrong: a card's front matter, a malformed answer."""
    return HubError(f"refused {_while(task)}{_said(reason)}")


_ANSWERS: Mapping[int, tuple[str, str]] = {
    401: ("the token was not accepted", "set HF_TOKEN to a valid token"),
    403: ("not allowed", "use a token that may do this"),
    404: ("not found", "check the name, and that the token may see it"),
    409: ("in conflict with what is there", "look at it, then run again"),
    429: ("too many requests", "wait five minutes and run again"),
}


def answered(task: Task, status: int, said: str) -> HubError:
    """Explain an answer of ``status`` in which the Hub said ``said`` (or nothing)."""
    if status == 412:
        return Moved(
            f"{at(task.repo, task.revision)} moved (412) {_while(task)}{_said(said)}; look at its head, then run again"
        )
    failed = ("the Hub failed", "run again later") if status >= 500 else ("refused", "see what the Hub says")
    what, then = _ANSWERS.get(status, failed)
    return HubError(f"{what} ({status}) {_while(task)}{_said(said)}; {then}")


def unlike_range(task: Task, expected: str, status: int, content_range: str | None) -> HubError:
    """Explain an answer to a ranged request that does not hold that range."""
    return HubError(
        f"{task.what}: answered {status} with Content-Range {content_range}; expected 206 and {expected};"
        " either the file is shorter than its header says, or something in between drops ranges"
    )


def unlike_file(task: Task, problem: str) -> HubError:
    """Explain an answer that is not the plain file that was asked for."""
    return HubError(f"{task.what}: {problem}; something between here and {task.endpoint} changes what it passes on")


def _while(task: Task) -> str:
    return f"while {task.what} at {task.endpoint}"


def _said(reason: str) -> str:
    text = " ".join(reason.split()).rstrip(".")
    return f": {text}" if text else ""
