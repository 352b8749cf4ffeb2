"""Under which licence a merge may be shared, as far as the parents' own cards tell. Not legal advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.publish.facts import Parent

MIXED_NAME = "mixed-see-model-card"
UNSTATED = "unknown"
OTHER = "other: "
STATE_IT = "find out whether and how the merge may be shared, then state it: publish: {license: …}"
LEAVE_OUT = "state a licence that they all allow, or leave these parents out"


@dataclass(frozen=True)
class Verdict:
    """The card's licence; ``license_name`` and ``license_link`` are for ``other``.

    ``message`` says why, as a clause without a capital or a full stop; ``fix`` what to do, empty where the
    level is ok.
    """

    license: str
    license_name: str | None
    license_link: str | None
    level: Literal["ok", "warning"]
    message: str
    fix: str = ""


@dataclass(frozen=True)
class Terms:
    """What matters of a licence for what is made from a model under it.

    ``reason`` continues "…, which". ``into`` are the other licences that it allows for a derived model, None
    standing for any (it is permissive); ``rank`` orders the permissive ones by how much they ask.
    """

    reason: str
    into: frozenset[str] | None = frozenset()
    rank: int = 0
    derivable: bool = True


def _permissive(rank: int, reason: str) -> Terms:
    return Terms(reason, into=None, rank=rank)


_FREE = _permissive(0, "asks for nothing")
_NOTICE = _permissive(1, "asks to keep its notice")
_NO_DERIVATIVES = Terms("forbids sharing what is made from it", derivable=False)
_USE_RULES = Terms("passes its rules of use on to what is made from it")
_LLAMA = Terms('asks for a name that begins with "Llama", for "Built with Llama", and for its own terms')

TERMS: Mapping[str, Terms] = {
    "cc0-1.0": _FREE,
    "unlicense": _FREE,
    "wtfpl": _FREE,
    "pddl": _FREE,
    "mit": _NOTICE,
    "isc": _NOTICE,
    "zlib": _NOTICE,
    "ncsa": _NOTICE,
    "postgresql": _NOTICE,
    "bsl-1.0": _NOTICE,
    "cdla-permissive-2.0": _NOTICE,
    "bsd": _NOTICE,
    "bsd-2-clause": _NOTICE,
    "bsd-3-clause": _permissive(2, "asks to keep its notice and not to advertise with its authors' names"),
    "cc-by-4.0": _permissive(3, "asks for credit, a link to it and a word on what was changed"),
    "apache-2.0": _permissive(4, "asks to keep its notices and to say what was changed"),
    "cc-by-sa-4.0": Terms("asks that what is made from it is shared alike", frozenset({"gpl-3.0"})),
    "cc-by-nc-4.0": Terms("forbids commercial use", frozenset({"cc-by-nc-sa-4.0"})),
    "cc-by-nc-sa-4.0": Terms("forbids commercial use, and asks that what is made from it is shared alike"),
    "cc-by-nd-4.0": _NO_DERIVATIVES,
    "cc-by-nc-nd-3.0": _NO_DERIVATIVES,
    "cc-by-nc-nd-4.0": _NO_DERIVATIVES,
    "lgpl-3.0": Terms("asks that changes to it stay under it", frozenset({"gpl-3.0", "agpl-3.0"})),
    "gpl-3.0": Terms("asks that what is made from it stays under it", frozenset({"agpl-3.0"})),
    "agpl-3.0": Terms("asks that what is made from it, and served with it, stays under it"),
    "openrail": _USE_RULES,
    "openrail++": _USE_RULES,
    "bigscience-openrail-m": _USE_RULES,
    "bigscience-bloom-rail-1.0": _USE_RULES,
    "bigcode-openrail-m": _USE_RULES,
    "creativeml-openrail-m": _USE_RULES,
    "gemma": Terms("asks that its terms and its rules of use go along with what is made from it"),
    "llama2": Terms("asks that its terms and its notice go along with what is made from it"),
    "llama3": Terms('asks for a name that begins with "Llama 3", for "Built with Meta Llama 3", and for its terms'),
    "llama3.1": _LLAMA,
    "llama3.2": _LLAMA,
    "llama3.3": _LLAMA,
    "llama4": _LLAMA,
}
"""Licences by their identifier on the Hub. One that is not here stands alone: it goes with itself only."""

_OWN_ONLY = Terms("")


def combine(parents: Sequence[Parent], declared: str | None, declared_name: str | None = None) -> Verdict:
    """Work out the merge's licence from its parents', or hold the recipe's own word against them.

    All parents alike: that licence. Else the one parent's licence that every other parent's allows, and among
    permissive ones that which asks most. Else ``other``, with a warning; ``unknown``, with a warning, where a
    parent states none. ``declared`` (``publish: {license: …}``) always wins, with a warning where a parent's
    licence does not allow it; ``declared_name`` is what the recipe calls a licence that it declares as ``other``.
    A parent that forbids derived models is always a warning.
    """
    held = _held(parents)
    forbidden = [
        f"{_and(refs)} {_are(refs)} under {key}, which {TERMS[key].reason}"
        for key, refs in held.items()
        if key in TERMS and not TERMS[key].derivable
    ]
    chosen = declared.strip().lower() if declared else _chosen(held)
    problems = [*forbidden, *(_against(chosen, held) if declared else _unsettled(chosen, held))]
    name, link = (declared_name, None) if declared_name else _name_and_link(chosen, parents)
    if not problems:
        reason = _declared_reason(chosen, held) if declared else _computed_reason(chosen, held)
        return Verdict(_identifier(chosen), name, link, "ok", reason)
    fix = LEAVE_OUT if declared else STATE_IT
    return Verdict(_identifier(chosen), name, link, "warning", "; ".join(problems), fix)


def _key(parent: Parent) -> str:
    """What tells two licences apart: the identifier, and for ``other`` its name or else the model itself."""
    identifier = (parent.license or UNSTATED).strip().lower()
    if identifier != "other":
        return identifier
    return OTHER + (parent.license_name or f"the licence of {parent.ref}")


def _identifier(key: str) -> str:
    return "other" if key.startswith(OTHER) else key


def _held(parents: Sequence[Parent]) -> dict[str, list[str]]:
    """Licence → the parents under it, in recipe order, each once."""
    held: dict[str, list[str]] = {}
    for parent in parents:
        refs = held.setdefault(_key(parent), [])
        if parent.ref not in refs:
            refs.append(parent.ref)
    return held


def _allows(key: str, other: str) -> bool:
    into = TERMS.get(key, _OWN_ONLY).into
    return key == other or into is None or other in into


def _goes_with_all(key: str, held: Mapping[str, list[str]]) -> bool:
    """Whether every parent's licence allows ``key``; of one with unknown terms nobody can tell (gpl-2.0)."""
    return len(held) == 1 or (key in TERMS and all(_allows(each, key) for each in held))


def _chosen(held: Mapping[str, list[str]]) -> str:
    if UNSTATED in held or not held:
        return UNSTATED
    fitting = [key for key in held if _goes_with_all(key, held)]
    return max(fitting, key=lambda key: TERMS.get(key, _OWN_ONLY).rank, default="other")


def _unsettled(chosen: str, held: Mapping[str, list[str]]) -> list[str]:
    """Why the parents' licences give none."""
    if not held:
        return ["there is no parent to take a licence from"]
    if chosen == UNSTATED:
        refs = held[UNSTATED]
        return [f"{_and(refs)} {'state' if len(refs) > 1 else 'states'} no licence"]
    return [f"the parents' licences do not go together: {_listed(held)}"] if chosen == "other" else []


def _against(declared: str, held: Mapping[str, list[str]]) -> list[str]:
    """Which parents do not allow what the recipe declares; ``other`` may be anything."""
    against = {key: refs for key, refs in held.items() if key != UNSTATED and not _allows(key, declared)}
    if declared == "other" or not against:
        return []
    return [f"the recipe states {declared}, which not every parent allows: {_listed(against)}"]


def _name_and_link(chosen: str, parents: Sequence[Parent]) -> tuple[str | None, str | None]:
    """For ``other``: the name and address where all parents share one, or a name that sends one to the card."""
    if _identifier(chosen) != "other":
        return None, None
    keys = {_key(parent) for parent in parents}
    if len(keys) == 1 and keys.pop().startswith(OTHER):
        return parents[0].license_name or MIXED_NAME, parents[0].license_url
    return MIXED_NAME, None


def _declared_reason(declared: str, held: Mapping[str, list[str]]) -> str:
    return f"the recipe states {declared}; the parents: {_listed(held)}"


def _computed_reason(chosen: str, held: Mapping[str, list[str]]) -> str:
    which = f", which {TERMS[chosen].reason}" if chosen in TERMS else ""
    refs = held[chosen]
    everyone = len(held) == 1 and len(refs) > 1
    first = f"{'all parents' if everyone else _and(refs)} {_are(refs)} under {chosen.removeprefix(OTHER)}{which}"
    rest = {key: refs for key, refs in held.items() if key != chosen}
    return f"{first}; the others allow that, and their notices stay: {_listed(rest)}" if rest else first


def _listed(held: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{key.removeprefix(OTHER)} ({_and(refs)})" for key, refs in held.items())


def _and(refs: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(refs[:-1]), refs[-1]]))


def _are(refs: Sequence[str]) -> str:
    return "are" if len(refs) > 1 else "is"
