"""Plan what a pull request changes, or a commit holds: reads only, and tells."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bot.before import look_at_target
from bot.comment import Document, comment_text, summary_text, verdict
from bot.failures import REASONS
from bot.overrides import overrides
from bot.recipes import Change, changes, lock_of, recipes_among
from bot.review import review
from bot.run import Result, desk_for, policy_at
from bot.sticky import stick
from bot.tree import tree_at
from bot.workflow import Annotation
from engine.findings import Place, error
from engine.plan.show.as_json import plan_as_json, plans_as_json, refused_as_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bot.before import Before
    from bot.jobs import PlanAll, PlanPull, PlanRange
    from bot.policy import Policy
    from bot.review import Review
    from bot.run import Run
    from bot.tree import Tree

MOST = 50
"""Recipes that one run plans: more would only be a way to keep a runner busy."""
ALLOW = "In a repo that only its own people read, the policy's `read_private: true` lets them use the token."
LARGEST_OUTPUT = 400_000
"""Characters of ``plans`` in full: all outputs of a job together may have a megabyte."""


@dataclass(frozen=True)
class Planned:
    """Reviews of a commit's recipes, with what it removes."""

    tree: Tree
    reviews: tuple[Review, ...]
    removed: tuple[str, ...]
    before: dict[str, Before]
    may_override: tuple[str, ...]
    left_out: int
    notes: tuple[str, ...]


def plan_pull(run: Run, job: PlanPull) -> Result:
    """Plan a pull request's changes at its pinned head, and keep one comment about them."""
    policy = policy_at(run.github, job.base_sha)
    given = _overrides(run, policy, job.number)
    # Somebody else's repo must not learn through a plan what our token may read, whatever the policy says.
    token = run.inputs.hf_token if policy.read_private and job.head_repo == run.github.repo else ""
    planned = _plan_range(run, job.base_sha, job.head_sha, policy, token, given)
    doc = _document(run, planned, job.head_sha, pull=job)
    notes = [] if not run.inputs.comment else _comment(run, job, doc)
    return _result(run, planned, _with_notes(doc, notes))


def plan_range(run: Run, job: PlanRange) -> Result:
    """Plan what differs between two commits, for a merge queue."""
    policy = policy_at(run.github, job.base_sha)
    given = _overrides(run, policy, job.number)
    planned = _plan_range(run, job.base_sha, job.head_sha, policy, "", given)
    return _result(run, planned, _document(run, planned, job.head_sha))


def plan_all(run: Run, job: PlanAll) -> Result:
    """Plan every recipe of a commit."""
    tree = tree_at(run.github, job.sha, run.workspace)
    paths = recipes_among(tree, run.recipes)
    planned = _plan(run, tree, [(path, None) for path in paths], policy_at(run.github, job.sha), "", ())
    return _result(run, planned, _document(run, planned, job.sha))


def _overrides(run: Run, policy: Policy, number: int | None) -> tuple[tuple[str, str], ...]:
    """Read a pull request's overrides, where the policy knows any."""
    return overrides(run.github.pages(f"issues/{number}/comments")) if policy.override and number else ()


def _plan_range(
    run: Run, base: str, head: str, policy: Policy, token: str, given: Sequence[tuple[str, str]]
) -> Planned:
    compared = run.github.get(f"compare/{base}...{head}", per_page=1)
    before = tree_at(run.github, str(compared["merge_base_commit"]["sha"]), None)
    after = tree_at(run.github, head, run.workspace)
    renames = {f["filename"]: f["previous_filename"] for f in compared.get("files", ()) if f["status"] == "renamed"}
    found = changes(_hashes(before), _hashes(after), run.recipes, renames)
    return _plan(run, after, [(change.path, change) for change in found], policy, token, given)


def _hashes(tree: Tree) -> dict[str, str]:
    return {path: f"{entry.mode} {entry.sha}" for path, entry in tree.entries.items()}


def _plan(
    run: Run,
    tree: Tree,
    found: Sequence[tuple[str, Change | None]],
    policy: Policy,
    token: str,
    given: Sequence[tuple[str, str]],
) -> Planned:
    hub = run.open_hub(token or None)
    desk = desk_for(run, hub, policy, given)
    removed = tuple(path for path, change in found if change and change.kind == "removed")
    left = [(path, change) for path, change in found if path not in removed]
    reviews = tuple(review(tree, path, change, desk) for path, change in left[:MOST])
    before = {r.path: look_at_target(hub, r.plan) for r in reviews if r.plan}
    more = len(left) - MOST
    notes = _notes(reviews, more, token)
    return Planned(tree, reviews, removed, before, policy.override or (), max(more, 0), notes)


def _notes(reviews: Sequence[Review], more: int, token: str) -> tuple[str, ...]:
    notes = []
    if more > 0:
        notes.append(f"Only the first {MOST} recipes are planned; {more} more changed. Split them up.")
    closed = (f for r in reviews for f in r.findings if f.id == "model" and re.search(r"private|gated", f.message))
    if not token and any(closed):
        notes.append("Plans read the Hub as nobody, so that a comment tells nothing private. " + ALLOW)
    return tuple(notes)


def _document(run: Run, planned: Planned, head: str, pull: PlanPull | None = None) -> Document:
    edit_urls = {}
    if pull is not None and pull.head_repo:
        for path in (lock_of(r.path) for r in planned.reviews):
            new = path not in planned.tree.entries
            edit_urls[path] = run.edit_url(pull.head_repo, pull.head_ref, path, new=new)
    return Document(
        marker=run.marker("plan"),
        reviews=planned.reviews,
        removed=planned.removed,
        before=planned.before,
        notes=planned.notes,
        machine=run.machine,
        head=head,
        head_url=run.commit_url(head),
        run_url=run.run_url,
        tree_url=run.tree_url(head),
        edit_urls=edit_urls,
        may_override=planned.may_override if pull is not None else (),
    )


def _with_notes(doc: Document, notes: Iterable[str]) -> Document:
    return replace(doc, notes=(*doc.notes, *notes))


def _comment(run: Run, job: PlanPull, doc: Document) -> list[str]:
    """Keep the comment, unless the head moved on meanwhile: then that head's run keeps it."""
    if str(run.github.get(f"pulls/{job.number}")["head"]["sha"]) != job.head_sha:
        run.log.say("the pull request has a newer head: its own run comments")
        return []
    text = run.log.redact(comment_text(doc))
    why = stick(run.github, job.number, doc.marker, text, create=bool(doc.reviews or doc.removed))
    if why is None:
        return []
    run.log.say(f"no comment: {why}")
    return [f"There is no comment on the pull request: {why}."]


def _result(run: Run, planned: Planned, doc: Document) -> Result:
    fails = [r for r in planned.reviews if r.fails(run.inputs.fail_on)]
    notes = [Annotation(r.path, finding) for r in planned.reviews for finding in r.findings]
    too_many = error("too-many", planned.notes[0], "", Place(1, 1)) if planned.left_out else None
    reasons = tuple(r.reason or "bad-recipe" for r in fails) + (("bad-recipe",) if too_many else ())
    run.log.say(verdict(planned.reviews, planned.removed)[1])
    return Result(
        summary=summary_text(doc),
        reasons=tuple(reason for reason in REASONS if reason in reasons),
        annotations=(*notes, *([Annotation("", too_many)] if too_many else [])),
        outputs=plan_outputs(planned.reviews),
    )


def plan_outputs(reviews: Sequence[Review]) -> dict[str, str]:
    """Make the outputs ``plans`` and ``digest``; where the plans are too long their digests alone are given."""
    entries: list[dict[str, Any]] = []
    for r in reviews:
        entry = plan_as_json(r.plan) if r.plan else refused_as_json(r.path, r.findings)
        entries.append(entry | {"findings": refused_as_json(r.path, r.findings)["findings"]})
    plans = plans_as_json(entries)
    text = json.dumps(plans, ensure_ascii=False)
    if len(text) > LARGEST_OUTPUT:
        short = [{name: entry[name] for name in ("path", "digest", "weights_digest")} for entry in entries]
        text = json.dumps({"digest": plans["digest"], "recipes": short, "shortened": True}, ensure_ascii=False)
    return {"plans": text, "digest": str(plans["digest"])}
