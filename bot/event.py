"""GitHub's event payloads → typed events: only what a decision needs, only from the documented places."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.failures import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHA = re.compile(r"[0-9a-f]{40}")
_BRANCH = "refs/heads/"
_QUEUED = re.compile(r"/pr-([0-9]{1,9})-[0-9a-f]{40}$")


@dataclass(frozen=True)
class PullRequest:
    """``pull_request`` and ``pull_request_target``. ``head_repo`` is "" where the fork is gone."""

    action: str
    number: int
    head_sha: str
    head_ref: str
    head_repo: str
    base_sha: str
    merged: bool


@dataclass(frozen=True)
class Push:
    """A push to ``ref``; ``sha`` is its new head."""

    ref: str
    sha: str
    deleted: bool
    default_branch: str


@dataclass(frozen=True)
class Manual:
    """``workflow_dispatch`` at ``ref``."""

    ref: str
    sha: str
    default_branch: str


@dataclass(frozen=True)
class Schedule:
    """A timer; ``sha`` is the default branch's head."""

    sha: str


@dataclass(frozen=True)
class Comment:
    """``issue_comment``; ``sha`` is the default branch's head, whatever the pull request holds."""

    action: str
    number: int
    on_pull: bool
    body: str
    author: str
    by_bot: bool
    sha: str


@dataclass(frozen=True)
class MergeGroup:
    """A merge queue asks for checks. ``number`` is its pull request's, None where its branch does not tell."""

    action: str
    head_sha: str
    base_sha: str
    number: int | None


@dataclass(frozen=True)
class Other:
    """An event that we know nothing of."""

    name: str


Event = PullRequest | Push | Manual | Schedule | Comment | MergeGroup | Other


def parse_event(name: str, payload: Mapping[str, Any], ref: str, sha: str) -> Event:
    """Read the event ``name`` from its payload, and ``GITHUB_REF`` and ``GITHUB_SHA``.

    ``SettingsError`` where the payload is not as GitHub documents it.
    """
    try:
        return _parse(name, payload, ref, sha)
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise SettingsError(
            f"the event {name} has not the payload that GitHub documents ({type(problem).__name__}: {problem}); "
            "expected a file that the runner wrote"
        ) from None


def _parse(name: str, payload: Mapping[str, Any], ref: str, sha: str) -> Event:  # noqa: PLR0911 - one for each kind of event
    match name:
        case "pull_request" | "pull_request_target":
            return _pull_request(payload)
        case "push":
            default = str(payload["repository"]["default_branch"])
            deleted = bool(payload["deleted"])
            return Push(str(payload["ref"]), "" if deleted else _sha(payload["after"]), deleted, default)
        case "workflow_dispatch":
            return Manual(ref, _sha(sha), str(payload["repository"]["default_branch"]))
        case "schedule":
            return Schedule(_sha(sha))
        case "issue_comment":
            return _comment(payload, _sha(sha))
        case "merge_group":
            group = payload["merge_group"]
            base, head = _sha(group["base_sha"]), _sha(group["head_sha"])
            queued = _QUEUED.search(str(group.get("head_ref")))
            return MergeGroup(str(payload["action"]), head, base, int(queued[1]) if queued else None)
    return Other(name)


def _pull_request(payload: Mapping[str, Any]) -> PullRequest:
    pull = payload["pull_request"]
    head, base = pull["head"], pull["base"]
    return PullRequest(
        action=str(payload["action"]),
        number=int(payload["number"]),
        head_sha=_sha(head["sha"]),
        head_ref=str(head["ref"]),
        head_repo=str(head["repo"]["full_name"]) if head["repo"] else "",
        base_sha=_sha(base["sha"]),
        merged=bool(pull.get("merged")),
    )


def _comment(payload: Mapping[str, Any], sha: str) -> Comment:
    comment = payload["comment"]
    return Comment(
        action=str(payload["action"]),
        number=int(payload["issue"]["number"]),
        on_pull="pull_request" in payload["issue"],
        body=str(comment["body"]),
        author=str(comment["user"]["login"]),
        by_bot=comment["user"]["type"] == "Bot",
        sha=sha,
    )


def _sha(value: object) -> str:
    if not isinstance(value, str) or not _SHA.fullmatch(value):
        raise ValueError(f"{str(value)[:50]!r} is no commit")
    return value


def on_branch(ref: str, branch: str) -> bool:
    """Whether a full ref is that branch."""
    return ref == _BRANCH + branch
