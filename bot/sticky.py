"""One comment on a pull request, or one issue, found again by a hidden marker and edited in place."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from bot.github import GitHubError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.github import GitHub

ACTIONS_BOT = "github-actions[bot]"
"""Whom a workflow's own token writes as."""


def marker(kind: str, *scope: str) -> str:
    """Make an invisible line. Workflows of different ``scope`` (folder, patterns) have texts of their own."""
    return f"<!-- mergesmith {kind} {hashlib.sha256(repr(scope).encode()).hexdigest()[:12]} -->"


def own_login(github: GitHub) -> str:
    """Tell whom the token writes as: only our own texts are edited, whatever marker others put into theirs."""
    try:
        return str(github.graphql("query { viewer { login } }")["viewer"]["login"])
    except (GitHubError, KeyError, TypeError):
        return ACTIONS_BOT


def find_own(items: Iterable[Any], login: str, mark: str) -> Any | None:  # noqa: ANN401 - JSON
    """Find the first comment or issue of ours that begins with the marker."""
    return next(
        (
            item
            for item in items
            if str(item.get("body") or "").startswith(mark) and (item.get("user") or {}).get("login") == login
        ),
        None,
    )


def stick(github: GitHub, number: int, mark: str, text: str, *, create: bool = True) -> str | None:
    """Put the text on a pull request, in place of an earlier one; it begins with the marker.

    Returns why that could not be done, None if it was. With ``create`` False only an earlier one is edited.
    """
    try:
        found = find_own(github.pages(f"issues/{number}/comments"), own_login(github), mark)
        body = {"body": text}
        if found is not None:
            github.patch(f"issues/comments/{found['id']}", body)
        elif create:
            github.post(f"issues/{number}/comments", body)
    except GitHubError as refusal:
        return no_write(refusal, "pull-requests")
    return None


def no_write(refusal: GitHubError, permission: str) -> str:
    """Say why nothing could be written."""
    if refusal.reason == "permission":
        return (
            "this run's token may not write it, as is usual for a pull request from a fork; elsewhere give the job "
            f"`permissions: {permission}: write`"
        )
    return f"GitHub did not take it: {refusal}"
