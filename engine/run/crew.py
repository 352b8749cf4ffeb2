"""Who computes: threads, or processes side by side. Work is in order, and every one of them sees the same results.

Python's threads wait for each other between any two operations of torch, so two of them gain about a third, and four
little more. Processes wait for nobody; but to part one in two takes a while, so small shards are left to threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

S = TypeVar("S")
T = TypeVar("T")


class Crew(Protocol):
    """Goes through the same program: where there are several processes, each calls the same methods in turn."""

    number: int
    """Which process this is; 0 leads, and is the only one to tell the outside anything."""
    count: int
    """How many processes there are."""

    def memory(self, size: int) -> memoryview:
        """Give ``size`` bytes that all of them see, the same ones each time."""
        ...

    def each(self, function: Callable[[S], T], items: Sequence[S]) -> Iterator[T]:
        """Yield ``function(item)`` for every item, in order, in every process, each of which does its share."""
        ...

    def run(self, function: Callable[[S], object], items: Sequence[S]) -> None:
        """Call ``function`` for every item. Only the leader waits until all are done."""
        ...

    def together(self) -> None:
        """Wait until all have come this far."""
        ...
