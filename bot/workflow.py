"""What a step tells its runner: workflow commands as text, outputs and summary as files.

A line of a log that begins with ``::`` is a command, whoever wrote it. So texts of others stand between
``stop-commands`` lines, and what goes into a command is escaped as the runner's own toolkit does it.
"""

from __future__ import annotations

import secrets
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import TextIO

    from engine.findings import Finding

MOST_ANNOTATIONS = 10
"""Of each kind that a step may have: the runner drops the rest without a word."""
HIDDEN = "***"
_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


@dataclass(frozen=True)
class Annotation:
    """A finding of the file ``path`` of the repo; "" for one of no file."""

    path: str
    finding: Finding


def escape_data(text: str) -> str:
    """Escape what stands after a command's second ``::``."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Escape the value of a command's property."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def annotation(note: Annotation) -> str:
    """Write the command that shows a finding on its line."""
    finding = note.finding
    text = f"{finding.message}; {finding.fix}" if finding.fix else finding.message
    place = f"file={escape_property(note.path)},line={finding.line},col={finding.column}," if note.path else ""
    title = escape_property(f"mergesmith: {finding.id}")
    return f"::{_COMMANDS[finding.level]} {place}title={title}::{escape_data(text)}"


def annotation_lines(notes: Sequence[Annotation]) -> list[str]:
    """Write the commands for the first ten of each level, errors first."""
    return [
        annotation(note)
        for level in _COMMANDS
        for note in [note for note in notes if note.finding.level == level][:MOST_ANNOTATIONS]
    ]


class Log:
    """The step's log. Every secret of ``hide`` is left out of all that passes through here."""

    def __init__(self, hide: Iterable[str] = (), stream: TextIO | None = None) -> None:
        self._secrets = sorted({secret for secret in hide if secret}, key=len, reverse=True)
        self._stream = sys.stdout if stream is None else stream
        self._stopped: str | None = None

    def redact(self, text: str) -> str:
        """Replace secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def mask(self) -> None:
        """Tell the runner to hide the secrets wherever they turn up."""
        for secret in self._secrets:
            self._put(f"::add-mask::{escape_data(secret)}")

    def command(self, line: str) -> None:
        """Write a command that is escaped already."""
        self._put(self.redact(line))

    def say(self, text: str) -> None:
        """Write text, whoever it comes from: no line of it is a command."""
        if self._stopped is not None:
            self._put(self.redact(text))
        else:
            with self._inert():
                self._put(self.redact(text))

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold what is said meanwhile under a title."""
        self.command(f"::group::{escape_data(title)}")
        try:
            with self._inert():
                yield
        finally:
            self.command("::endgroup::")

    @contextmanager
    def _inert(self) -> Iterator[None]:
        token = self._stopped = secrets.token_hex(16)
        self._put(f"::stop-commands::{token}")
        try:
            yield
        finally:
            self._stopped = None
            self._put(f"::{token}::")

    def _put(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


def write_outputs(path: Path, outputs: Mapping[str, str]) -> None:
    """Append a step's outputs to its ``GITHUB_OUTPUT`` file; random delimiters keep values from adding others."""
    with path.open("a", encoding="utf-8", errors="replace") as file:
        for name, value in outputs.items():
            delimiter = f"mergesmith_{secrets.token_hex(16)}"
            file.write(f"{name}<<{delimiter}\n{value}\n{delimiter}\n")


def write_summary(path: Path, text: str) -> None:
    """Append to the job's summary."""
    with path.open("a", encoding="utf-8", errors="replace") as file:
        file.write(text + "\n")
