"""Which event means which job: one pure function.

Nothing of a head that is not merged is ever published, whoever asks and however the Action is configured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.event import Comment, Manual, MergeGroup, PullRequest, Push, Schedule, on_branch

if TYPE_CHECKING:
    from bot.event import Event
    from bot.inputs import Command

UPDATES = frozenset({"opened", "synchronize", "reopened", "ready_for_review", "edited"})
"""What may change a pull request's recipes or what it would be merged into."""
ASK = "/mergesmith"


@dataclass(frozen=True)
class PlanPull:
    """Plan what a pull request changes; its head is pinned."""

    number: int
    head_sha: str
    head_ref: str
    head_repo: str
    base_sha: str


@dataclass(frozen=True)
class PlanRange:
    """Plan what differs between two commits, with nowhere to comment; ``number`` is the pull request's, if known."""

    base_sha: str
    head_sha: str
    number: int | None


@dataclass(frozen=True)
class PlanAll:
    """Plan every recipe of a commit."""

    sha: str


@dataclass(frozen=True)
class PublishAll:
    """Publish every recipe of a commit of the default branch whose target does not carry its plan yet."""

    sha: str


@dataclass(frozen=True)
class VerifyAll:
    """Check the published model of every recipe of a commit of the default branch."""

    sha: str


@dataclass(frozen=True)
class ReportDrift:
    """Look for parents that moved since their recipes were locked."""

    sha: str


@dataclass(frozen=True)
class Asked:
    """Somebody asks on a pull request: if they may write to the repo, plan it, or publish or verify what is merged."""

    number: int
    author: str
    wish: str
    sha: str


@dataclass(frozen=True)
class Nothing:
    """Nothing to do, and why."""

    why: str


@dataclass(frozen=True)
class Refused:
    """What the workflow asks for is never done."""

    why: str


Job = PlanPull | PlanRange | PlanAll | PublishAll | VerifyAll | ReportDrift | Asked | Nothing | Refused


def job_for(event: Event, command: Command) -> Job:  # noqa: PLR0911 - one for each kind of event
    """Decide; ``command`` is the Action's input."""
    match event:
        case PullRequest():
            return _for_pull(event, command)
        case Push() | Manual():
            return _for_branch(event, command)
        case Schedule():
            return _for_timer(event, command)
        case Comment():
            return _for_comment(event, command)
        case MergeGroup():
            if event.action != "checks_requested":
                return Nothing(f"the merge group was {event.action}")
            return _unmerged(command) or PlanRange(event.base_sha, event.head_sha, event.number)
    return Nothing(f"the event {event.name} means nothing here")


def _unmerged(command: Command) -> Refused | None:
    if command in {"auto", "plan"}:
        return None
    return Refused(
        f"`command: {command}` never runs on what is not merged; run it on a push to the default branch, or leave it "
        "at `auto`"
    )


def _for_timer(event: Schedule, command: Command) -> Job:
    match command:
        case "plan":
            return PlanAll(event.sha)
        case "publish":
            return PublishAll(event.sha)
        case "verify":
            return VerifyAll(event.sha)
    return ReportDrift(event.sha)


def _for_pull(event: PullRequest, command: Command) -> Job:
    if event.action == "closed":
        return Nothing("it is merged: the push publishes" if event.merged else "it was closed without being merged")
    if event.action not in UPDATES:
        return Nothing(f"a pull request that was {event.action} holds the same recipes")
    plan = PlanPull(event.number, event.head_sha, event.head_ref, event.head_repo, event.base_sha)
    return _unmerged(command) or plan


def _for_branch(event: Push | Manual, command: Command) -> Job:
    if isinstance(event, Push) and event.deleted:
        return Nothing(f"{event.ref} was deleted")
    if command == "plan":
        return PlanAll(event.sha)
    if on_branch(event.ref, event.default_branch):
        return VerifyAll(event.sha) if command == "verify" else PublishAll(event.sha)
    why = (
        f"only {event.default_branch} is {'verified' if command == 'verify' else 'published'}, and this is {event.ref}"
    )
    if command != "auto":
        return Refused(f"{why}; merge it first")
    return PlanAll(event.sha) if isinstance(event, Manual) else Nothing(why)


def _for_comment(event: Comment, command: Command) -> Job:
    words = (event.body.strip().splitlines() or [""])[0].split()
    if not words or words[0] != ASK or event.by_bot:
        return Nothing(f"the comment does not begin with {ASK}")
    if event.action != "created":
        return Nothing("only a new comment asks for something")
    if not event.on_pull:
        return Nothing(f"{ASK} is for pull requests")
    wish = words[1] if len(words) > 1 else ""
    if wish not in {"plan", "publish", "verify", "override"}:
        return Nothing(f"{ASK} knows plan, publish, verify and override")
    if command not in {"auto", "plan" if wish == "override" else wish}:
        return Nothing(f"this workflow has `command: {command}`")
    return Asked(event.number, event.author, wish, event.sha)
