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
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or "mergesmith_record" not in data:
        raise MergeError(f"{where} is not a record of a merge; remove it, or pass --force to replace it")
    if data["mergesmith_record"] != FORMAT:
        raise MergeError(
            f"{where} has format {data['mergesmith_record']}, and this engine reads format {FORMAT}; upgrade mergesmith"
        )
    if not _is_whole(data):
        raise MergeError(f"{where} is a damaged record of a merge; remove it, or pass --force to replace it")
    record: Mapping[str, Any] = data
    return record


def _is_whole(data: Mapping[str, Any]) -> bool:
    """Whether everything that is read from a record is there, of the right kind."""
    digests = (data.get("weights_digest"), data.get("plan_digest"))
    hashes = (data.get("files"), data.get("tensors"))
    return (
        all(isinstance(digest, str) for digest in digests)
        and all(isinstance(each, dict) and all(isinstance(h, str) for h in each.values()) for each in hashes)
        and isinstance(data.get("card"), dict)
    )


def facts_from(record: Mapping[str, Any], where: str = RECORD) -> CardFacts:
    """Take the card's facts out of a record, which ``where`` names in errors; ``MergeError`` where they lack any."""
    stored = dict(record["card"])
    try:
        stored["parents"] = tuple(Parent(**parent) for parent in stored["parents"])
        stored["methods"] = tuple(tuple(method) for method in stored["methods"])
        stored |= {name: tuple(stored[name]) for name in ("tags", "language", "warnings")}
        return CardFacts(**stored)
    except (KeyError, TypeError):
        raise MergeError(
            f"{where} lacks facts that a card is made of; use the mergesmith that wrote it, or merge again"
        ) from None
