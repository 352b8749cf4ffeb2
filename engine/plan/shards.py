"""Which tensor goes into which file, at which offset: the names hold the total, so this comes first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.checkpoints.checkpoint import SINGLE
from engine.checkpoints.dtypes import SIZES
from engine.checkpoints.header import make_header
from engine.plan.plan import Shard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.plan.plan import OutputTensor


def shards_of(tensors: Sequence[OutputTensor], largest: int) -> tuple[Shard, ...]:
    """Fill shards in order, none with more than ``largest`` bytes of tensors (a larger tensor has its own).

    Within a shard wider element types come first, so that every tensor is aligned to its own.
    """
    groups: list[list[int]] = []
    filled = 0
    for number, tensor in enumerate(tensors):
        if not groups or filled + tensor.nbytes > largest:
            groups.append([])
            filled = 0
        groups[-1].append(number)
        filled += tensor.nbytes
    return tuple(_shard(group, k, len(groups), tensors) for k, group in enumerate(groups, start=1))


def shards_by_file(tensors: Sequence[OutputTensor], files: Mapping[str, str]) -> tuple[Shard, ...]:
    """Put tensors where a finished model has them: ``files`` gives each one's file."""
    names = sorted({files[tensor.name] for tensor in tensors})
    groups = {name: [n for n, tensor in enumerate(tensors) if files[tensor.name] == name] for name in names}
    return tuple(
        replace(_shard(groups[name], k, len(names), tensors), file=name) for k, name in enumerate(names, start=1)
    )


def _shard(group: Sequence[int], k: int, total: int, tensors: Sequence[OutputTensor]) -> Shard:
    order = tuple(sorted(group, key=lambda number: (-SIZES[tensors[number].dtype], number)))
    header = make_header((t.name, t.dtype, t.shape) for t in (tensors[number] for number in order))
    size = len(header) + sum(tensors[number].nbytes for number in order)
    file = SINGLE if total == 1 else f"model-{k:05d}-of-{total:05d}.safetensors"
    return Shard(file, order, header, size)


def index_of(shards: Sequence[Shard], tensors: Sequence[OutputTensor]) -> Mapping[str, object]:
    """Make the content of ``model.safetensors.index.json``."""
    return {
        "metadata": {"total_size": sum(tensor.nbytes for tensor in tensors)},
        "weight_map": {tensors[number].name: shard.file for shard in shards for number in sorted(shard.tensors)},
    }
