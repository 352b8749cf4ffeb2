"""The engine in a process of its own: it alone loads torch, and gets no more of our secrets than it needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

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
"""What a process inherits, beside ``HF_*``: no input, and no token of GitHub's."""
TOKENS = frozenset({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_ID_TOKEN", "HF_HUB_DISABLE_IMPLICIT_TOKEN"})
IDENTITY = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
LONGEST_ERROR = 20_000
ALREADY_THERE = re.compile(r"(\S+) carries this very plan already: ")
"""What ``publish`` says, with the address, where there is nothing to do."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit status, and what it wrote to standard error, or else that it said nothing."""

    status: int
    error: str


def command(name: str, *arguments: str) -> list[str]:
    """Write a command of the engine's. ``-P`` keeps the folder that it runs in from being imported."""
    return [sys.executable, "-P", "-m", "engine", name, *arguments]


def leashed(name: str, *arguments: str) -> list[str]:
    """Write a command of the engine's that ends with whoever holds its standard input: see ``engine.leash``."""
    return [sys.executable, "-P", "-m", "engine.leash", name, *arguments]


def to_write(environment: Mapping[str, str], token: str, repo: str) -> dict[str, str]:
    """Choose what a process gets that writes to ``repo``: the token, or else the means for trusted publishing.

    Both, where the environment names an ``HF_OIDC_RESOURCE`` beside a token: then the token only reads.
    """
    kept = _kept(environment)
    identity = {name: environment[name] for name in IDENTITY if environment.get(name)}
    named, read = kept.get("HF_OIDC_RESOURCE", ""), {"HF_TOKEN": token} if token else {}
    if len(identity) == len(IDENTITY) and (named or not token):
        return kept | identity | read | {"HF_OIDC_RESOURCE": named or repo}
    if token:
        kept.pop("HF_OIDC_RESOURCE", None)
    return kept | read


def to_read(environment: Mapping[str, str], token: str) -> dict[str, str]:
    """Choose what a process gets that only reads: a token, or "" for nobody's; never the means for publishing."""
    kept = _kept(environment)
    kept.pop("HF_OIDC_RESOURCE", None)
    # A token that lies about in a home folder is none that we were given.
    return kept | ({"HF_TOKEN": token} if token else {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"})


def _kept(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in environment.items() if (k in KEPT or k.startswith("HF_")) and k not in TOKENS}
    # What lies in this machine's cache, others were allowed to see.
    return kept | {"HF_HUB_CACHE": os.devnull}


def run_process(
    arguments: Sequence[str], environment: Mapping[str, str], work: Path, take: Callable[[str], None]
) -> Ended:
    """Run a command in the folder ``work``, handing on each line of its output as it comes."""
    with tempfile.TemporaryFile("w+b") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, arguments as a list
            arguments, cwd=work, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        )
        with process:
            for line in process.stdout or ():
                take(line.decode(errors="replace").rstrip("\r\n"))
        errors.seek(0)
        said = errors.read()[-LONGEST_ERROR:].decode(errors="replace").strip()
    return Ended(process.returncode, said or f"mergesmith ended with status {process.returncode} and said nothing")
