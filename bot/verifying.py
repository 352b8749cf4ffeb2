"""Check what was published: is each recipe's model on the Hub still the one that the recipe makes?

Nothing is written, so no process gets the means to. A token goes along only where the target or a parent is private
or gated: everything else is read as anybody may read it.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bot.before import look_at_target
from bot.failures import reason_of_text
from bot.outcomes import Outcome, Report, told
from bot.recipes import recipes_among
from bot.review import TOP, review
from bot.run import desk_for, policy_at
from bot.tree import tree_at
from bot.workflow import Annotation
from engine.findings import error, note, warning
from engine.plan.show.words import plural
from engine.process import command, run_process, to_read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.before import Before
    from bot.jobs import VerifyAll
    from bot.review import Review
    from bot.run import Result, Run
    from engine.plan.plan import Plan
    from engine.process import Ended

SAMPLE = 8
"""Tensors of each model that are computed again: one or two gigabytes to read for two parents of 7 B parameters."""
WRONG = "verify-failed"
OTHER = "`{repo}` carries another plan than this recipe's; its files are what its own record says."
REPAIR = (
    "Look at what was committed there since. Revert it on the Hub, or publish the model again over it with "
    "`mergesmith publish RECIPE --force`."
)

Status = Literal["right", "wrong", "other", "absent", "failed", "skipped"]


@dataclass(frozen=True)
class Verified:
    """What was found. ``wrong`` is a model that differs from its record or its recipe, ``failed`` could not tell.

    ``absent`` and ``other`` are no failures: there is no model yet, or it is another plan's.
    """

    status: Status
    says: str
    problems: tuple[str, ...] = ()
    reason: str | None = None


def verify_all(run: Run, job: VerifyAll, pull: int | None = None) -> Result:
    """Verify the model of every recipe of a commit that names a target, and tell it on ``pull`` where that asked."""
    tree = tree_at(run.github, job.sha, run.workspace)
    hub = run.open_hub(run.inputs.hf_token or None)
    desk = desk_for(run, hub, policy_at(run.github, job.sha), (), strict=True)
    reviews = [review(tree, path, None, desk) for path in recipes_among(tree, run.recipes)]
    found = [(r, _verify(run, r, look_at_target(hub, r.plan) if r.plan else None)) for r in reviews]
    icon, says = _verdict([each for _, each in found])
    report = Report("verify", job.sha, icon, says, [_outcome(run, r, each) for r, each in found])
    return told(run, report, () if pull is None else (pull,))


def _verify(run: Run, r: Review, before: Before | None) -> Verified:
    plan = r.plan
    if plan is None or before is None:
        mistakes = tuple(finding.line_for(r.path) for finding in r.findings if finding.level == "error")
        return Verified("failed", f"Not verified ({r.reason}): it cannot be planned.", mistakes, r.reason)
    if plan.repo is None:
        return Verified("skipped", "It names no target.")
    match before.state:
        case "new":
            return Verified("absent", f"There is nothing to verify: `{plan.repo}` does not exist yet, or is private.")
        case "foreign":
            return Verified("other", f"There is nothing to verify: `{plan.repo}` was not made by a merge of ours.")
        case "unknown":
            reason = before.reason or "internal"
            return Verified("failed", f"Not verified ({reason}): it could not be read.", before.parents, reason)
    return _looked_at(run, r, plan, before)


def _looked_at(run: Run, r: Review, plan: Plan, before: Before) -> Verified:
    """Let the engine look at the target. A model of another plan is held against its own record alone."""
    same = before.state == "same"
    closed = before.private or any(pin.private or pin.gated for pin in plan.models if same)
    arguments = command("verify", "--quiet", *(sample(run) if same else ()), "--", str(plan.repo))
    environment = to_read(run.environment, run.inputs.hf_token if closed else "")
    lines: list[str] = []
    with run.log.group(f"verify {r.path}"):
        ended = run_process(arguments, environment, Path(tempfile.mkdtemp(dir=run.work)), lines.append)
        run.log.say("\n".join(lines) if ended.status == 0 else ended.error)
    if ended.status == 0:
        return Verified("right" if same else "other", lines[-1] if same else OTHER.format(repo=plan.repo))
    problems = tuple(line.removeprefix("mergesmith: ") for line in run.log.redact(ended.error).splitlines())
    reason = _reason(ended)
    if reason == WRONG:
        return Verified("wrong", f"Not what was published ({reason}).", problems, reason)
    return Verified("failed", f"Not verified ({reason}).", problems, reason)


def _reason(ended: Ended) -> str:
    """Tell a model that differs from one that could not be compared: a record that cannot be read differs too."""
    reason = reason_of_text(ended.error, ended.status)
    return WRONG if ended.status == 2 or reason == "target-changed" else reason


def sample(run: Run) -> tuple[str, ...]:
    """Choose tensors by the run's number, which nobody knew when the model was published; anybody can repeat it."""
    number = run.environment.get("GITHUB_RUN_ID", "")
    return ("--sample", str(SAMPLE), "--seed", number if number.isdecimal() else "0")


def _verdict(found: Sequence[Verified]) -> tuple[str, str]:
    count = Counter(each.status for each in found)
    says = [
        f"{plural(count['wrong'], 'model')} not as published" if count["wrong"] else "",
        f"{plural(count['failed'], 'recipe')} not verified" if count["failed"] else "",
        f"{plural(count['right'], 'model')} verified" if count["right"] else "",
        f"{plural(count['other'], 'target')} with something else" if count["other"] else "",
        f"{plural(count['absent'], 'target')} not there yet" if count["absent"] else "",
    ]
    told = "; ".join(part for part in says if part)
    icon = "❌" if count["wrong"] or count["failed"] else "⚠️" if count["other"] else "✅" if count["right"] else "☑️"
    return icon, f"{told}." if told else "There is nothing to verify."


def _outcome(run: Run, r: Review, found: Verified) -> Outcome:
    match found.status:
        case "right":
            again = f"To repeat it: `mergesmith verify {found.says.partition(':')[0]} {' '.join(sample(run))}`"
            annotations = (Annotation(r.path, note("verified", found.says, "", TOP)),)
            return Outcome(
                r, "✅", "Verified.", _url(r), carried=True, detail=f"{found.says}. {again}", annotations=annotations
            )
        case "absent" | "other":
            annotations = (Annotation(r.path, warning(found.status, found.says, "", TOP)),)
            reason = WRONG if run.inputs.fail_on == "warning" else None
            return Outcome(r, "⚠️", found.says, _url(r), reason=reason, annotations=annotations)
        case "skipped":
            return Outcome(r, "➖", found.says, quiet=True)
    told = "\n".join((found.says, *found.problems))
    annotations = (Annotation(r.path, error(found.reason or "internal", told, "", TOP)),)
    detail = REPAIR if found.status == "wrong" else ""
    return Outcome(
        r,
        "❌",
        found.says,
        _url(r),
        detail=detail,
        problems=found.problems,
        reason=found.reason,
        annotations=annotations,
    )


def _url(r: Review) -> str:
    return f"{r.plan.endpoint}/{r.plan.repo}" if r.plan and r.plan.repo else ""
