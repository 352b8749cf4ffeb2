"""Interruptions at moments of our choosing.

Python raises KeyboardInterrupt between any two of its instructions, in its own library too. An import that it passes
through is left in pieces, and a lock that was just taken is never given back: threads that need it wait for ever.
"""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

T = TypeVar("T")
LOOK = 0.1
"""Seconds between two looks for an interruption, while something is waited for."""
PATIENCE = 1.0
"""Seconds after which a second interruption waits no longer. Before, it is the first one told twice: to a process by
its number and to all of its group, say."""


@dataclass
class _State:
    """What the process was told. Signals are the process's own, and so is this."""

    deferring: bool = False
    since: float | None = None
    """When the first interruption of a ``deferred`` block came."""
    stopping: bool = False
    """Whether it has happened, and what is under way is being left."""

    @property
    def waiting(self) -> bool:
        """Whether it is still to happen."""
        return self.since is not None and not self.stopping

    def begin(self) -> None:
        """Defer what comes from now on."""
        self.since, self.stopping, self.deferring = None, False, True


_state = _State()


def take_over() -> None:
    """Have SIGINT and SIGTERM raise KeyboardInterrupt from now on, in ``deferred`` blocks only where they look for it.

    For a program's ``main``. A SIGINT that whoever started it had ignored stays so.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupted)
    signal.signal(signal.SIGTERM, _interrupted)


def _interrupted(_number: int, _frame: object) -> None:
    if not _state.deferring:
        raise KeyboardInterrupt
    if _state.since is None:
        _state.since = time.monotonic()
    elif time.monotonic() - _state.since >= PATIENCE:
        raise KeyboardInterrupt


@contextmanager
def deferred() -> Iterator[None]:
    """Let an interruption wait for the next ``heed``, or for the block's end; a second one waits no longer.

    For what shares locks with threads, and for imports. It does nothing inside another such block, nor in other threads
    than the main one, for those are never interrupted, nor where the program did not ``take_over``.
    """
    if _state.deferring or not _in_main_thread():
        yield
        return
    _state.begin()
    try:
        yield
    finally:
        _state.deferring = False  # from here on they are raised at once
        if _state.waiting:
            raise KeyboardInterrupt


def heed() -> None:
    """Let an interruption that was deferred happen here; in other threads than the main one, once it has there."""
    if not _state.deferring or not (_state.waiting if _in_main_thread() else _state.stopping):
        return
    _state.stopping = True
    raise KeyboardInterrupt


def pause(seconds: float) -> None:
    """Sleep, and heed interruptions meanwhile."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        heed()
        time.sleep(min(left, LOOK))


def result_of(future: Future[T]) -> T:
    """Wait for a future's result, and heed interruptions meanwhile."""
    while not future.done():
        heed()
        wait([future], LOOK)
    return future.result()


def results_of(futures: Sequence[Future[T]]) -> list[T]:
    """Wait for the results of all, as ``result_of`` does; on an error what has not begun never does."""
    try:
        return [result_of(future) for future in futures]
    finally:
        for future in futures:
            future.cancel()


def _in_main_thread() -> bool:
    return threading.get_ident() == threading.main_thread().ident
