"""However inputs are read, they are the stored bytes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from engine.checkpoints.header import TensorInfo
from engine.plan.plan import Input, Mixture, OutputTensor
from engine.run import inputs as module
from engine.run.inputs import opened
from engine.run.workers import Workers


@dataclass
class Stored:
    """A checkpoint of one tensor, that counts how often its bytes are read."""

    data: bytes
    dtype: str
    read_bytes: int = 0

    @property
    def tensors(self):
        return {"w": TensorInfo("w", self.dtype, (40,), "f", 0, len(self.data))}

    def read(self, tensor, begin, out):
        out[:] = self.data[begin : begin + len(out)]
        self.read_bytes += len(out)


@pytest.fixture
def checkpoints():
    return [Stored(bytes(range(80)), "bfloat16"), Stored(bytes(range(90, 250)), "float32")]


def tensor(reading: str) -> OutputTensor:
    sources = tuple(Input(i, "w", dtype, size) for i, (dtype, size) in enumerate((("bfloat16", 80), ("float32", 160))))
    return OutputTensor("w", "float32", (40,), None, Mixture("", "w", 0, "linear", None, sources, {}, ()), reading)


@pytest.mark.parametrize(("reading", "times"), [("stream", 2), ("again", 2), ("hold", 1), ("spool", 1)])
def test_twice_over_all_elements(checkpoints, tmp_path, monkeypatch, reading, times):
    monkeypatch.setattr(module, "PIECE", 48)
    with Workers(2) as workers, opened(tensor(reading), checkpoints, workers, tmp_path, {}) as by_input:
        inputs = list(by_input.values())
        for _ in range(2):
            for begin, end in ((0, 7), (7, 40)):
                assert bytes(inputs[0](begin, end)) == checkpoints[0].data[2 * begin : 2 * end]
                assert bytes(inputs[1](begin, end)) == checkpoints[1].data[4 * begin : 4 * end]
        assert list(tmp_path.iterdir()) == []  # a spool file has no name that could stay behind
    assert [checkpoint.read_bytes for checkpoint in checkpoints] == [80 * times, 160 * times]
