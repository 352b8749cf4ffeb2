"""Parents that are not what they were when they were locked: one issue, edited in place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bot.cut import COMMENT, SUMMARY, Part, characters, fitted, octets
from bot.github import GitHubError
from bot.markdown import macros, part
from bot.recipes import lock_of, recipes_among
from bot.run import Result
from bot.sticky import find_own, no_write, own_login
from bot.tree import tree_at
from bot.workflow import Annotation
from engine.canonical import digest
from engine.errors import LockError
from engine.findings import Place, warning
from engine.plan.drift import drift_of
from engine.plan.lock import parse_lock
from engine.plan.show.words import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.jobs import ReportDrift
    from bot.run import Run
    from bot.tree import Tree
    from engine.checkpoints.checkpoint import Pin
    from engine.findings import Finding
    from engine.plan.drift import Drift

TITLE = "mergesmith: parents changed since they were locked"
ROWS = 30
"""Rows of a table that stands or goes as a whole."""


@dataclass(frozen=True)
class Changed:
    """A parent of a recipe that changed; ``what`` says how. With ``gone`` it can no longer be merged as locked."""

    recipe: str
    ref: str
    repo: str
    commit: str | None
    what: str
    gone: bool


def report_drift(run: Run, job: ReportDrift) -> Result:
    """Compare every lock of a commit with what the Hub has now, and keep one issue about it."""
    tree = tree_at(run.github, job.sha, run.workspace)
    look = _looker(run)
    locked, found = 0, []
    for recipe in recipes_among(tree, run.recipes):
        pins = _pins(tree, recipe)
        locked += bool(pins)
        found += [
            Changed(recipe, pin.ref, str(pin.repo), pin.commit, drift.what, drift.gone)
            for pin in pins
            if (drift := look(pin))
        ]
    note = _keep_issue(run, job.sha, found, locked) if run.inputs.comment else None
    run.log.say(_verdict(found))
    text = fitted(_parts(run, job.sha, found, locked), SUMMARY, octets, "Some parts are left out for length.")
    return Result(
        summary=f"## mergesmith drift\n\n{text}" + (f"\n\n> {note}" if note else ""),
        annotations=tuple(Annotation(lock_of(d.recipe), _finding(d)) for d in found),
    )


def _looker(run: Run) -> Callable[[Pin], Drift | None]:
    """Look at each pin once, as everybody sees it. One that was private is left out without a token.

    Of a private one nothing is told but that it moved: an issue is read by more people than the model.
    """
    token, everybody = run.inputs.hf_token, run.open_hub(None)
    ours = run.open_hub(token) if token else None
    seen: dict[tuple[str, str | None, str | None, bool, bool], Drift | None] = {}

    def look(pin: Pin) -> Drift | None:
        key = (str(pin.repo), pin.revision, pin.commit, pin.gated, pin.private)
        hub = ours if pin.private else everybody
        if key not in seen:
            drift = drift_of(hub, pin) if hub else None
            seen[key] = replace(drift, what=drift.what.partition(": ")[0]) if drift and pin.private else drift
        return seen[key]

    return look


def _finding(drift: Changed) -> Finding:
    return warning("drift", f"{drift.ref}: {drift.what}", "", Place(1, 1))


def _pins(tree: Tree, recipe: str) -> tuple[Pin, ...]:
    """Pins of a recipe's lock; none where it has no lock that can be read, which a plan would tell."""
    entry = tree.entries.get(lock_of(recipe))
    if entry is None or not entry.is_plain:
        return ()
    try:
        lock = parse_lock(tree.read(entry.path), entry.path)
    except LockError:
        return ()
    return tuple(pin for pin in lock.models if pin.kind == "hub" and pin.repo)


def _verdict(found: Sequence[Changed]) -> str:
    if not found:
        return "Every locked parent is as it was."
    return f"{plural(len(found), 'locked parent')} changed."


def _parts(run: Run, sha: str, found: Sequence[Changed], locked: int) -> list[Part]:
    words = macros("drift.md.j2")
    doc = {"verdict": _verdict(found), "recipes": locked, "head": sha}
    doc |= {"head_url": run.commit_url(sha), "run_url": run.run_url}
    doc |= {"gone": any(drift.gone for drift in found)}
    if not found:
        return [Part(words.nothing(doc).strip()), Part(words.closing(doc).strip())]
    rows = [
        {
            "recipe": drift.recipe,
            "ref": drift.ref,
            "url": f"{run.endpoint}/{part(drift.repo)}",
            "commit": drift.commit,
            "what": f"❌ {drift.what}" if drift.gone else drift.what,
        }
        for drift in found
    ]
    tables = [Part(words.table(rows[i : i + ROWS]).strip(), 1) for i in range(0, len(rows), ROWS)]
    return [Part(words.opening(doc).strip()), *tables, Part(words.closing(doc).strip())]


def _keep_issue(run: Run, sha: str, found: Sequence[Changed], locked: int) -> str | None:
    """Open, edit, close or reopen the issue; returns why that could not be done.

    One that a person closed stays closed until something else changed: its second line has the state's digest.
    """
    mark = run.marker("drift")
    state = f"<!-- {digest([[d.recipe, d.ref, d.what] for d in found])[:16]} -->"
    parts = [Part(f"{mark}\n{state}"), *_parts(run, sha, found, locked)]
    more = f"Some parts are left out for length: [the run's summary]({run.run_url}) has them."
    body = run.log.redact(fitted(parts, COMMENT, characters, more))
    try:
        login = own_login(run.github)
        issue = find_own(run.github.pages("issues", state="all", creator=login), login, mark)
        if issue is None:
            if found:
                run.github.post("issues", {"title": TITLE, "body": body})
            return None
        _edit(run, issue, body, state, drifts=bool(found))
    except GitHubError as refusal:
        why = no_write(refusal, "issues")
        run.log.say(f"no issue: {why}")
        return f"There is no issue about this: {why}."
    return None


def _edit(run: Run, issue: Any, body: str, state: str, *, drifts: bool) -> None:  # noqa: ANN401 - JSON
    changed = state not in str(issue["body"])
    if issue["state"] == "closed" and not (drifts and changed):
        return
    run.github.patch(f"issues/{issue['number']}", {"body": body, "state": "open" if drifts else "closed"})
