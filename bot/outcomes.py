"""What became of each recipe that was merged → comment, summary, annotations and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bot.cut import COMMENT, SUMMARY, Part, characters, fitted, octets
from bot.failures import REASONS
from bot.markdown import macros
from bot.planning import plan_outputs
from bot.run import Result
from bot.sticky import stick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.review import Review
    from bot.run import Run
    from bot.workflow import Annotation

SHOWN = 10
"""Problems of a recipe that a comment quotes; annotations and the summary have the place of each."""


@dataclass(frozen=True)
class Outcome:
    """What became of a recipe: ``status`` is a sentence, ``detail`` a paragraph, ``problems`` are quoted.

    ``url`` is set where the target is worth a look, ``carried`` where it carries the recipe's model, ``reason`` where
    the run fails by it. What is ``quiet`` is a row of a table at the end.
    """

    review: Review
    icon: str
    status: str
    url: str = ""
    carried: bool = False
    detail: str = ""
    problems: tuple[str, ...] = ()
    reason: str | None = None
    annotations: tuple[Annotation, ...] = ()
    quiet: bool = False

    @property
    def repo(self) -> str:
        """The recipe's target; "" where it has none, or no plan."""
        return (self.review.plan.repo or "") if self.review.plan else ""


@dataclass(frozen=True)
class Report:
    """All outcomes of a commit. ``kind`` names the job, ``icon`` and ``verdict`` say how it went."""

    kind: Literal["publish", "verify"]
    sha: str
    icon: str
    verdict: str
    outcomes: Sequence[Outcome]


def told(run: Run, report: Report, pulls: Sequence[int]) -> Result:
    """Tell it on pull requests, if the inputs allow it, and hand back the rest."""
    notes = []
    if run.inputs.comment and pulls:
        text = _text(run, report, (), COMMENT)
        failed = [stick(run.github, number, run.marker(report.kind), text) for number in pulls]
        notes = [f"There is no comment on the pull request: {why}." for why in failed if why]
    carried = [outcome for outcome in report.outcomes if outcome.carried]
    outputs = plan_outputs([outcome.review for outcome in report.outcomes])
    outputs |= {"repos": "\n".join(o.repo for o in carried), "urls": "\n".join(o.url for o in carried)}
    reasons = {outcome.reason for outcome in report.outcomes}
    run.log.say(report.verdict)
    return Result(
        summary=_text(run, report, notes, SUMMARY),
        reasons=tuple(reason for reason in REASONS if reason in reasons),
        annotations=tuple(note for outcome in report.outcomes for note in outcome.annotations),
        outputs=outputs,
    )


def _text(run: Run, report: Report, notes: Sequence[str], limit: int) -> str:
    """Write the comment, or the summary, by ``limit``."""
    words = macros("outcomes.md.j2")
    doc = {"kind": report.kind, "icon": report.icon, "verdict": report.verdict, "notes": notes, "head": report.sha}
    doc |= {"head_url": run.commit_url(report.sha), "run_url": run.run_url}
    quiet = [_view(outcome) for outcome in report.outcomes if outcome.quiet]
    parts = [Part(words.opening(doc).strip())]
    parts += [Part(words.outcome(_view(outcome)).strip(), 1) for outcome in report.outcomes if not outcome.quiet]
    parts += [Part(words.quiet(quiet).strip(), 2)] if quiet else []
    parts.append(Part(words.closing(doc).strip()))
    if limit == COMMENT:
        more = f"Some parts are left out for length: [the run's summary]({run.run_url}) has them."
        return run.log.redact(fitted([Part(run.marker(report.kind)), *parts], COMMENT, characters, more))
    return fitted(parts, limit, octets, "Some parts are left out: they are longer than a summary may be.")


def _view(outcome: Outcome) -> dict[str, Any]:
    plan = outcome.review.plan
    return {
        "icon": outcome.icon,
        "path": outcome.review.path[:200],
        "repo": outcome.repo,
        "url": outcome.url,
        "status": outcome.status,
        "detail": outcome.detail,
        "problems": outcome.problems[:SHOWN],
        "more": len(outcome.problems[SHOWN:]),
        "digest": plan.digest if plan else "",
        "weights_digest": plan.weights_digest if plan else "",
    }
