"""The process that publishes: what it is told, what it says, and how it is stopped."""

from __future__ import annotations

import signal
import subprocess
import threading
from typing import TYPE_CHECKING

from engine.process import leashed, to_write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

HIDDEN = "***"


def arguments(recipe: str, target: str, *, create_pr: bool) -> list[str]:
    """Write the command that publishes the recipe file ``recipe``, with the lock beside it, to ``target``."""
    options = ["--create-pr"] if create_pr else []
    return leashed("publish", "--events", "json", "--require-lock", "--repo", target, *options, "--", recipe)


def variables(
    environment: Mapping[str, str], token: str, target: str, endpoint: str, temporary: Path
) -> dict[str, str]:
    """Choose the environment of a process that publishes: the one place where the token goes."""
    return to_write(environment, token, target) | {"HF_ENDPOINT": endpoint, "TMPDIR": str(temporary)}


class Child:
    """A running process, which ends when this one does. ``secret`` is struck from all that it says."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], work: Path, secret: str) -> None:
        self._secret = secret
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, arguments as a list
            arguments,
            cwd=work,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a terminal is for us, and we tell the child
        )
        self._killing: threading.Timer | None = None

    def lines(self) -> Iterator[str]:
        """Give each line of its output and errors as it comes, until it ends."""
        for line in self._process.stdout or ():
            yield line.decode(errors="replace").rstrip("\r\n").replace(self._secret, HIDDEN)

    def interrupt(self, grace: float) -> None:
        """Ask it to stop, and kill it if it has not after so many seconds. Once is enough."""
        if self._killing is None:
            self._killing = threading.Timer(grace, self._process.kill)
            self._killing.daemon = True
            self._killing.start()
            self._process.send_signal(signal.SIGINT)

    def wait(self) -> int:
        """Return the exit status, once it has ended."""
        with self._process:  # closes its files
            status = self._process.wait()
        if self._killing is not None:
            self._killing.cancel()
        return status
