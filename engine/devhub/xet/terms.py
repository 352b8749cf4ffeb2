"""Which parts of which xorbs a client has to fetch for a part of a file. Source: the specification's "CAS API"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.devhub.xet.shard import Term

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from engine.devhub.xet.xorb import Chunk


def cut(terms: Iterable[Term], xorbs: Mapping[str, Sequence[Chunk]], begin: int, end: int) -> tuple[int, list[Term]]:
    """Return the terms that hold bytes ``begin`` to before ``end`` of a file, without chunks that hold none.

    With them comes how many bytes of the first one lie before ``begin``.
    """
    found: list[Term] = []
    skipped = at = 0
    for term in terms:
        held: list[int] = []
        for number in range(term.begin, term.end):
            size = xorbs[term.xorb][number].size
            if at < end and begin < at + size:
                if not held and not found:
                    skipped = begin - at
                held.append(number)
            at += size
        if held:
            size = sum(xorbs[term.xorb][number].size for number in held)
            found.append(Term(term.xorb, held[0], held[-1] + 1, size))
    return skipped, found


def ranges(terms: Iterable[Term]) -> dict[str, list[tuple[int, int]]]:
    """Return the ranges of chunks of each xorb that ``terms`` need, sorted; those that touch are one."""
    found: dict[str, list[tuple[int, int]]] = {}
    for term in sorted(terms, key=lambda term: (term.begin, term.end)):
        spans = found.setdefault(term.xorb, [])
        if spans and term.begin <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], term.end))
        else:
            spans.append((term.begin, term.end))
    return found
