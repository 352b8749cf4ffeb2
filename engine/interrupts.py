"""Interruptions at moments of our choosing.

Python raises KeyboardInterrupt between any two of its instructions, in its own library too. An import that it passes
through is left in pieces, and a lock that was just taken is never given back: threads that need it wait for ever.
"""

from __future__ import annotations

import signal
import threading
from concurrent.futures import wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object]

T = TypeVar("T")
INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)
LOOK = 0.1
"""Seconds between two looks for an interruption, while something is waited for."""

_handlers: dict[int, Handler] = {}
"""Who handles what is deferred; empty where nothing is. Signals are the process's own, and so is this."""
_waiting: list[int] = []
"""What came while it was deferred."""


@contextmanager
def held() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the block's end, in this thread and in those that start within it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTIONS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def deferred() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait for the next ``heed``, or for the block's end; a second one waits no longer.

    For what shares locks with threads. It does nothing inside another such block, nor for signals that no function
    handles, nor in other threads than the main one, for those are never interrupted.
    """
    if _handlers or threading.current_thread() is not threading.main_thread():
        yield
        return
    _handlers.update({number: handler for number in INTERRUPTIONS if callable(handler := signal.getsignal(number))})
    for number in _handlers:
        signal.signal(number, _note)
    try:
        yield
    finally:
        for number, handler in _handlers.items():
            signal.signal(number, handler)
        try:
            heed()
        finally:
            _handlers.clear()


def _note(number: int, frame: FrameType | None) -> None:
    if _waiting:
        _waiting.clear()
        _handlers[number](number, frame)
    else:
        _waiting.append(number)


def heed() -> None:
    """Let an interruption that was deferred happen here."""
    if _waiting:
        number = _waiting.pop()
        _handlers[number](number, None)


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
