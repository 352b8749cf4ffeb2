"""Plan → a published model: looks at the target, merges what is missing, and commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.canonical import digest
from engine.events import Said
from engine.publish.assemble import assemble
from engine.publish.hub import HubSink, drop, settle
from engine.publish.stage import look
from engine.publish.staging import staging_name
from engine.publish.target import inspect_target
from engine.publish.work import work_folder
from engine.run.device import chosen
from engine.run.merge import run

if TYPE_CHECKING:
    from engine.events import Report
    from engine.hub_client import Hub, PullRequest
    from engine.plan.models import Models
    from engine.plan.plan import Options, Plan
    from engine.publish.stage import Stage
    from engine.publish.target import Target


def publish_plan(
    plan: Plan,
    models: Models,
    hub: Hub,
    options: Options,
    report: Report,
    *,
    force: bool,
    create_pr: bool,
    clean_staging: bool,
) -> str:
    """Make a plan's model, publish it to the plan's repo, and return the address; where it is there, do nothing."""
    repo, device = str(plan.repo), chosen(options.device)
    # Taken first, so that what a killed run left here goes even where nothing is left to do.
    with work_folder(f"mergesmith-{digest([hub.endpoint, plan.repo, staging_name(plan)])[:16]}") as work:
        target = inspect_target(hub, repo, plan, force=force, create_pr=create_pr)
        waiting = look(hub, target, plan, create_pr=create_pr)
        _tell_others(hub, repo, waiting.others, report, clean=clean_staging)
        if target.published:
            return _published(hub, target, plan, waiting.stage, report)
        if waiting.proposed is not None:
            return _proposed(hub, target, plan, waiting.stage, waiting.proposed, report)
        sink = HubSink(hub, target, plan, work, report, stage=waiting.stage, create_pr=create_pr)
        shards = run(plan, models, sink, report, threads=options.threads, memory=options.memory, device=device)
        return sink.finish(assemble(plan, models, shards))


def _published(hub: Hub, target: Target, plan: Plan, stage: Stage | None, report: Report) -> str:
    where = f"{hub.endpoint}/{target.repo}"
    if stage is not None:
        settle(hub, target, plan, stage, report)
        report(Said(f"{where} carries this very plan already: only what an interrupted publish left to do was done"))
    else:
        report(Said(f"{where} carries this very plan already: nothing to do{_still_private(target, plan)}"))
    return where


def _still_private(target: Target, plan: Plan) -> str:
    """A word on a target that is not as public as the recipe asks: an interrupted publish may have left it so."""
    if target.model is None or not target.model.private or plan.private:
        return ""
    return "; it is private, and the recipe asks for a public one: make it public in its settings if that is meant"


def _proposed(hub: Hub, target: Target, plan: Plan, stage: Stage | None, pull: PullRequest, report: Report) -> str:
    if pull.status == "draft":
        hub.mark_ready(target.repo, pull.num)
    if stage is not None:
        settle(hub, target, plan, stage, report)
    report(Said(f"{pull.url} carries this very plan already: nothing to do"))
    return pull.url


def _tell_others(hub: Hub, repo: str, branches: tuple[str, ...], report: Report, *, clean: bool) -> None:
    """Tell of staging branches that are of no use to this plan; remove them where that was asked for."""
    where = f"{hub.endpoint}/{repo}"
    if clean:
        for branch in branches:
            if drop(hub, repo, branch, report):
                report(Said(f"removed the staging branch {branch} of {where}"))
    elif branches:
        report(
            Said(
                f"{where} keeps what unfinished publishes of other plans, or with another --max-shard-size, left, on "
                f"{', '.join(branches)}; remove it with --clean-staging"
            )
        )
