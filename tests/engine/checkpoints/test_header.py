"""Safetensors headers: what the reference implementation writes is read, and what lies is refused."""

from __future__ import annotations

import json
import struct

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

from engine.checkpoints.header import TensorInfo, header_length, make_header, parse_header
from engine.errors import ModelError


def read(data: bytes):
    length = header_length(data[:8], "org/m/model.safetensors", len(data))
    return parse_header(data[8 : 8 + length], "org/m/model.safetensors", "model.safetensors", len(data))


def test_reads_what_safetensors_writes():
    data = save({"a": torch.ones(2, 3, dtype=torch.bfloat16), "b": torch.arange(4, dtype=torch.int64)})
    tensors = read(data)
    (length,) = struct.unpack("<Q", data[:8])
    start = 8 + length
    assert tensors["b"] == TensorInfo("b", "int64", (4,), "model.safetensors", start, start + 32)
    assert tensors["a"] == TensorInfo("a", "bfloat16", (2, 3), "model.safetensors", start + 32, start + 44)
    assert data[tensors["b"].begin : tensors["b"].end] == torch.arange(4).numpy().tobytes()


def test_safetensors_reads_what_we_write(tmp_path):
    header = make_header([("b", "float32", (2,)), ("a", "bfloat16", (3,)), ("scalar", "bool", ())])
    body = (
        struct.pack("<2f", 1.5, -2.0)
        + torch.tensor([1.0, 2.0, 3.0], dtype=torch.bfloat16).view(torch.uint8).numpy().tobytes()
        + b"\x01"
    )
    (tmp_path / "m.safetensors").write_bytes(header + body)
    with safe_open(tmp_path / "m.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
        assert file.get_tensor("b").tolist() == [1.5, -2.0]
        assert file.get_tensor("a").tolist() == [1.0, 2.0, 3.0]
        assert file.get_tensor("scalar").tolist() is True
    assert len(header) % 8 == 0


def made(entries: object, body: bytes = b"", raw: bytes | None = None) -> bytes:
    text = raw if raw is not None else json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + body


ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
HOSTILE = {
    "too short": (b"\x01\x02", "org/m/model.safetensors: 2 bytes are too few for a safetensors file; upload it again"),
    "header longer than the file": (
        struct.pack("<Q", 2**40) + b"{}",
        "org/m/model.safetensors: not a safetensors file, or cut short: its header would be 1099511627776 bytes long "
        "in a file of 10; download or upload it again",
    ),
    "a web page": (b"<!DOCTYPE html><html></html>", "not a safetensors file, or cut short: its header would be"),
    "not JSON": (made(None, raw=b"{nope}"), "org/m/model.safetensors: its safetensors header is not JSON ("),
    "not a mapping": (made([1]), "org/m/model.safetensors: its safetensors header is not a mapping; upload it again"),
    "a tensor twice": (
        made(None, b"\0" * 8, raw=b'{"a":%b,"a":%b}' % ((json.dumps(ONE).encode(),) * 2)),
        "org/m/model.safetensors: its header names a tensor twice; upload the file again",
    ),
    "malformed entry": (
        made({"a": {"dtype": "F32"}}),
        "org/m/model.safetensors: the header entry of tensor 'a' is malformed; upload it again",
    ),
    "unknown dtype": (
        made({"a": {"dtype": "F4", "shape": [2], "data_offsets": [0, 1]}}, b"\0"),
        "org/m/model.safetensors: tensor 'a' has dtype 'F4', which cannot be read here",
    ),
    "shape and offsets disagree": (
        made({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, b"\0" * 8),
        "org/m/model.safetensors: shape and offsets of tensor 'a' disagree; upload the file again",
    ),
    "negative shape": (
        made({"a": {"dtype": "F32", "shape": [-1, -2], "data_offsets": [0, 8]}}, b"\0" * 8),
        "org/m/model.safetensors: shape and offsets of tensor 'a' disagree; upload the file again",
    ),
    "nested without end": (
        made(None, raw=b"[" * 100_000),
        "org/m/model.safetensors: its safetensors header is nested too deeply; upload it again",
    ),
    "a name that is half a character": (
        made(None, b"\0" * 8, raw=b'{"a\\ud800":%b}' % json.dumps(ONE).encode()),
        "org/m/model.safetensors: tensor 'a\\ud800' has a name that cannot be printed; upload the file again",
    ),
    "overlap": (
        made({"a": ONE, "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}, b"\0" * 12),
        "org/m/model.safetensors: tensor 'b' overlaps another or leaves a hole; upload it again",
    ),
    "hole": (
        made({"a": ONE, "b": {"dtype": "F32", "shape": [2], "data_offsets": [12, 20]}}, b"\0" * 20),
        "org/m/model.safetensors: tensor 'b' overlaps another or leaves a hole; upload it again",
    ),
    "cut short": (
        made({"a": ONE}, b"\0" * 5),
        "but its header describes",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_refuses_a_file_that_lies(name):
    data, message = HOSTILE[name]
    with pytest.raises(ModelError) as caught:
        read(data)
    assert message in str(caught.value)


def test_tensors_without_elements_take_no_room():
    data = save({"a": torch.empty(0, 3), "b": torch.ones(2), "c": torch.empty(0)})
    tensors = read(data)
    assert {name: (info.shape, info.nbytes) for name, info in tensors.items()} == {
        "a": ((0, 3), 0),
        "b": ((2,), 8),
        "c": ((0,), 0),
    }
