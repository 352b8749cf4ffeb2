"""The journal of a run: which shards are whole, so that a second run goes on where the first one stopped."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from engine.canonical import digest, pretty
from engine.run.files import write_atomically
from engine.run.shard import FinishedShard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.plan.plan import Plan

JOURNAL = "journal.json"


def layout_digest(plan: Plan) -> str:
    """Digest of which tensor lies in which file: shards of another layout are never mixed in."""
    return digest([[shard.file, [plan.tensors[number].name for number in shard.tensors]] for shard in plan.shards])


def _local(plan: Plan) -> list[list[object]]:
    """Size and time of local weights that are pinned by their header only; a journal never leaves the machine."""
    folders = [(pin, Path(pin.ref)) for pin in plan.models if pin.kind == "local"]
    paths = [folder / file.name for pin, folder in folders for file in pin.files if file.hash.startswith("header-")]
    return [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in paths]


def read_journal(folder: Path, plan: Plan) -> dict[str, FinishedShard]:
    """Shards that a journal in ``folder`` calls whole, if it belongs to this plan; else none."""
    path = folder / JOURNAL
    try:
        data = json.loads(path.read_bytes())
        found = data["weights_digest"], data["layout"], data["local"]
        if found != (plan.weights_digest, layout_digest(plan), _local(plan)):
            return {}
        return {shard["file"]: FinishedShard(**shard) for shard in data["shards"]}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}


def write_journal(folder: Path, plan: Plan, shards: Mapping[str, FinishedShard]) -> None:
    """Replace the journal, atomically."""
    data = {
        "weights_digest": plan.weights_digest,
        "layout": layout_digest(plan),
        "local": _local(plan),
        "shards": [asdict(shard) for shard in shards.values()],
    }
    write_atomically(folder / JOURNAL, pretty(data).encode())
