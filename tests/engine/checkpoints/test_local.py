"""Local folders as checkpoints."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import families
import pytest
import torch

from engine.checkpoints import local as module
from engine.checkpoints.local import LocalCheckpoint
from engine.errors import MergeError, ModelError

SHAPE = families.Shape()


@pytest.fixture
def folder(tmp_path):
    tensors = families.random_tensors(SHAPE, 1)
    return families.write_model(tmp_path / "m", tensors, families.config_of(SHAPE), shards=3), tensors


def bytes_of(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


def test_reads_every_tensor_of_every_shard_by_range(folder):
    path, tensors = folder
    checkpoint = LocalCheckpoint("m", path)
    assert set(checkpoint.tensors) == set(tensors)
    for name, info in checkpoint.tensors.items():
        expected = bytes_of(tensors[name])
        out = bytearray(info.nbytes)
        checkpoint.read(info, 0, memoryview(out))
        assert bytes(out) == expected
        part = bytearray(6)
        checkpoint.read(info, 4, memoryview(part))
        assert bytes(part) == expected[4:10]
    checkpoint.close()


def test_pin_says_what_the_folder_holds(folder):
    path, tensors = folder
    pin = LocalCheckpoint("m", path).pin
    assert (pin.ref, pin.kind, pin.repo, pin.commit) == ("m", "local", None, None)
    assert (pin.license, pin.architecture) == ("apache-2.0", "MistralForCausalLM")
    assert pin.parameters == sum(tensor.numel() for tensor in tensors.values())
    expected = {
        name: "sha256:" + hashlib.sha256((path / name).read_bytes()).hexdigest()
        for name in (
            "config.json",
            "model-00001-of-00003.safetensors",
            "model-00002-of-00003.safetensors",
            "model-00003-of-00003.safetensors",
            "model.safetensors.index.json",
            "tokenizer.json",
            "tokenizer_config.json",
        )
    }
    assert {file.name: file.hash for file in pin.files} == expected


def test_pin_does_not_depend_on_times(folder):
    path, _ = folder
    before = LocalCheckpoint("m", path).pin
    for file in path.iterdir():
        file.touch()
    assert LocalCheckpoint("m", path).pin == before


def test_large_weights_are_pinned_by_their_header(folder, monkeypatch):
    path, _ = folder
    monkeypatch.setattr(module, "LARGEST_HASHED", 100)
    hashes = {file.name: file.hash for file in LocalCheckpoint("m", path).pin.files}
    data = (path / "model-00001-of-00003.safetensors").read_bytes()
    header = data[8 : 8 + int.from_bytes(data[:8], "little")]
    assert hashes["model-00001-of-00003.safetensors"] == "header-sha256:" + hashlib.sha256(header).hexdigest()
    assert hashes["config.json"].startswith("sha256:")


def test_header_bytes_are_what_was_read(folder):
    path, _ = folder
    headers = sum(8 + int.from_bytes(f.read_bytes()[:8], "little") for f in path.glob("*.safetensors"))
    small = sum((path / name).stat().st_size for name in ("config.json", "model.safetensors.index.json"))
    assert LocalCheckpoint("m", path).header_bytes == headers + small


def index_of(path, weight_map):
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def drop(path, *names):
    for name in names:
        (path / name).unlink()


FIRST = "model-00001-of-00003.safetensors"
BROKEN = {
    "no config": (
        lambda p: drop(p, "config.json"),
        "the folder m has no config.json; name a folder that holds a model",
    ),
    "config is no JSON": (lambda p: (p / "config.json").write_text("{"), "config.json is not valid JSON"),
    "shard missing": (
        lambda p: drop(p, FIRST),
        f"m: model.safetensors.index.json names {FIRST}, which is missing; upload it",
    ),
    "index climbs out": (
        lambda p: index_of(p, {"a": "../../etc/passwd"}),
        "m: model.safetensors.index.json names the file '../../etc/passwd', which is not a plain file name",
    ),
    "index is absolute": (
        lambda p: index_of(p, {"a": "/etc/passwd"}),
        "m: model.safetensors.index.json names the file '/etc/passwd', which is not a plain file name",
    ),
    "index lies": (
        lambda p: index_of(p, {"nothing.weight": FIRST}),
        f"m: model.safetensors.index.json says that {FIRST} holds 'nothing.weight', which it does not",
    ),
    "no index": (
        lambda p: drop(p, "model.safetensors.index.json"),
        "m has 3 safetensors files and no model.safetensors.index.json; add the index",
    ),
    "only pickles": (
        lambda p: (drop(p, *(f.name for f in p.glob("model*"))), (p / "pytorch_model.bin").write_bytes(b"x")),
        "m has its weights as pickles only, which are not read; convert it to safetensors",
    ),
    "no weights": (
        lambda p: drop(p, *(f.name for f in p.glob("model*"))),
        "m has no weights: expected model.safetensors or model.safetensors.index.json",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_refuses_a_broken_folder(folder, name):
    path, _ = folder
    spoil, message = BROKEN[name]
    spoil(path)
    with pytest.raises(ModelError) as caught:
        LocalCheckpoint("m", path)
    assert message in str(caught.value)


def test_a_file_that_shrinks_while_it_is_read_is_an_error(folder):
    path, _ = folder
    checkpoint = LocalCheckpoint("m", path)
    info = next(iter(checkpoint.tensors.values()))
    checkpoint.read(info, 0, memoryview(bytearray(2)))
    with (path / info.file).open("r+b") as file:
        file.truncate(info.begin + 4)
    with pytest.raises(MergeError) as caught:
        checkpoint.read(info, 0, memoryview(bytearray(info.nbytes)))
    assert str(caught.value) == f"{path / info.file} ended early: it was changed while it was read; run again"
    checkpoint.close()


def test_a_file_that_was_changed_since_it_was_planned_is_an_error(folder):
    """Its offsets would be those of another header."""
    path, _ = folder
    checkpoint = LocalCheckpoint("m", path)
    info = next(iter(checkpoint.tensors.values()))
    file = path / info.file
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    with pytest.raises(MergeError) as caught:
        checkpoint.read(info, 0, memoryview(bytearray(2)))
    assert str(caught.value) == f"{file} was changed after the merge was planned; run again"
    checkpoint.close()


def test_what_is_closed_opens_again(folder):
    path, tensors = folder
    checkpoint = LocalCheckpoint("m", path)
    info = checkpoint.tensors["model.norm.weight"]
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(2):
        out = bytearray(info.nbytes)
        checkpoint.read(info, 0, memoryview(out))
        assert bytes(out) == bytes_of(tensors["model.norm.weight"])
        checkpoint.close()
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_config_that_nests_without_end(folder):
    path, _ = folder
    (path / "config.json").write_text("[" * 100_000)
    with pytest.raises(ModelError) as caught:
        LocalCheckpoint("m", path)
    assert str(caught.value) == f"{path / 'config.json'} is not valid JSON (nested too deeply); upload it again"
