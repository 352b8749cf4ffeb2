"""A Hub repo at a commit as a checkpoint: by ranges, pinned, and nothing stored."""

from __future__ import annotations

import hashlib
import json

import families
import pytest
import torch
from safetensors.torch import save

from engine.checkpoints import hub as module
from engine.checkpoints.hub import HubCheckpoint
from engine.checkpoints.local import LocalCheckpoint
from engine.errors import HubError, ModelError
from engine.hub_client import Hub

REPO = "alice/m"


@pytest.fixture
def folder(tmp_path):
    tensors = families.random_tensors(families.Shape(), 1)
    return families.write_model(tmp_path / "m", tensors, families.config_of(families.Shape()), shards=3)


@pytest.fixture
def hub(devhub, folder):
    devhub.store.create_repo(REPO, "alice")
    devhub.store.commit_files(REPO, {path.name: path for path in sorted(folder.iterdir())}, "Upload")
    return Hub(endpoint=devhub.endpoint, token=devhub.token("alice"), sleep=lambda _seconds: None)


def commit(devhub, files: dict[str, bytes | None]) -> None:
    kept = {name: data for name, data in files.items() if data is not None}
    devhub.store.commit_files(REPO, kept, "Change")
    gone = set(files) - set(kept)
    head = devhub.store.commit(REPO, devhub.store.resolve(REPO, "main"))
    left = {name: entry for name, entry in head.files.items() if name not in gone}
    devhub.store.add_commit(REPO, "refs/heads/main", left, "alice", "Remove")


def test_tensors_and_bytes_are_those_of_the_folder(hub, folder):
    remote, local = HubCheckpoint(REPO, hub, REPO, None), LocalCheckpoint("m", folder)
    assert dict(remote.tensors) == dict(local.tensors)
    assert remote.config == local.config
    for info in remote.tensors.values():
        outs = [bytearray(info.nbytes - 4) for _ in range(2)]
        remote.read(info, 4, memoryview(outs[0]))
        local.read(info, 4, memoryview(outs[1]))
        assert outs[0] == outs[1]
    assert remote.side_file("tokenizer.json") == (folder / "tokenizer.json").read_bytes()
    remote.close()
    local.close()


def test_the_pin_says_what_the_commit_holds(devhub, hub, folder):
    pin = HubCheckpoint("alice/m@main", hub, REPO, "main").pin
    assert (pin.ref, pin.kind, pin.repo, pin.revision) == ("alice/m@main", "hub", REPO, "main")
    assert pin.commit == devhub.store.resolve(REPO, "main")
    assert (pin.license, pin.gated, pin.private, pin.architecture) == ("apache-2.0", False, False, "MistralForCausalLM")

    def hashed(name: str) -> str:
        data = (folder / name).read_bytes()
        if name.endswith(".safetensors"):
            return "sha256:" + hashlib.sha256(data).hexdigest()
        return "git:" + hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    names = [path.name for path in sorted(folder.iterdir()) if path.name != "README.md"]
    assert {file.name: (file.size, file.hash) for file in pin.files} == {
        name: ((folder / name).stat().st_size, hashed(name)) for name in names
    }


def test_a_commit_is_kept_to_when_the_branch_moves(devhub, hub):
    first = devhub.store.resolve(REPO, "main")
    changed = families.random_tensors(families.Shape(), 9)
    before = HubCheckpoint(REPO, hub, REPO, None, first)
    files = {f"model-0000{k}-of-00003.safetensors": None for k in (1, 2, 3)}
    commit(devhub, {**files, "model.safetensors.index.json": None, "model.safetensors": save(changed)})
    again = HubCheckpoint(REPO, hub, REPO, None, first)
    assert again.pin == before.pin
    assert HubCheckpoint(REPO, hub, REPO, None).pin.commit != first
    info = again.tensors["model.norm.weight"]
    out = bytearray(info.nbytes)
    again.read(info, 0, memoryview(out))
    expected = families.random_tensors(families.Shape(), 1)["model.norm.weight"]
    assert torch.equal(torch.frombuffer(out, dtype=torch.bfloat16), expected)


@pytest.mark.parametrize("first", [8, 100, 100_000])
def test_header_bytes_are_those_that_the_hub_sent(devhub, hub, monkeypatch, first):
    """Short files are read whole at once; a header that is longer than the first read takes one more."""
    monkeypatch.setattr(module, "FIRST_READ", first)
    devhub.clear_log()
    checkpoint = HubCheckpoint(REPO, hub, REPO, None)
    answers = [exchange for exchange in devhub.log if exchange.status in {200, 206} and exchange.route != "model-info"]
    sent = sum(exchange.sent for exchange in answers)
    assert checkpoint.header_bytes == sent
    requests = [exchange.range for exchange in devhub.log if exchange.route == "contents"]
    assert len(requests) == (3 if first == 100_000 else 6)


def test_one_read_is_one_range(devhub, hub):
    checkpoint = HubCheckpoint(REPO, hub, REPO, None)
    info = checkpoint.tensors["lm_head.weight"]
    devhub.clear_log()
    checkpoint.read(info, 16, memoryview(bytearray(100)))
    ranges = [exchange.range for exchange in devhub.log if exchange.route == "contents"]
    assert ranges == [f"bytes={info.begin + 16}-{info.begin + 115}"]


FIRST = "model-00001-of-00003.safetensors"
BROKEN = {
    "no config": ({"config.json": None}, "alice/m has no config.json; name a repo that holds a model for transformers"),
    "config is no JSON": ({"config.json": b"{"}, "alice/m/config.json is not valid JSON ("),
    "shard missing": (
        {FIRST: None},
        f"alice/m: model.safetensors.index.json names {FIRST}, which is missing; upload it",
    ),
    "index climbs out": (
        {"model.safetensors.index.json": json.dumps({"weight_map": {"a": "../b.safetensors"}}).encode()},
        "alice/m: model.safetensors.index.json names the file '../b.safetensors', which is not a plain file name",
    ),
    "cut short": (
        {FIRST: b"\x10\0\0\0\0\0\0\0{}"},
        f"alice/m/{FIRST}: not a safetensors file, or cut short: its header",
    ),
    "two files and no index": (
        {"model.safetensors.index.json": None},
        "alice/m has 3 safetensors files and no model.safetensors.index.json; add the index",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_refuses_a_broken_repo(devhub, hub, name):
    files, message = BROKEN[name]
    commit(devhub, files)
    with pytest.raises(ModelError) as caught:
        HubCheckpoint(REPO, hub, REPO, None)
    assert message in str(caught.value)


def test_a_hub_that_stops_answering_is_no_fault_of_the_model(devhub, hub):
    checkpoint = HubCheckpoint(REPO, hub, REPO, None)
    devhub.inject("contents", truncate=4, times=100)
    with pytest.raises(HubError):
        checkpoint.read(checkpoint.tensors["lm_head.weight"], 0, memoryview(bytearray(1024)))


def header_of(folder, name: str) -> int:
    """Bytes of a weight file's header, with its length."""
    return 8 + int.from_bytes((folder / name).read_bytes()[:8], "little")


def test_with_an_index_headers_are_read_in_one_small_request(devhub, hub, folder):
    checkpoint = HubCheckpoint(REPO, hub, REPO, None)
    reads = [e for e in devhub.log if e.route == "contents"]
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    expected = [128 + sum(len(t) + 128 for t, f in index.items() if f == name) for name in sorted(set(index.values()))]
    assert sorted(e.sent for e in reads) == sorted(expected)
    assert all(
        nbytes > header_of(folder, name) for nbytes, name in zip(expected, sorted(set(index.values())), strict=True)
    )
    small = sum((folder / name).stat().st_size for name in ("config.json", "model.safetensors.index.json"))
    assert checkpoint.header_bytes == small + sum(expected)


def test_an_index_that_leads_to_too_small_a_first_read_costs_another(devhub, hub, folder, monkeypatch):
    monkeypatch.setattr(module, "ENTRY", 9)
    checkpoint = HubCheckpoint(REPO, hub, REPO, None)
    assert dict(checkpoint.tensors) == dict(LocalCheckpoint("m", folder).tensors)
    headers = sum(header_of(folder, path.name) for path in folder.glob("*.safetensors"))
    reads = [e.sent for e in devhub.log if e.route == "contents"]
    assert (len(reads), sum(reads)) == (6, headers)
