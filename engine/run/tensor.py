"""One output tensor: copied, or computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.plan.cost import CHUNK
from engine.plan.plan import CPU
from engine.run.copying import copy_tensor
from engine.run.inputs import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from engine.checkpoints.checkpoint import Checkpoint
    from engine.plan.plan import Input, OutputTensor
    from engine.run.crew import Crew
    from engine.run.inputs import Stored


def merge_tensor(
    tensor: OutputTensor,
    checkpoints: Sequence[Checkpoint],
    workers: Crew,
    scratch: Path,
    write: Callable[[int, memoryview], None],
    *,
    chunk: int = CHUNK,
    given: Mapping[Input, Stored] | None = None,
    device: str = CPU,
) -> None:
    """Compute ``tensor`` and hand it to ``write(first element, bytes in the output dtype)``, span by span.

    ``write`` is called from several threads, in any order, and not at all for a tensor without elements. ``chunk``
    (a multiple of 2¹²) changes no bit of the result. ``given`` are inputs that are read already. ``device`` is where
    chunks are computed. ``TensorError`` where a value is not finite, or where integers differ between parents.
    """
    if tensor.size == 0:
        return
    with opened(tensor, checkpoints, workers, scratch, given or {}) as inputs:
        if tensor.copied:
            copy_tensor(tensor, list(inputs.values()), workers, write)
            return
        from engine.run.blending import blend_tensor  # noqa: PLC0415 - loads torch

        blend_tensor(tensor, inputs, workers, write, chunk, device)
