from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import BadRequestError, RevisionNotFoundError

from engine.devhub import Server

Api = Callable[[str | None], HfApi]
CARD = b"""---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
base_model: [org/a, org/b]
base_model_relation: merge
tags: [merge, mergekit]
---
# Card
"""


def safetensors(tensors: dict[str, tuple[str, list[int]]], data: bytes) -> bytes:
    header = {name: {"dtype": d, "shape": s, "data_offsets": [0, 0]} for name, (d, s) in tensors.items()}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return len(text).to_bytes(8, "little") + text + data


def test_model_info_at_a_revision(devhub: Server, devhub_api: Api) -> None:
    devhub.store.create_repo("alice/m", "alice")
    weights = safetensors({"w": ("BF16", [4, 5]), "b": ("F32", [3]), "s": ("F32", [])}, b"x" * 52)
    first = devhub.store.commit_files(
        "alice/m",
        {"README.md": CARD, "model.safetensors": weights, "config.json": b'{"model_type": "llama", "x": 1}'},
        "first",
    )
    second = devhub.store.commit_files("alice/m", {"notes.txt": b"n"}, "second")
    api = devhub_api(None)
    assert api.model_info("alice/m").sha == second
    info = api.model_info("alice/m", revision=first, files_metadata=True, securityStatus=True)
    assert info.sha == first
    assert (info.safetensors.parameters, info.safetensors.total) == ({"BF16": 20, "F32": 4}, 24)
    assert info.config == {"model_type": "llama"}
    assert info.card_data.to_dict()["base_model_relation"] == "merge"
    assert info.tags == [
        "transformers", "safetensors", "merge", "mergekit", "text-generation", "en", "base_model:org/a",
        "base_model:merge:org/a", "base_model:org/b", "base_model:merge:org/b", "license:apache-2.0",
    ]  # fmt: skip
    assert (info.pipeline_tag, info.gated, info.private) == ("text-generation", False, False)
    files = {f.rfilename: f for f in info.siblings}
    assert sorted(files) == [".gitattributes", "README.md", "config.json", "model.safetensors"]
    sha256 = hashlib.sha256(weights).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(weights)}\n".encode()
    large = files["model.safetensors"]
    assert (large.size, large.lfs.size, large.lfs.sha256) == (len(weights), len(weights), sha256)
    assert large.lfs.pointer_size == len(pointer)
    assert large.blob_id == hashlib.sha1(b"blob %d\0" % len(pointer) + pointer).hexdigest()
    assert files["README.md"].blob_id == hashlib.sha1(b"blob %d\0" % len(CARD) + CARD).hexdigest()
    assert files["README.md"].lfs is None


def test_sizes_are_told_only_where_asked_for(devhub: Server, devhub_api: Api) -> None:
    devhub.store.create_repo("alice/m", "alice")
    assert [f.size for f in devhub_api(None).model_info("alice/m").siblings] == [None]


def test_expand_gives_what_is_named_and_no_more(devhub: Server, devhub_api: Api) -> None:
    devhub.store.create_repo("alice/m", "alice", gated=True)
    info = devhub_api(None).model_info("alice/m", expand=["sha", "gated", "usedStorage", "cardData", "baseModels"])
    size = devhub.store.commit("alice/m", info.sha).files[".gitattributes"].size
    assert (info.gated, info.used_storage, info.siblings, info.card_data) == ("manual", size, None, None)
    with pytest.raises(BadRequestError, match="cannot expand gguf"):
        devhub_api(None).model_info("alice/m", expand=["gguf"])


def test_a_revision_that_is_not_there(devhub: Server, devhub_api: Api) -> None:
    sha = devhub.store.create_repo("alice/m", "alice").oid
    for revision in ("dev", "0" * 40, sha[:7]):
        with pytest.raises(RevisionNotFoundError, match="Invalid rev id"):
            devhub_api(None).model_info("alice/m", revision=revision)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"README.md": CARD, "config.json": b'{"architectures": ["BertForMaskedLM"]}'}, "text-generation"),
        ({"config.json": b'{"architectures": ["LlamaForCausalLM"]}'}, "text-generation"),
        ({"config.json": b'{"architectures": ["BertForMaskedLM"]}'}, None),
        ({"config.json": b'{"architectures": null}'}, None),
        ({}, None),
    ],
)
def test_what_a_model_is_for(devhub: Server, devhub_api: Api, files: dict[str, bytes], expected: str | None) -> None:
    devhub.store.create_repo("alice/m", "alice")
    devhub.store.commit_files("alice/m", files, "files")
    info = devhub_api(None).model_info("alice/m")
    assert info.pipeline_tag == expected
    assert ("text-generation" in info.tags) == (expected is not None)
