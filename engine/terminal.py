"""Events in a terminal: a bar where somebody watches, lines in a log, JSON lines for a program."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from engine.events import (
    Event,
    Published,
    Said,
    ShardDone,
    ShardKept,
    ShardUploaded,
    Started,
    TensorDone,
    json_line,
    silent,
)
from engine.plan.show.words import plain, plural, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.events import Report


@contextmanager
def reporting(*, json: bool, quiet: bool) -> Iterator[Report]:
    """Choose how events are shown, for the length of a command."""
    if json:
        yield lambda event: print(json_line(event), flush=True)  # noqa: T201 - this is the output asked for
    elif quiet:
        yield silent
    elif sys.stderr.isatty():
        with _bar() as progress:
            yield _Bar(progress)
    else:
        yield _log


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, highlight=False),
        transient=True,
    )


class _Bar:
    """Moves a bar by the bytes that are done, and prints what stays above it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("reading headers", total=None)

    def __call__(self, event: Event) -> None:
        match event:
            case Started():
                self._progress.update(self._task, total=event.nbytes, description="merging")
            case TensorDone():
                self._progress.update(self._task, advance=event.nbytes, description=event.shard)
            case ShardKept():
                self._progress.update(self._task, advance=event.nbytes)
                self._progress.print(line_of(event), markup=False)
            case _:
                self._progress.print(line_of(event), markup=False)


def _log(event: Event) -> None:
    if not isinstance(event, TensorDone):
        sys.stderr.write(line_of(event) + "\n")


def line_of(event: Event) -> str:
    """One line about an event, whatever the names in it hold."""
    return plain(_words(event))


def _words(event: Event) -> str:  # noqa: PLR0911 - one for each kind of event
    match event:
        case Started():
            what = plural(event.tensors, "tensor")
            return f"merging {what} into {plural(event.shards, 'shard')}, {size(event.nbytes)}"
        case ShardKept():
            return f"{event.file}: finished by an earlier run, {size(event.nbytes)}"
        case TensorDone():
            return f"{event.name}: {size(event.nbytes)}"
        case ShardDone():
            return f"{event.file}: {size(event.nbytes)}, sha256 {event.sha256[:16]}"
        case ShardUploaded():
            return f"{event.file}: uploaded"
        case Published():
            return f"done: {event.where}, {plural(event.files, 'file')}, {size(event.nbytes)}"
        case Said():
            return event.text
