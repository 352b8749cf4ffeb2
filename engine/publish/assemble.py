"""Everything of a finished model but its weights: config, side files, recipe, lock, card, record."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from engine.canonical import pretty
from engine.checkpoints.checkpoint import INDEX
from engine.checkpoints.side_files import is_tokenizer_file
from engine.plan.lock import lock_of, lock_text
from engine.plan.shards import index_of
from engine.publish.card import render
from engine.publish.lineage import LOCK, RECIPE, facts_of
from engine.publish.record import RECORD, make_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.plan.models import Models
    from engine.plan.plan import Plan
    from engine.run.shard import FinishedShard

CARD = "README.md"
CONFIG = "config.json"


def file_names(plan: Plan) -> tuple[str, ...]:
    """Names of all files that the finished model will have, weights included."""
    index = (INDEX,) if len(plan.shards) > 1 else ()
    made = (CONFIG, *index, RECIPE, LOCK, CARD, RECORD)
    return (*(shard.file for shard in plan.shards), *(file.name for file in plan.side_files), *made)


def assemble(plan: Plan, models: Models, shards: Sequence[FinishedShard]) -> dict[str, bytes]:
    """Make the content of every file beside ``shards``; the record, with the hashes of all others, comes last."""
    files = {
        file.name: models.checkpoints[plan.lender if file.model is None else file.model].side_file(file.name)
        for file in plan.side_files
    }
    facts = facts_of(
        plan,
        has_tokenizer=any(is_tokenizer_file(name) for name in files),
        has_chat_template=_has_chat_template(files),
    )
    files[CONFIG] = (json.dumps(plan.config, indent=2, ensure_ascii=False) + "\n").encode()
    if len(plan.shards) > 1:
        files[INDEX] = pretty(index_of(plan.shards, plan.tensors)).encode()
    files[RECIPE] = plan.text.encode()
    files[LOCK] = lock_text(lock_of(plan)).encode()
    files[CARD] = render(facts).encode()
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    hashes |= {shard.file: shard.sha256 for shard in shards}
    files[RECORD] = make_record(plan, facts, shards, hashes).encode()
    return files


def _has_chat_template(files: Mapping[str, bytes]) -> bool:
    if "chat_template.jinja" in files or "chat_template.json" in files:
        return True
    try:
        config = json.loads(files.get("tokenizer_config.json", b"{}"))
    except ValueError:
        return False
    return isinstance(config, dict) and bool(config.get("chat_template"))
