"""Who set the policy aside for a plan: ``/mergesmith override DIGEST`` on the pull request, by whom the policy names.

The digest ties it to what its author saw. A comment that was edited does not count: others may edit it too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bot import policy as policies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.findings import Finding
    from engine.plan.plan import Plan

_ASKED = re.compile(r"\s*/mergesmith[ \t]+override[ \t]+([0-9a-f]{12,64})[ \t]*(?:\r?\n|$)")


def overrides(comments: Iterable[Any]) -> tuple[tuple[str, str], ...]:
    """Login and digest (or its beginning) of each override among a pull request's comments."""
    found = []
    for comment in comments:
        asked = _ASKED.match(str(comment.get("body") or ""))
        user = comment.get("user") or {}
        if asked and user.get("type") == "User" and comment.get("created_at") == comment.get("updated_at"):
            found.append((str(user["login"]), asked[1]))
    return tuple(found)


def set_aside(
    policy: policies.Policy, given: Iterable[tuple[str, str]]
) -> Callable[[Plan, tuple[Finding, ...]], tuple[Finding, ...]]:
    """Make what turns breaches into warnings for the plans that were overridden."""
    known = tuple(given)

    def judge(plan: Plan, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        for login, digest in known:
            if plan.digest.startswith(digest):
                findings = policies.overridden(policy, findings, login)
        return findings

    return judge
