"""Reviews → the comment on a pull request, and the job's summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.before import Before
from bot.cut import COMMENT, SUMMARY, Part, characters, fitted, octets
from bot.machine import fit, minutes
from bot.markdown import macros, part
from bot.picture import picture
from bot.recipes import lock_of
from engine.methods import METHODS
from engine.plan.show.mixture import stages_of
from engine.plan.show.words import count, plural, short, size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.machine import Machine
    from bot.review import Review
    from engine.plan.plan import Plan

ROWS = 20
"""Findings of a recipe in a comment; the summary has them all."""
ICONS = {"error": "❌", "warning": "⚠️", "note": "💬"}
FIT_ICONS = {"yes": "✅", "lucky": "⚠️", "no": "❌"}


@dataclass(frozen=True)
class Document:
    """What a plan's comment is made from. ``before`` has what targets hold, by recipe.

    ``tree_url`` and ``edit_url`` are addresses that a path is appended to: of the head's files, and for editing
    them (``new`` or ``edit``, by whether the file is there). ``may_override`` may set the policy aside.
    """

    marker: str
    reviews: Sequence[Review]
    removed: Sequence[str]
    before: Mapping[str, Before]
    notes: Sequence[str]
    machine: Machine
    head: str
    head_url: str
    run_url: str
    tree_url: str
    edit_urls: Mapping[str, str]
    may_override: Sequence[str] = ()


def comment_text(doc: Document) -> str:
    """Write the comment: at most as long as GitHub takes, found again by its marker."""
    note = f"Some parts are left out for length: [the run's summary]({doc.run_url}) has them."
    return fitted([Part(doc.marker), *_parts(doc, ROWS)], COMMENT, characters, note)


def summary_text(doc: Document) -> str:
    """Write the job's summary, with everything."""
    return fitted(_parts(doc, None), SUMMARY, octets, "Some parts are left out: they are longer than a summary may be.")


def verdict(reviews: Sequence[Review], removed: Sequence[str]) -> tuple[str, str]:
    """Say in one sentence whether it works, with an icon."""
    broken = [review for review in reviews if review.reason]
    if broken:
        which = f"{len(broken)} of {plural(len(reviews), 'recipe')}" if len(reviews) > 1 else "This recipe"
        return "❌", f"{which} cannot be merged as it is."
    if not reviews:
        gone = f" {plural(len(removed), 'recipe')} removed." if removed else ""
        return "✅", f"No recipe to plan.{gone}"
    warned = any(finding.level == "warning" for review in reviews for finding in review.findings)
    ready = "Ready to merge" if len(reviews) == 1 else f"{len(reviews)} recipes are ready to merge"
    return ("⚠️", f"{ready}, with warnings.") if warned else ("✅", f"{ready}.")


def _parts(doc: Document, rows: int | None) -> list[Part]:
    words = macros("comment.md.j2")
    icon, says = verdict(doc.reviews, doc.removed)
    common = {"icon": icon, "verdict": says, "notes": doc.notes}
    common |= {"head": doc.head, "head_url": doc.head_url, "run_url": doc.run_url}
    parts = [Part(words.opening(common).strip())]
    for review in doc.reviews:
        parts += _recipe(words, doc, review, rows)
    if doc.removed:
        parts.append(Part(words.removed([path[:200] for path in doc.removed]).strip(), 2))
    return [*parts, Part(words.closing(common).strip())]


def _recipe(words: Any, doc: Document, review: Review, rows: int | None) -> list[Part]:  # noqa: ANN401 - macros
    view = _heading(review) | _findings(doc, review, rows)
    parts = [Part(words.heading(view).strip())]
    if view["findings"]:
        parts.append(Part(words.findings(view).strip(), 1))
    if review.plan is None:
        return parts
    plan = review.plan
    view |= _made(plan) | _models(plan) | picture(plan) | _cost(plan, doc.machine)
    view |= _changes(doc.before.get(review.path, Before("new")), plan) | _lock(doc, review)
    view |= {"digest": plan.digest, "weights_digest": plan.weights_digest}
    view |= _override(review, plan, doc.may_override)
    ranks = [
        ("override", 1),
        ("output", 2),
        ("parents", 4),
        ("mixture", 6),
        ("cost", 3),
        ("changes", 5),
        ("diff", 7),
        ("lock", 8),
    ]
    shown = [(name, rank) for name, rank in ranks if view.get(f"has_{name}", True)]
    return [*parts, *(Part(getattr(words, name)(view).strip(), rank) for name, rank in [*shown, ("digests", 2)])]


def _heading(review: Review) -> dict[str, Any]:
    change, plan = review.change, review.plan
    kind = "" if change is None else f"{change.kind}. ".capitalize()
    if change is not None and change.was:
        kind = f"Renamed from `{change.was[:200]}`. "
    worst = next(iter(review.findings), None)
    icon = "✅" if worst is None or worst.level == "note" else ICONS[worst.level]
    status = "It cannot be merged as it is." if review.reason else "No findings." if worst is None else "It can merge."
    target = plan.repo if plan else None
    url = f"{plan.endpoint}/{part(target)}" if plan and target else ""
    return {"icon": icon, "path": review.path[:200], "status": kind + status, "target": target, "target_url": url}


def _findings(doc: Document, review: Review, rows: int | None) -> dict[str, Any]:
    shown = review.findings[:rows]
    where = f"{doc.tree_url}/{part(review.path)}"
    return {
        "more": len(review.findings) - len(shown),
        "findings": [
            {
                "icon": ICONS[finding.level],
                "level": finding.level,
                "line": finding.line,
                "column": finding.column,
                "url": f"{where}#L{finding.line}",
                "text": f"{finding.message}; {finding.fix}" if finding.fix else finding.message,
            }
            for finding in shown
        ],
    }


def _override(review: Review, plan: Plan, names: Sequence[str]) -> dict[str, Any]:
    forbidden = any(finding.level == "error" and finding.id.startswith("policy-") for finding in review.findings)
    who = ", ".join(f"`{name}`" for name in names[:ROWS])
    asks = f"`/mergesmith override {plan.digest[:16]}`"
    says = f"The policy can be set aside for this plan, by a comment {asks} of: {who}."
    return {"has_override": forbidden and bool(names), "override": says}


def made(plan: Plan) -> str:
    """Say what comes out, in one line."""
    method = METHODS[plan.recipe.merge_method or ""]
    layers = f"{plural(plan.layers, 'layer')}, " if plan.layers else ""
    private = ", private" if plan.private else ""
    return (
        f"`{plan.title}` by `{method.name}`: {count(plan.parameters)} parameters, {layers}{plan.dtype}, "
        f"{size(plan.bytes)} in {plural(len(plan.shards), 'shard')}, licence `{plan.licence.license}`{private}."
    )


def _made(plan: Plan) -> dict[str, Any]:
    files = ", ".join(f"`{file.name}`" for file in plan.side_files)
    stages = "; ".join(f"`{each.name}`: `{each.method}` of {_and(each.models)}" for each in stages_of(plan))
    more = (f" With {files}." if files else "") + (f" By way of {stages}." if stages else "")
    return {"made": made(plan) + more}


def _and(names: Sequence[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)


def _models(plan: Plan) -> dict[str, Any]:
    return {
        "models": [
            {
                "ref": pin.ref,
                "url": f"{plan.endpoint}/{part(pin.repo or '')}",
                "role": (" (base)" if number == plan.base else "") + (" 🔒 gated" if pin.gated else ""),
                "short": short(pin.commit),
                "commit_url": f"{plan.endpoint}/{part(pin.repo or '')}/tree/{pin.commit}",
                "licence": pin.license_name or pin.license or "not stated",
                "parameters": pin.parameters,
                "bytes": sum(file.size for file in pin.files if file.name.endswith(".safetensors")),
            }
            for number, pin in enumerate(plan.models)
        ]
    }


def _cost(plan: Plan, machine: Machine) -> dict[str, Any]:
    cost, room = plan.cost, fit(plan.cost, machine)
    reads = f"{size(cost.bytes_read)} to read and {size(cost.bytes_written)} to write"
    return {
        "cost": f"{reads}: {minutes(cost)} at 100 MB/s.",
        "fit_icon": FIT_ICONS[room.verdict],
        "fit": room.text,
    }


def _changes(before: Before, plan: Plan) -> dict[str, Any]:
    says = {
        "new": f"`{plan.repo}` does not exist yet, or is private." if plan.repo else "nothing: there is no target.",
        "same": f"nothing: `{plan.repo}` carries this very plan already.",
        "foreign": f"`{plan.repo}` was not made by a merge of ours; publishing stops where it would replace its files.",
        "unknown": f"`{plan.repo}` could not be read.",
        "differs": f"against what `{plan.repo}` holds now:",
    }
    return {
        "changes": says[before.state],
        "moves": before.parents[:50],
        "diff": before.diff,
        "has_diff": bool(before.diff),
    }


def _lock(doc: Document, review: Review) -> dict[str, Any]:
    path = lock_of(review.path)
    if review.new_lock is None:
        return {"has_lock": False}
    titles = {"missing": "No lock yet: pin these commits", "stale": "The lock does not fit: here is one that does"}
    return {
        "has_lock": True,
        "lock_title": titles[review.lock],
        "lock_how": f"Commit this as `{path}`, so that merging makes exactly this plan, whatever the parents do "
        "meanwhile.",
        "lock_url": doc.edit_urls.get(path, ""),
        "lock_lines": review.new_lock.splitlines(),
    }
