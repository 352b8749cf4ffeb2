"""What the Hub tells of a model."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from engine.devhub import git
from engine.devhub.access import commit_at, readable
from engine.devhub.answers import Answer, as_json, bad_request
from engine.devhub.cards import card_of, tags_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from engine.devhub.answers import Call
    from engine.devhub.schema import Commit, Entry, Repo

_LONGEST_HEADER = 100_000_000
PLAIN = ("author", "createdAt", "downloads", "gated", "lastModified", "likes", "private", "sha", "tags")
MORE = ("disabled", "library_name", "pipeline_tag", "spaces")
"""Told unless a client says what it wants: together with ``PLAIN``."""


def model_info(call: Call) -> Answer:
    """GET /api/models/{repo}[/revision/{rev}]?blobs&securityStatus&expand → what the client's ModelInfo reads."""
    repo = readable(call)
    commit = commit_at(call, repo)
    names = call.query.get("expand", []) + call.query.get("expand[]", [])
    names = names or [*PLAIN, *MORE, "cardData", "config", "siblings", "safetensors", "usedStorage"]
    return as_json(described(call, repo, commit, names, blobs=is_true(call, "blobs")))


def is_true(call: Call, name: str) -> bool:
    """Tell whether a query parameter is set."""
    return call.one(name).lower() in {"1", "true"}


def described(call: Call, repo: Repo, commit: Commit, names: Iterable[str], *, blobs: bool = False) -> dict[str, Any]:
    """Return what the Hub tells of a model: its id, and what is in ``names``."""
    card, counts = card_of(call, commit), call.store.counts(repo.id)
    values: dict[str, Callable[[], object]] = {
        "author": lambda: repo.namespace,
        "baseModels": lambda: card.get("base_model"),
        "cardData": lambda: card or None,
        "config": lambda: _config(call, commit),
        "createdAt": lambda: repo.created,
        "disabled": lambda: False,
        "downloads": lambda: counts.downloads,
        "gated": lambda: repo.gated or False,
        "lastModified": lambda: commit.date,
        "library_name": lambda: card.get("library_name"),
        "likes": lambda: counts.likes,
        "pipeline_tag": lambda: task_of(call, card, commit),
        "private": lambda: repo.private,
        "safetensors": lambda: _parameters(call, commit),
        "sha": lambda: commit.oid,
        "siblings": lambda: [_sibling(name, entry, blobs=blobs) for name, entry in commit.files.items()],
        "spaces": list,
        "tags": lambda: tags_of(card, commit, task_of(call, card, commit)),
        "trendingScore": lambda: counts.trending,
        "usedStorage": lambda: sum(entry.size for entry in commit.files.values()),
    }
    if unknown := sorted(set(names) - set(values)):
        raise bad_request(f"the embedded Hub cannot expand {', '.join(unknown)}")
    found = {name: values[name]() for name in dict.fromkeys(names)}
    return {"_id": repo.id, "id": repo.id, "modelId": repo.id} | {k: v for k, v in found.items() if v is not None}


def task_of(call: Call, card: Mapping[str, Any], commit: Commit) -> str | None:
    """Return what a model is for: what its card says, else what the Hub makes of its architecture."""
    if isinstance(task := card.get("pipeline_tag"), str):
        return task
    architectures = (_config(call, commit) or {}).get("architectures") or ()
    return "text-generation" if any(str(name).endswith("ForCausalLM") for name in architectures) else None


def _sibling(name: str, entry: Entry, *, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": name}
    told = {"rfilename": name, "size": entry.size, "blobId": entry.oid}
    return told | ({"lfs": {"sha256": entry.sha256, **pointer_sizes(entry)}} if entry.lfs else {})


def pointer_sizes(entry: Entry) -> dict[str, int]:
    """Return the sizes of an LFS file and of its pointer, as the Hub names them."""
    return {"size": entry.size, "pointerSize": len(git.pointer(entry.sha256, entry.size))}


def _config(call: Call, commit: Commit) -> dict[str, Any] | None:
    entry = commit.files.get("config.json")
    try:
        config = json.loads(call.store.blobs.path(entry.sha256).read_bytes()) if entry else None
    except ValueError:
        return None
    if not isinstance(config, dict):
        return None
    return {key: config[key] for key in ("architectures", "model_type") if key in config}


def _parameters(call: Call, commit: Commit) -> dict[str, Any] | None:
    """Count elements by dtype over the safetensors files, from their headers; None if there are none."""
    counts: dict[str, int] = {}
    for name, entry in commit.files.items():
        if name.endswith(".safetensors"):
            for tensor in _header(call.store.blobs.path(entry.sha256)):
                counts[tensor["dtype"]] = counts.get(tensor["dtype"], 0) + math.prod(tensor["shape"])
    return {"parameters": counts, "total": sum(counts.values())} if counts else None


def _header(file: Path) -> list[dict[str, Any]]:
    """Return the tensors that a safetensors file describes; [] for a file that is none."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > _LONGEST_HEADER:
            return []
        try:
            header = json.loads(opened.read(length))
        except ValueError:
            return []
    return [tensor for name, tensor in header.items() if name != "__metadata__"] if isinstance(header, dict) else []
