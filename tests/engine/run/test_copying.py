"""Bytes that are handed on as they are, unless they are no numbers, or parents that must agree do not."""

from __future__ import annotations

import pytest
import torch

from engine.errors import TensorError
from engine.plan.plan import Input, Mixture, OutputTensor
from engine.run import copying as module
from engine.run.copying import copy_tensor
from engine.run.inputs import held
from engine.run.workers import Workers

TYPES = {"float64": torch.float64, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
NANS = {
    "float64": (0x7FF0000000000001, 0x7FF8000000000000, 0xFFF0000000000001, 0xFFFFFFFFFFFFFFFF),
    "float32": (0x7F800001, 0x7FC00000, 0xFF800001, 0xFFFFFFFF),
    "float16": (0x7C01, 0x7E00, 0xFC01, 0xFFFF),
    "bfloat16": (0x7F81, 0x7FC0, 0xFF81, 0xFFFF),
}
"""The least and the greatest NaN of either sign, and what arithmetic makes. Source: IEEE 754."""
SIZE = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "uint8": 1}


def copied(dtype: str, *sources: bytes) -> bytes:
    count = len(sources[0]) // SIZE[dtype]
    inputs = [Input(number, "a.weight", dtype, len(data)) for number, data in enumerate(sources)]
    mixture = Mixture("", "a.weight", 0, "passthrough", None, tuple(inputs), {}, ())
    tensor = OutputTensor("a.weight", dtype, (count,), None, mixture, "copy")
    made = bytearray(len(sources[0]))

    def write(begin: int, data: memoryview) -> None:
        made[begin * SIZE[dtype] : begin * SIZE[dtype] + len(data)] = data

    stored = [held(item, memoryview(data)) for item, data in zip(inputs, sources, strict=True)]
    with Workers(2) as workers:
        copy_tensor(tensor, stored, workers, write)
    return bytes(made)


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(module, "COPIED", 64)


@pytest.mark.parametrize("dtype", TYPES)
def test_all_that_are_numbers_are_copied(dtype):
    """Both zeros, the least and the greatest of either sign, and infinities, which may be meant."""
    info = torch.finfo(TYPES[dtype])
    some = [0.0, -0.0, info.tiny, -info.tiny, info.max, -info.max, float("inf"), float("-inf")]
    data = torch.tensor(some * 20, dtype=TYPES[dtype]).view(torch.uint8).numpy().tobytes()
    assert copied(dtype, data) == data


@pytest.mark.parametrize("place", [0, 50, 99])
@pytest.mark.parametrize(("dtype", "bits"), [(dtype, bits) for dtype, all_bits in NANS.items() for bits in all_bits])
def test_what_is_not_a_number_is_found(dtype, bits, place):
    assert torch.frombuffer(bytearray(bits.to_bytes(SIZE[dtype], "little")), dtype=TYPES[dtype]).isnan().all()
    size = SIZE[dtype]
    data = bytearray(100 * size)
    data[place * size : (place + 1) * size] = bits.to_bytes(size, "little")
    with pytest.raises(TensorError) as caught:
        copied(dtype, bytes(data))
    assert str(caught.value) == (
        f"tensor 'a.weight': element {place} is not a number (NaN); a parent is damaged there, or its values cancel; "
        "check the parents' weights"
    )


@pytest.mark.parametrize("dtype", ["int64", "uint8"])
def test_integers_of_all_parents_are_the_same(dtype):
    data = bytes([255] * 800)
    assert copied(dtype, data, data, data) == data
    with pytest.raises(TensorError) as caught:
        copied(dtype, data, data, data[:-1] + b"\x00")
    assert str(caught.value) == (
        f"tensor 'a.weight' holds {dtype} values, which are never averaged, and its parents differ in them; "
        "leave its layers to one parent"
    )
