"""Publishing one recipe, in a process of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bot.failures import reason_of_text
from engine.plan.show.words import plural, size
from engine.process import ALREADY_THERE, command, run_process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

Status = Literal["made", "current", "failed", "skipped"]


@dataclass(frozen=True)
class Published:
    """How publishing went; ``message`` says why where it ``failed``.

    ``hidden``: the target is private, though its recipe does not ask for that. ``offered``: the model is in a pull
    request on the Hub, at ``url``.
    """

    status: Status
    url: str = ""
    message: str = ""
    reason: str | None = None
    hidden: bool = False
    offered: bool = False


def arguments(file: Path, repo: str | None, *, private: bool, create_pr: bool) -> list[str]:
    """Write the command; ``repo`` only where the recipe names none. It stops where there is no lock beside ``file``."""
    options = ["--repo", repo] if repo else []
    options += ["--private"] if private else []
    options += ["--create-pr"] if create_pr else []
    options += ["--require-lock"]
    return command("publish", "--events", "json", *options, "--", str(file))


def publish(
    arguments: Sequence[str], environment: Mapping[str, str], work: Path, say: Callable[[str], None]
) -> Published:
    """Run the command in the folder ``work`` and tell each event but the smallest as a line."""
    made, there = "", ""

    def take(line: str) -> None:
        nonlocal made, there
        event = _event(line)
        if event.get("event") == "published":
            made = str(event["where"])
        if told := _line(event):
            say(told)
            there = found[1] if (found := ALREADY_THERE.match(told)) else there

    ended = run_process(arguments, environment, work, take)
    if ended.status == 0:
        return Published("made" if made else "current", made or there)
    return Published("failed", "", ended.error, reason_of_text(ended.error, ended.status))


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    return event if isinstance(event, dict) else {"event": "said", "text": line}


def _line(event: Mapping[str, Any]) -> str | None:
    match event.get("event"):
        case "started":
            return f"merging {plural(event['tensors'], 'tensor')} into {plural(event['shards'], 'shard')}"
        case "shard-done":
            return f"{event['file']}: {size(event['nbytes'])}, sha256 {event['sha256'][:16]}"
        case "shard-kept" | "shard-uploaded":
            return f"{event['file']}: {'uploaded' if event['event'] == 'shard-uploaded' else 'kept'}"
        case "published":
            return f"done: {event['where']}, {plural(event['files'], 'file')}, {size(event['nbytes'])}"
        case "said":
            return str(event["text"])
    return None
