"""Publishing one recipe, in a process of its own: it alone has the Hub's token, and it alone loads torch."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bot.failures import reason_of_text
from engine.plan.show.words import plural, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

Status = Literal["made", "current", "failed", "skipped"]
KEPT = frozenset(
    [
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "all_proxy",
        "GITHUB_ACTIONS",
    ]
)
"""What the process inherits, beside ``HF_*``: no input, and no token of GitHub's."""
TOKENS = frozenset({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_ID_TOKEN"})
IDENTITY = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
LONGEST_ERROR = 20_000


@dataclass(frozen=True)
class Published:
    """How publishing went; ``message`` says why where it ``failed``."""

    status: Status
    url: str = ""
    message: str = ""
    reason: str | None = None


def child_environment(environment: Mapping[str, str], token: str, repo: str) -> dict[str, str]:
    """Choose what the process gets: the token, or else the means for trusted publishing to ``repo`` alone."""
    kept = {k: v for k, v in environment.items() if (k in KEPT or k.startswith("HF_")) and k not in TOKENS}
    kept.pop("HF_HUB_DISABLE_IMPLICIT_TOKEN", None)
    if token:
        kept.pop("HF_OIDC_RESOURCE", None)
        return kept | {"HF_TOKEN": token}
    identity = {name: environment[name] for name in IDENTITY if environment.get(name)}
    if len(identity) == len(IDENTITY):
        return kept | identity | {"HF_OIDC_RESOURCE": kept.get("HF_OIDC_RESOURCE") or repo}
    return kept


def arguments(file: Path, repo: str | None, *, private: bool | None, require_lock: bool) -> list[str]:
    """Write the command; ``repo`` only where the recipe names none. ``-P`` keeps the folder that it runs in out."""
    command = [sys.executable, "-P", "-m", "engine", "publish", "--events", "json"]
    command += ["--repo", repo] if repo else []
    command += ["--private"] if private else []
    command += ["--require-lock"] if require_lock else []
    return [*command, "--", str(file)]


def publish(
    command: Sequence[str], environment: Mapping[str, str], work: Path, say: Callable[[str], None]
) -> Published:
    """Run the command in the folder ``work`` and tell each event but the smallest as a line."""
    url = ""
    with tempfile.TemporaryFile("w+b") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, arguments as a list
            command, cwd=work, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        )
        with process:
            for event in _events(process):
                url = str(event["where"]) if event.get("event") == "published" else url
                if line := _line(event):
                    say(line)
        errors.seek(0)
        said = errors.read()[-LONGEST_ERROR:].decode(errors="replace").strip()
    if process.returncode == 0:
        return Published("made" if url else "current", url)
    message = said or f"mergesmith ended with status {process.returncode} and said nothing"
    return Published("failed", "", message, reason_of_text(message, process.returncode))


def _events(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    for line in process.stdout or ():
        try:
            event = json.loads(line)
        except ValueError:
            event = {"event": "said", "text": line.decode(errors="replace").rstrip()}
        if isinstance(event, dict):
            yield event


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
