"""The record of a finished model: every other file's hash, every tensor's digest, and what the card is made of.

Nothing in it differs between two runs of one lock: no time, no machine, no duration.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from engine.canonical import pretty
from engine.errors import MergeError
from engine.publish.facts import CardFacts, Parent
from engine.version import ENGINE, NUMERICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.plan.plan import Plan
    from engine.run.shard import FinishedShard

RECORD = "merge.record.json"
FORMAT = 1


def make_record(plan: Plan, facts: CardFacts, shards: Sequence[FinishedShard], files: Mapping[str, str]) -> str:
    """Make the text of ``merge.record.json``; ``files`` maps every other file to its sha256."""
    return pretty(
        {
            "mergesmith_record": FORMAT,
            "versions": {"engine": ENGINE, "numerics": NUMERICS},
            "weights_digest": plan.weights_digest,
            "plan_digest": plan.digest,
            "files": dict(files),
            "tensors": {name: sha256 for shard in shards for name, sha256 in shard.tensors.items()},
            "findings": [asdict(finding) for finding in plan.findings],
            "card": asdict(facts),
        }
    )


def read_record(text: bytes, where: str) -> Mapping[str, Any]:
    """Parse a record; ``MergeError`` where it is not one that this engine can read."""
    try:
        data = json.loads(text)
        version = data["mergesmith_record"]
    except (ValueError, KeyError, TypeError):
        raise MergeError(f"{where} is not a record of a merge; merge again to write one") from None
    if version != FORMAT:
        raise MergeError(f"{where} has format {version}, and this engine reads format {FORMAT}; upgrade mergesmith")
    record: Mapping[str, Any] = data
    return record


def facts_from(record: Mapping[str, Any]) -> CardFacts:
    """Take the card's facts out of a record."""
    stored = dict(record["card"])
    parents = tuple(Parent(**parent) for parent in stored.pop("parents"))
    methods = tuple(tuple(method) for method in stored.pop("methods"))
    lists = {name: tuple(stored.pop(name)) for name in ("tags", "language", "warnings")}
    return CardFacts(**stored, **lists, parents=parents, methods=methods)
