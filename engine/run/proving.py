"""Where chunks are computed: the processor, or a GPU that gives the very same bytes.

All that decides a bit is an addition, a product, a quotient or a comparison of two numbers at a time, which IEEE 754
fixes, in an order that is ours. So a GPU gives the same; and before it is trusted with a model it shows that it does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from engine.errors import MergeError
from engine.plan.cost import CHUNK, SPAN
from engine.plan.plan import CPU, Mixture
from engine.run.cuts import COLLECTED
from engine.run.tensor import merge_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from engine.plan.models import Models
    from engine.plan.plan import OutputTensor
    from engine.run.workers import Workers


def device_name(device: str) -> str:
    """Name it as its maker does, where torch knows."""
    return torch.cuda.get_device_name(device) if device == "cuda" else device


def prove(tensors: Sequence[OutputTensor], models: Models, workers: Workers, scratch: Path, device: str) -> None:
    """Compute a tensor of each kind on the processor and on ``device``; ``MergeError`` where a byte differs."""
    for tensor in samples(tensors):
        expected, made = (_bytes(tensor, models, workers, scratch, where) for where in (CPU, device))
        if made != expected:
            begin = next(begin for begin in sorted(expected) if made[begin] != expected[begin])
            raise MergeError(
                f"--device {device}: it does not give the same bytes as the processor for "
                f"{tensor.mixture.method} (tensor {tensor.name!r}, from element {begin} on); use --device cpu"
            )


def samples(tensors: Sequence[OutputTensor]) -> list[OutputTensor]:
    """Of each kind of tensor that is computed the smallest that is not small, or the largest: as it is, and in float64.

    The latter shows the last bit, which hardly ever decides how a result is rounded to less.
    """
    found: dict[object, OutputTensor] = {}
    for tensor in sorted(
        tensors, key=lambda own: (own.size <= COLLECTED, own.size if own.size > COLLECTED else -own.size)
    ):
        if tensor.size and not tensor.copied:
            found.setdefault((tensor.dtype, _kind(tensor.mixture)), tensor)
    return [one for tensor in found.values() for one in (replace(tensor, dtype="float64"), tensor)]


def _kind(mixture: Mixture) -> object:
    """Method, types, and parameters by what they do: 0 and 1 may spare what other numbers need."""
    parameters = [
        (name, _sort(value)) for own in (mixture.parameters, *mixture.source_parameters) for name, value in own.items()
    ]
    operands = [_kind(item) if isinstance(item, Mixture) else item.dtype for item in mixture.operands]
    return mixture.method, tuple(parameters), tuple(operands)


def _sort(value: object) -> object:
    return "number" if isinstance(value, float) and value not in {0.0, 1.0} else value


def _bytes(tensor: OutputTensor, models: Models, workers: Workers, scratch: Path, device: str) -> dict[int, bytes]:
    made: dict[int, bytes] = {}

    def write(begin: int, data: memoryview) -> None:
        made[begin] = bytes(data)

    chunk = CHUNK if device == CPU else SPAN  # as in a merge
    merge_tensor(tensor, models.checkpoints, workers, scratch, write, chunk=chunk, device=device)
    return made
