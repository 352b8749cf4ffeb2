"""Where each tensor lies in the files, by hand and by safetensors' own reader."""

from __future__ import annotations

import json
import struct

import families
import pytest
from safetensors import safe_open

from engine.plan.plan import Mixture, OutputTensor
from engine.plan.shards import index_of, shards_of


def tensor(name, dtype, *shape):
    return OutputTensor(name, dtype, shape, None, Mixture("", name, 0, "linear", None, (), {}, ()), "stream")


# 40, 12, 24, 3 and 8 bytes
TENSORS = (
    tensor("a", "bfloat16", 4, 5),
    tensor("b", "float16", 6),
    tensor("c", "float64", 3),
    tensor("d", "uint8", 3),
    tensor("e", "float32", 2),
)


def offsets(shard):
    (length,) = struct.unpack("<Q", shard.header[:8])
    assert len(shard.header) == 8 + length
    assert len(shard.header) % 8 == 0
    header = json.loads(shard.header[8:])
    assert header.pop("__metadata__") == {"format": "pt"}
    return {name: tuple(entry["data_offsets"]) for name, entry in header.items()}


def test_one_file_with_wider_types_first():
    (shard,) = shards_of(TENSORS, 1000)
    assert shard.file == "model.safetensors"
    assert offsets(shard) == {"c": (0, 24), "e": (24, 32), "a": (32, 72), "b": (72, 84), "d": (84, 87)}
    assert shard.size == len(shard.header) + 87


@pytest.mark.parametrize(
    ("largest", "groups"),
    [
        (87, ["abcde"]),
        (86, ["abcd", "e"]),
        (52, ["ab", "cde"]),
        (51, ["a", "bcde"]),
        (46, ["a", "bcd", "e"]),
        (30, ["a", "b", "cd", "e"]),
        (1, ["a", "b", "c", "d", "e"]),
    ],
)
def test_shards_are_filled_in_order_and_never_beyond_the_limit(largest, groups):
    shards = shards_of(TENSORS, largest)
    assert ["".join(sorted(TENSORS[n].name for n in shard.tensors)) for shard in shards] == groups
    total = len(groups)
    if total > 1:
        names = [f"model-{k:05d}-of-{total:05d}.safetensors" for k in range(1, total + 1)]
        assert [shard.file for shard in shards] == names


def test_the_index():
    shards = shards_of(TENSORS, 52)
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    assert index_of(shards, TENSORS) == {
        "metadata": {"total_size": 87},
        "weight_map": {"a": first, "b": first, "c": second, "d": second, "e": second},
    }


def test_the_files_of_a_merge_are_laid_out_as_planned(bench):
    base = families.random_tensors(families.Shape(layers=4), 1)
    bench.model("a", base)
    made = bench.merge("models: [{model: ./a, parameters: {weight: 1}}]\nmerge_method: linear\n", max_shard_size=4000)
    # embedding and head 1024 bytes, each layer 32 + 3·768 + 32 + 256 + 512 + 512 + 256, norm 32: in order, up to 4000
    sizes = [3648, 3904, 3904, 3904, 2336]
    assert [shard.size - len(shard.header) for shard in made.plan.shards] == sizes
    for shard in made.plan.shards:
        path = made.folder / shard.file
        assert path.stat().st_size == shard.size
        assert path.read_bytes().startswith(shard.header)
        with safe_open(path, "pt") as file:
            assert set(file.keys()) == {made.plan.tensors[n].name for n in shard.tensors}
    index = json.loads((made.folder / "model.safetensors.index.json").read_text())
    assert index == index_of(made.plan.shards, made.plan.tensors)
