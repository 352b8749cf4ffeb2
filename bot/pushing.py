"""Publish what was merged: every recipe of the default branch whose target does not carry its plan yet.

So a publish that failed is made up for by whatever run comes next.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.before import look_at_target
from bot.comment import made
from bot.cut import COMMENT, SUMMARY, Part, characters, fitted, octets
from bot.failures import REASONS
from bot.markdown import macros
from bot.overrides import overrides, set_aside
from bot.planning import plan_outputs
from bot.publishing import Published, arguments, child_environment, publish
from bot.recipes import recipes_among
from bot.review import TOP, Desk, review
from bot.run import Result, policy_at
from bot.sticky import stick
from bot.tree import tree_at
from bot.workflow import Annotation
from engine.findings import error, note
from engine.plan.show.words import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.jobs import PublishAll
    from bot.review import Review
    from bot.run import Run
    from engine.hub_client import Hub

ICONS = {"made": "✅", "current": "☑️", "failed": "❌", "skipped": "➖"}
SHOWN = 10
"""Mistakes of a recipe that a comment quotes; annotations and the summary have the place of each."""


@dataclass(frozen=True)
class Outcome:
    """What became of a recipe. ``reason`` is set where it failed."""

    review: Review
    published: Published

    @property
    def reason(self) -> str | None:
        """Why it failed."""
        return self.published.reason


def publish_all(run: Run, job: PublishAll, pull: int | None = None) -> Result:
    """Publish a commit's recipes, one after the other, and tell it on the pull request that brought the commit."""
    tree = tree_at(run.github, job.sha, run.workspace)
    policy = policy_at(run.github, job.sha)
    pulls = [pull] if pull is not None else _pulls(run, job.sha)
    given = [each for number in pulls if policy.override for each in _overrides(run, number)]
    hub = run.open_hub(run.inputs.hf_token or None)
    desk = Desk(
        work=run.work,
        open_hub=lambda: hub,
        options=run.options,
        machine=run.machine,
        policy=policy,
        namespace=run.inputs.namespace,
        require_lock=run.inputs.require_lock,
        strict=True,
        set_aside=set_aside(policy, given),
    )
    reviews = [review(tree, path, None, desk) for path in recipes_among(tree, run.recipes)]
    targets = Counter(r.plan.repo for r in reviews if r.plan and r.plan.repo)
    outcomes = [Outcome(r, _publish(run, hub, r, targets)) for r in reviews]
    return _result(run, job.sha, outcomes, pulls)


def _pulls(run: Run, sha: str) -> list[int]:
    """Numbers of the merged pull requests that brought a commit."""
    return [int(pull["number"]) for pull in run.github.pages(f"commits/{sha}/pulls") if pull.get("merged_at")]


def _overrides(run: Run, number: int) -> tuple[tuple[str, str], ...]:
    return overrides(run.github.pages(f"issues/{number}/comments"))


def _publish(run: Run, hub: Hub, r: Review, targets: Counter[str]) -> Published:
    """Publish one recipe, unless it cannot be, need not be, or names no target."""
    plan = r.plan
    if plan is None or r.file is None:
        return Published("failed", message=_told(r), reason=r.reason)
    if plan.repo is None:
        return Published("skipped", message="It names no target.")
    url = f"{plan.endpoint}/{plan.repo}"
    if look_at_target(hub, plan).state == "same":
        return Published("current", url)
    if r.fails(run.inputs.fail_on):
        return Published("failed", message=_told(r), reason=r.reason or "bad-recipe")
    if targets[plan.repo] > 1:
        message = f"{targets[plan.repo]} recipes publish to {plan.repo}; give each a target of its own"
        return Published("failed", message=message, reason="bad-recipe")
    named = None if plan.recipe.publish and plan.recipe.publish.repo else plan.repo
    command = arguments(r.file, named, private=run.inputs.private, require_lock=run.inputs.require_lock)
    environment = child_environment(run.environment, run.inputs.hf_token, plan.repo)
    empty = run.work / f"{r.file.parent.name}.run"
    empty.mkdir()
    with run.log.group(f"publish {r.path}"):
        done = publish(command, environment, empty, run.log.say)
        if done.message:
            run.log.say(done.message)
    message = run.log.redact(done.message.replace(f"{r.file.parent}/", r.path.removesuffix(r.file.name)))
    return Published(done.status, done.url or url, message, done.reason)


def _told(r: Review) -> str:
    return "\n".join(finding.line_for(r.path) for finding in r.findings if finding.level != "note")


def _result(run: Run, sha: str, outcomes: Sequence[Outcome], pulls: Sequence[int]) -> Result:
    reasons = {outcome.reason for outcome in outcomes}
    notes: list[str] = []
    touched = [o for o in outcomes if o.published.status in {"made", "failed"}]
    if run.inputs.comment:
        text = _text(run, sha, outcomes, (), COMMENT)
        failed = [stick(run.github, n, run.marker("publish"), text, create=bool(touched)) for n in pulls if touched]
        notes = [f"There is no comment on the pull request: {why}." for why in failed if why]
    there = [o for o in outcomes if o.published.status in {"made", "current"} and o.review.plan]
    outputs = plan_outputs([outcome.review for outcome in outcomes]) | {
        "repos": "\n".join(str(o.review.plan.repo) for o in there if o.review.plan),
        "urls": "\n".join(o.published.url for o in there),
    }
    run.log.say(_verdict(outcomes)[1])
    return Result(
        summary=_text(run, sha, outcomes, notes, SUMMARY),
        reasons=tuple(reason for reason in REASONS if reason in reasons),
        annotations=tuple(note for outcome in outcomes for note in _annotations(outcome)),
        outputs=outputs,
    )


def _annotations(outcome: Outcome) -> list[Annotation]:
    r, published = outcome.review, outcome.published
    if published.status == "made":
        made_it = note("published", f"{r.path} is published: {published.url}", "", TOP)
        return [Annotation(r.path, made_it)]
    if published.status != "failed":
        return []
    if r.fails("error") or r.plan is None:
        return [Annotation(r.path, finding) for finding in r.findings]
    return [Annotation(r.path, error(published.reason or "internal", published.message, "", TOP))]


def _verdict(outcomes: Sequence[Outcome]) -> tuple[str, str]:
    count = Counter(outcome.published.status for outcome in outcomes)
    if count["failed"]:
        rest = f"; {count['made']} published" if count["made"] else ""
        return "❌", f"{plural(count['failed'], 'recipe')} could not be published{rest}. The next run tries again."
    if count["made"]:
        return "✅", f"{plural(count['made'], 'model')} published."
    return "☑️", "Nothing to do: every target carries its plan already." if outcomes else "There are no recipes."


def _text(run: Run, sha: str, outcomes: Sequence[Outcome], notes: Sequence[str], limit: int) -> str:
    """Write the comment, or the summary, by ``limit``."""
    words = macros("published.md.j2")
    icon, says = _verdict(outcomes)
    doc = {"icon": icon, "verdict": says, "notes": notes, "head": sha}
    doc |= {"head_url": run.commit_url(sha), "run_url": run.run_url}
    loud = [outcome for outcome in outcomes if outcome.published.status in {"made", "failed"}]
    quiet = [outcome for outcome in outcomes if outcome not in loud]
    parts = [Part(words.opening(doc).strip())]
    parts += [Part(words.outcome(_view(outcome)).strip(), 1) for outcome in loud]
    parts += [Part(words.quiet([_view(outcome) for outcome in quiet]).strip(), 2)] if quiet else []
    parts.append(Part(words.closing(doc).strip()))
    if limit == COMMENT:
        more = f"Some parts are left out for length: [the run's summary]({run.run_url}) has them."
        return run.log.redact(fitted([Part(run.marker("publish")), *parts], COMMENT, characters, more))
    return fitted(parts, limit, octets, "Some parts are left out: they are longer than a summary may be.")


def _view(outcome: Outcome) -> dict[str, Any]:
    r, published = outcome.review, outcome.published
    status = {
        "made": "Published.",
        "current": "It carries this plan already.",
        "failed": f"Not published ({published.reason}).",
        "skipped": published.message,
    }[published.status]
    problems = published.message.splitlines() if published.status == "failed" else []
    return {
        "icon": ICONS[published.status],
        "path": r.path[:200],
        "repo": r.plan.repo if r.plan else None,
        "url": published.url if published.status in {"made", "current"} else "",
        "status": status,
        "made": made(r.plan) if r.plan and published.status == "made" else "",
        "problems": problems[:SHOWN],
        "digest": r.plan.digest if r.plan else "",
        "weights_digest": r.plan.weights_digest if r.plan else "",
    }
