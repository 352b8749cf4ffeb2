"""One output file, written in any order, hashed in file order."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from engine.errors import MergeError
from engine.plan.plan import Mixture, OutputTensor
from engine.plan.shards import shards_of
from engine.run.shard import ShardWriter


def output(name: str, dtype: str, *shape: int) -> OutputTensor:
    return OutputTensor(name, dtype, shape, None, Mixture("", name, 0, "linear", None, (), {}, ()), "stream")


TENSORS = (output("a", "float32", 3), output("empty", "float32", 0, 2), output("b", "float64", 2, 2))
VALUES = {
    "a": np.array([1.5, -2.0, 3.0], dtype="<f4"),
    "empty": np.empty((0, 2), dtype="<f4"),
    "b": np.array([[1.0, 2.0], [3.0, 4.0]], dtype="<f8"),
}


@pytest.fixture
def shard():
    (made,) = shards_of(TENSORS, 10**6)
    return made


def view(values: np.ndarray) -> memoryview:
    return memoryview(values.tobytes())


def test_the_reference_implementation_reads_it(tmp_path, shard):
    path = tmp_path / "s"
    writer = ShardWriter(path, shard, TENSORS)
    # Wider types come first in the file; pieces of a tensor come in any order.
    writer.write(2, TENSORS[2], 3, view(VALUES["b"][1, 1:]))
    writer.write(2, TENSORS[2], 0, view(VALUES["b"].ravel()[:3]))
    writer.finished(2, TENSORS[2])
    writer.write(0, TENSORS[0], 0, view(VALUES["a"]))
    writer.finished(0, TENSORS[0])
    writer.finished(1, TENSORS[1])
    finished = writer.finish()
    read = load_file(path)
    assert {name: (array.dtype, array.tolist()) for name, array in read.items()} == {
        name: (array.dtype, array.tolist()) for name, array in VALUES.items()
    }
    assert finished.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (finished.file, finished.size) == ("model.safetensors", path.stat().st_size)
    assert finished.tensors == {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in VALUES.items()}


def test_room_is_taken_at_once(tmp_path, shard):
    path = tmp_path / "s"
    writer = ShardWriter(path, shard, TENSORS)
    assert path.stat().st_size == shard.size
    assert path.read_bytes()[: len(shard.header)] == shard.header
    writer.close()
    writer.close()


def test_a_disk_without_room_keeps_nothing_open(tmp_path, shard, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "posix_fallocate", full)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="full"):
        ShardWriter(tmp_path / "s", shard, TENSORS)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_file_that_is_cut_short_meanwhile_is_an_error(tmp_path, shard):
    path = tmp_path / "s"
    writer = ShardWriter(path, shard, TENSORS)
    os.truncate(path, len(shard.header) + 5)
    writer.finished(2, TENSORS[2])
    with pytest.raises(MergeError) as caught:
        writer.finish()
    assert str(caught.value) == f"{path} was cut short while it was written; run again"
    writer.close()


def test_who_still_writes_to_the_file_of_a_run_that_was_cut_harms_nothing(tmp_path, shard):
    path = tmp_path / "model.safetensors.partial"
    with path.open("wb") as earlier:
        writer = ShardWriter(path, shard, TENSORS)
        earlier.write(b"x" * 1000)
        earlier.flush()
        writer.close()
    assert path.read_bytes()[: len(shard.header)] == shard.header
