"""A comment that asks for a plan, a publish or a verification: whose, and of what.

Such a run has the repo's secrets, and anybody may comment. So the author's permission is asked for, a plan is of a
head that is pinned now, and what is published or verified is the default branch's alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.github import GitHubError
from bot.jobs import PlanPull, PublishAll, VerifyAll
from bot.markdown import prose
from bot.planning import plan_pull
from bot.pushing import publish_all
from bot.run import Result
from bot.verifying import verify_all

if TYPE_CHECKING:
    from bot.jobs import Asked
    from bot.run import Run

MAY = frozenset({"admin", "write"})
"""What GitHub answers for people who may push; ``maintain`` is told as ``write``."""


def asked(run: Run, job: Asked) -> Result:
    """Do what a comment asks for, if its author may write to this repo."""
    if not may_write(run, job.author):
        run.log.say(f"{job.author} may not write to {run.github.repo}: nothing is done")
        return Result(f"Nothing to do: {prose(job.author)} may not write to this repo.")
    pull = run.github.get(f"pulls/{job.number}")
    if job.wish == "publish":
        if not pull["merged"]:
            return Result("Nothing to do: the pull request is not merged, and nothing else is ever published.")
        return publish_all(run, PublishAll(job.sha), job.number)
    if job.wish == "verify":
        return verify_all(run, VerifyAll(job.sha), job.number)
    head = pull["head"]
    repo = str(head["repo"]["full_name"]) if head["repo"] else ""
    return plan_pull(run, PlanPull(job.number, str(head["sha"]), str(head["ref"]), repo, str(pull["base"]["sha"])))


def may_write(run: Run, login: str) -> bool:
    """Ask GitHub, not the payload, whether somebody may push."""
    try:
        answer = run.github.get(f"collaborators/{login}/permission")
    except GitHubError as refusal:
        if refusal.status == 404:
            return False
        raise
    return answer.get("permission") in MAY
