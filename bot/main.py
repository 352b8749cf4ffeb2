"""The Action: ``main()`` reads the environment, ``action()`` does the rest with what it is given."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.asking import asked
from bot.drift import report_drift
from bot.event import parse_event
from bot.failures import REASONS, SettingsError, reason_of
from bot.github import GitHub
from bot.inputs import OUTPUTS, Inputs, read_inputs
from bot.jobs import Asked, Nothing, PlanAll, PlanPull, PlanRange, PublishAll, Refused, ReportDrift, VerifyAll, job_for
from bot.machine import measure
from bot.markdown import prose
from bot.planning import plan_all, plan_pull, plan_range
from bot.pushing import publish_all
from bot.run import Result, Run
from bot.verifying import verify_all
from bot.workflow import Annotation, Log, annotation_lines, write_outputs, write_summary
from engine.errors import MergesmithError
from engine.findings import Place, error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.jobs import Job
    from engine.hub_client import Hub

LARGEST_EVENT = 32 * 1024 * 1024
TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")


def main() -> int:
    """Run as the runner starts us. Planning must not use a token that lies about, so the client gets none by itself."""
    environment = dict(os.environ)
    os.environ["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1"  # noqa: S105 - a switch, no token
    for name in [name for name in environment if name in {*TOKENS, "HF_OIDC_RESOURCE"} or name.startswith("INPUT_")]:
        del os.environ[name]
    return action(environment, _open_hub, sys.stdout)


def _open_hub(token: str | None) -> Hub:
    from engine.hub_client import Hub  # noqa: PLC0415 - an event without a job needs no client

    return Hub(token=token)


def action(environment: Mapping[str, str], open_hub: Callable[[str | None], Hub], stream: Any) -> int:  # noqa: ANN401
    """Run once. Returns the exit status: 0, or 1 where the output ``failure-reason`` says why."""
    log = Log((environment.get(name, "") for name in TOKENS), stream)
    try:
        inputs = read_inputs(environment)
        log = Log((*inputs.secrets, *(environment.get(name, "") for name in TOKENS)), stream)
        log.mask()
        with tempfile.TemporaryDirectory(prefix="mergesmith-") as work:
            result = _act(environment, inputs, open_hub, log, Path(work))
    except MergesmithError as refusal:
        result = _failed(str(refusal), reason_of(refusal))
    except Exception as surprise:  # noqa: BLE001 - the last resort: a reason, and a log that shows where
        with log.group("mergesmith failed"):
            log.say("".join(traceback.format_exception(surprise)))
        result = _failed(f"{type(surprise).__name__}: {surprise}", reason_of(surprise))
    _tell(environment, log, result)
    return 1 if result.reasons else 0


def _act(
    environment: Mapping[str, str],
    inputs: Inputs,
    open_hub: Callable[[str | None], Hub],
    log: Log,
    work: Path,
) -> Result:
    name = _needed(environment, "GITHUB_EVENT_NAME")
    event = parse_event(
        name, _payload(environment), environment.get("GITHUB_REF", ""), environment.get("GITHUB_SHA", "")
    )
    job = job_for(event, inputs.command)
    log.say(f"{name}: {type(job).__name__}")
    if isinstance(job, Nothing):
        return Result(f"Nothing to do: {prose(job.why)}.")
    if isinstance(job, Refused):
        raise SettingsError(job.why)
    return _do(job, _run(environment, inputs, open_hub, log, work))


def _do(job: Job, run: Run) -> Result:  # noqa: PLR0911 - one for each kind of job
    match job:
        case PlanPull():
            return plan_pull(run, job)
        case PlanRange():
            return plan_range(run, job)
        case PlanAll():
            return plan_all(run, job)
        case PublishAll():
            return publish_all(run, job)
        case VerifyAll():
            return verify_all(run, job)
        case ReportDrift():
            return report_drift(run, job)
        case Asked():
            return asked(run, job)
    raise AssertionError("every other job ended before")


def _run(
    environment: Mapping[str, str],
    inputs: Inputs,
    open_hub: Callable[[str | None], Hub],
    log: Log,
    work: Path,
) -> Run:
    repo, server = _needed(environment, "GITHUB_REPOSITORY"), environment.get("GITHUB_SERVER_URL", "https://github.com")
    workspace = environment.get("GITHUB_WORKSPACE", "")
    return Run(
        inputs=inputs,
        github=GitHub(environment.get("GITHUB_API_URL", "https://api.github.com"), repo, inputs.github_token),
        open_hub=open_hub,
        log=log,
        machine=measure(work, hosted=environment.get("RUNNER_ENVIRONMENT", "github-hosted") == "github-hosted"),
        environment={k: v for k, v in environment.items() if not k.startswith("INPUT_")},
        work=work,
        workspace=Path(workspace) if workspace else None,
        endpoint=environment.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/"),
        server_url=server,
        run_url=f"{server}/{repo}/actions/runs/{environment.get('GITHUB_RUN_ID', '')}",
    )


def _needed(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise SettingsError(f"{name} is not set; run this as a step of a GitHub workflow")
    return environment[name]


def _payload(environment: Mapping[str, str]) -> Mapping[str, Any]:
    path = Path(_needed(environment, "GITHUB_EVENT_PATH"))
    try:
        with path.open("rb") as file:
            payload = json.loads(file.read(LARGEST_EVENT))
    except (OSError, ValueError, RecursionError) as problem:
        raise SettingsError(f"the event in {path} cannot be read: {problem}") from None
    if not isinstance(payload, dict):
        raise SettingsError(f"the event in {path} is not an object")
    return payload


def _failed(message: str, reason: str) -> Result:
    finding = error(reason, message, "", Place(1, 1))
    text = "\n".join(f"> {prose(line)}" for line in message.splitlines())
    return Result(
        f"## mergesmith\n\n❌ The run failed ({reason}): {REASONS[reason]}.\n\n{text}",
        (reason,),
        (Annotation("", finding),),
    )


def _tell(environment: Mapping[str, str], log: Log, result: Result) -> None:
    """Put annotations into the log, the summary and the outputs into their files."""
    for line in annotation_lines(result.annotations):
        log.command(line)
    outputs = {name: log.redact(result.outputs.get(name, "")) for name in OUTPUTS}
    outputs["failure-reason"] = next(iter(result.reasons), "")
    for name, write in (
        ("GITHUB_OUTPUT", partial(write_outputs, outputs=outputs)),
        ("GITHUB_STEP_SUMMARY", partial(write_summary, text=log.redact(result.summary))),
    ):
        if environment.get(name):
            write(Path(environment[name]))
