"""Publish what was merged: every recipe of the default branch whose target does not carry its plan yet.

So a publish that failed is made up for by whatever run comes next.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bot.before import look_at_target
from bot.comment import made
from bot.outcomes import Outcome, Report, told
from bot.overrides import overrides
from bot.publishing import Published, arguments, publish
from bot.recipes import recipes_among
from bot.review import TOP, review
from bot.run import desk_for, policy_at
from bot.tree import tree_at
from bot.workflow import Annotation
from engine.findings import error, note
from engine.plan.lock import lock_path
from engine.plan.show.words import plural
from engine.process import to_write
from engine.run.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.jobs import PublishAll
    from bot.review import Review
    from bot.run import Result, Run
    from engine.hub_client import Hub
    from engine.plan.plan import Plan

ALL_CARRY = "every target carries its plan already"
HIDDEN = "It was private before and stays so; if that is not meant, make it public in its settings on the Hub."


def publish_all(run: Run, job: PublishAll, pull: int | None = None) -> Result:
    """Publish a commit's recipes, one after the other, and tell it on the pull request that brought the commit."""
    tree = tree_at(run.github, job.sha, run.workspace)
    policy = policy_at(run.github, job.sha)
    pulls = [pull] if pull is not None else _pulls(run, job.sha)
    given = [each for number in pulls if policy.override for each in _overrides(run, number)]
    hub = run.open_hub(run.inputs.hf_token or None)
    desk = desk_for(run, hub, policy, given, strict=True)
    reviews = [review(tree, path, None, desk) for path in recipes_among(tree, run.recipes)]
    targets = Counter(r.plan.repo.lower() for r in reviews if r.plan and r.plan.repo)
    published = [(r, _publish(run, hub, r, targets)) for r in reviews]
    icon, says = _verdict([each for _, each in published])
    touched = any(each.status in {"made", "failed"} for _, each in published)
    report = Report("publish", job.sha, icon, says, [_outcome(r, each) for r, each in published])
    return told(run, report, pulls if touched else ())


def _pulls(run: Run, sha: str) -> list[int]:
    """Numbers of the merged pull requests that brought a commit."""
    return [int(pull["number"]) for pull in run.github.pages(f"commits/{sha}/pulls") if pull.get("merged_at")]


def _overrides(run: Run, number: int) -> tuple[tuple[str, str], ...]:
    return overrides(run.github.pages(f"issues/{number}/comments"))


def _publish(run: Run, hub: Hub, r: Review, targets: Counter[str]) -> Published:
    """Publish one recipe, unless it cannot be, need not be, or names no target."""
    plan = r.plan
    if plan is None or r.file is None:
        return Published("failed", message=_mistakes(r), reason=r.reason)
    if plan.repo is None:
        return Published("skipped", message="It names no target.")
    url = f"{plan.endpoint}/{plan.repo}"
    before = look_at_target(hub, plan)
    hidden = before.private and not plan.private
    # An interrupted publish may have left its new target private: then it is run again, to do what is left.
    if before.state == "same" and (not hidden or r.fails(run.inputs.fail_on)):
        return Published("current", url, hidden=hidden)
    if r.fails(run.inputs.fail_on):
        return Published("failed", message=_mistakes(r), reason=r.reason or "bad-recipe")
    rivals = targets[plan.repo.lower()]
    if rivals > 1:
        message = f"{rivals} recipes publish to {plan.repo}; give each a target of its own"
        return Published("failed", message=message, reason="bad-recipe")
    return _told_where(hub, plan, _run(run, r, r.file, plan))


def _told_where(hub: Hub, plan: Plan, done: Published) -> Published:
    """Add where the model is now, and whether people can see it."""
    if done.status == "failed":
        return done
    url = f"{plan.endpoint}/{plan.repo}"
    offered = bool(done.url) and done.url != url
    hidden = not (offered or plan.private) and look_at_target(hub, plan).private
    return replace(done, url=done.url or url, hidden=hidden, offered=offered)


def _run(run: Run, r: Review, file: Path, plan: Plan) -> Published:
    """Let the engine publish the plan that was judged: what is not locked is pinned now."""
    if r.new_lock is not None:
        write_atomically(lock_path(file), r.new_lock.encode())
    named = None if plan.recipe.publish and plan.recipe.publish.repo else plan.repo
    command = arguments(file, named, private=run.inputs.private, create_pr=run.inputs.create_pr)
    environment = to_write(run.environment, run.inputs.hf_token, str(plan.repo))
    with run.log.group(f"publish {r.path}"):
        done = publish(command, environment, Path(tempfile.mkdtemp(dir=run.work)), run.log.say)
        if done.message:
            run.log.say(done.message)
    return replace(
        done, message=run.log.redact(done.message.replace(f"{file.parent}/", r.path.removesuffix(file.name)))
    )


def _mistakes(r: Review) -> str:
    return "\n".join(finding.line_for(r.path) for finding in r.findings if finding.level != "note")


def _verdict(published: Sequence[Published]) -> tuple[str, str]:
    count = Counter(each.status for each in published)
    done = "offered as pull requests" if any(each.offered for each in published) else "published"
    if count["failed"]:
        rest = f"; {count['made']} {done}" if count["made"] else ""
        return "❌", f"{plural(count['failed'], 'recipe')} could not be published{rest}. The next run tries again."
    if count["made"]:
        return "✅", f"{plural(count['made'], 'model')} {done}."
    carries = "every target carries its plan already, or is offered it" if "offered" in done else ALL_CARRY
    return "☑️", f"Nothing to do: {carries}." if published else "There are no recipes."


def _outcome(r: Review, published: Published) -> Outcome:
    hidden = f" {HIDDEN}" if published.hidden else ""
    match published.status:
        case "made":
            done = "offered" if published.offered else "published"
            status = "Offered in a pull request on the Hub: merge it there." if published.offered else "Published."
            made_it = note(done, f"{r.path} is {done}: {published.url}", "", TOP)
            return Outcome(
                r,
                "✅",
                status + hidden,
                published.url,
                carried=True,
                detail=made(r.plan) if r.plan else "",
                annotations=(Annotation(r.path, made_it),),
            )
        case "current":
            status = "A pull request there offers it already." if published.offered else "It carries this plan already."
            return Outcome(r, "☑️", status + hidden, published.url, carried=True, quiet=True)
        case "skipped":
            return Outcome(r, "➖", published.message, quiet=True)
    problems = tuple(published.message.splitlines())
    status = f"Not published ({published.reason})."
    return Outcome(r, "❌", status, problems=problems, reason=published.reason, annotations=_mistaken(r, published))


def _mistaken(r: Review, published: Published) -> tuple[Annotation, ...]:
    if r.fails("error") or r.plan is None:
        return tuple(Annotation(r.path, finding) for finding in r.findings)
    return (Annotation(r.path, error(published.reason or "internal", published.message, "", TOP)),)
