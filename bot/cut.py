"""Documents that must not be too long: whole parts are left out, never half a table, fence or fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COMMENT = 65_536
"""Characters that a comment or an issue may have."""
SUMMARY = 1024 * 1024 - 1024
"""Bytes that a step's summary may have, a little less than GitHub's 1 MiB."""


@dataclass(frozen=True)
class Part:
    """A piece of Markdown that stands or goes as a whole; what has the highest ``rank`` goes first, 0 never."""

    text: str
    rank: int = 0


def characters(text: str) -> int:
    """Length as GitHub may count it at most: UTF-16 code units."""
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def octets(text: str) -> int:
    """Length in UTF-8."""
    return len(text.encode(errors="replace"))


def fitted(parts: Sequence[Part], limit: int, measure: Callable[[str], int], note: str) -> str:
    """Join parts; where they are longer than ``limit``, leave some out and put ``note`` at the end.

    Those of the highest rank go first, the last of them before the earlier. Parts of rank 0 are the caller's
    promise: together with the note they fit.
    """
    kept = [part for part in parts if part.text]
    length = sum(measure(part.text) + 2 for part in kept)
    if length <= limit:
        return _joined(kept)
    room = limit - measure(note) - 2
    order = sorted(range(len(kept)), key=lambda i: (kept[i].rank, i))
    gone: set[int] = set()
    while length > room and order and kept[order[-1]].rank > 0:
        last = order.pop()
        gone.add(last)
        length -= measure(kept[last].text) + 2
    return _joined([*(part for i, part in enumerate(kept) if i not in gone), Part(note)])


def _joined(parts: Sequence[Part]) -> str:
    return "\n\n".join(part.text for part in parts)
