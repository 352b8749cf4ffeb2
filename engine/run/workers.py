"""The threads of a run: work in order, a bounded number of results ahead, and nothing left behind on an error.

Torch's own threads would be quicker by a fifth where they have the cores for themselves. Where they have not, they wait
for each other at the end of every operation, and a merge takes twenty times as long.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

from engine.interrupts import heed, result_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from typing import Self

S = TypeVar("S")
T = TypeVar("T")


class Workers:
    """``threads`` threads, and memory that they fill; a context, at whose end the threads are gone.

    One thread is the caller's own.
    """

    number, count = 0, 1

    def __init__(self, threads: int) -> None:
        self._alone = threads == 1
        self._pool = ThreadPoolExecutor(threads, "merge")
        self._ahead = 2 * threads
        self._memory = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def memory(self, size: int) -> memoryview:
        """Give ``size`` bytes, the same ones each time: to read into fresh memory takes four times as long."""
        if len(self._memory) < size:
            self._memory = bytearray()  # gone before there is more
            self._memory = bytearray(size)
        return memoryview(self._memory)[:size]

    def each(self, function: Callable[[S], T], items: Sequence[S]) -> Iterator[T]:
        """Yield ``function(item)`` for every item, in order; no more than twice ``threads`` are under way.

        So what results weigh does not grow with their number. On an error, or an interruption, what is under way
        is waited for and the rest is never begun: after that nobody writes to files that the caller closes. One item
        alone is done in the caller's thread: most tensors are small, and handing over costs more than they do.
        """
        if self._alone or len(items) == 1:
            for item in items:
                heed()
                yield function(item)
            return
        running: deque[Future[T]] = deque()
        try:
            for item in items:
                running.append(self._pool.submit(function, item))
                if len(running) >= self._ahead:
                    yield _first(running)
            while running:
                yield _first(running)
        finally:
            for future in running:
                future.cancel()
            wait(running)

    def run(self, function: Callable[[S], object], items: Sequence[S]) -> None:
        """Call ``function`` for every item."""
        for _ in self.each(function, items):
            pass

    def together(self) -> None:
        """Nobody else is there to be waited for."""


def _first(running: deque[Future[T]]) -> T:
    # It leaves the queue only once it is done, so that an interruption here still waits for it.
    result = result_of(running[0])
    running.popleft()
    return result
