"""What a run will cost: bytes read and written, peak memory, peak disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.methods.contract import CUTS_SWEEPS
from engine.plan.plan import Cost, MiB

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from engine.plan.plan import Mixture, Options, OutputTensor, Shard

SPAN = 2**20
"""Elements that one thread reads, blends and writes at a time."""
ROWS = 2**20
"""The same where rows stay together, at least one row."""
CHUNK = 2**16
"""Elements that one arithmetic operation works on: float64 of it stays in a core's cache."""
SINGLES = 4
"""Chunks that are computed together in two or four bytes: what lies between two operations takes as long as they do."""
COPIED = 8 * MiB
"""Bytes that are copied at a time: on the Hub each piece is a request."""
INTERPRETER = 300 * MiB
"""Resident memory of Python with torch loaded, before any tensor (measured on Linux, and rounded up)."""
TEMPORARIES = 12
"""Float64 chunks that a method may have at once, beside its operands."""

BRACKETS = 32 * MiB
"""Most that each process keeps of a tensor while the cut of a selection by size is looked for."""


FETCHED = frozenset({"hold", "copy", "equal"})
"""Ways of reading that take each byte once: from the Hub, these are read ahead of the computation. What is spooled, or
read in passing, is fetched when its turn comes."""


def cost_of(
    tensors: Sequence[OutputTensor],
    shards: Sequence[Shard],
    options: Options,
    header_bytes: int,
    remote: Container[int],
) -> Cost:
    """Add up a plan; ``remote`` are the models on the Hub.

    Peak disk is the largest shard in flight and the largest scratch file. What is read ahead is bounded by the budget.
    """
    fetched = (item for tensor in tensors if tensor.reading in FETCHED for item in tensor.inputs)
    ahead = min(sum(item.nbytes for item in fetched if item.model in remote), options.memory)
    spooled = max((tensor.bytes_in for tensor in tensors if tensor.reading == "spool"), default=0)
    return Cost(
        bytes_read=sum(tensor.bytes_read for tensor in tensors),
        bytes_written=sum(shard.size for shard in shards),
        peak_memory_bytes=INTERPRETER + max((_memory(tensor, options, ahead) for tensor in tensors), default=0),
        peak_disk_bytes=max((shard.size for shard in shards), default=0) + spooled,
        header_bytes_read=header_bytes,
    )


def rows_span(run: int) -> int:
    """Elements of a span where ``run`` of them stay together: as many whole rows as ``ROWS`` has, at least one.

    Totals over columns are added span by span, so this is part of the numerics.
    """
    return max(ROWS // run, 1) * run


def _memory(tensor: OutputTensor, options: Options, ahead: int) -> int:
    """Bytes that one tensor needs: what is held of it, or read ahead, and each thread's span and chunks."""
    if tensor.copied:  # a piece of each input, and one more to look for what is no number
        return ahead + options.threads * min(COPIED, tensor.nbytes) * (len(tensor.inputs) + 1)
    held = max(tensor.bytes_in if tensor.reading == "hold" else 0, ahead)
    brackets = min(BRACKETS, 16 * tensor.size) if _most_sweeps(tensor.mixture) >= CUTS_SWEEPS else 0
    elements, run = max(tensor.size, 1), tensor.mixture.run
    span = min(SPAN if run == 1 else rows_span(run), elements) * (tensor.bytes_in + tensor.nbytes) // elements
    chunk = 8 * min(max(CHUNK, run), elements)
    operand = max(chunk, 4 * min(SINGLES * CHUNK, elements))
    return held + options.threads * (brackets + span + operand * _operands(tensor.mixture) + chunk * TEMPORARIES)


def _most_sweeps(mixture: Mixture) -> int:
    return max(mixture.sweeps, *map(_most_sweeps, mixture.inner)) if mixture.inner else mixture.sweeps


def _operands(mixture: Mixture) -> int:
    """Float64 chunks that are there at once: the operands, and those of one mixture among them at a time."""
    return len(mixture.operands) + max(map(_operands, mixture.inner), default=0)
