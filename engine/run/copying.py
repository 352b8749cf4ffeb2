"""Tensors whose bytes are a parent's own: nothing is computed, so torch, which takes a while to load, is not needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.checkpoints.dtypes import SIZES
from engine.errors import TensorError
from engine.plan.cost import COPIED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.plan.plan import OutputTensor
    from engine.run.crew import Crew
    from engine.run.inputs import Stored

_INFINITE = {"float64": 0x7FF0 << 48, "float32": 0x7F80 << 16, "float16": 0x7C00, "bfloat16": 0x7F80}
"""Bits of infinity in each type that is merged; those of a NaN are larger, its sign left out. Source: IEEE 754."""


def copy_tensor(
    tensor: OutputTensor, inputs: Sequence[Stored], workers: Crew, write: Callable[[int, memoryview], None]
) -> None:
    """Hand the first input's bytes on; ``TensorError`` where another input has others, or a number is none."""

    def copy(span: tuple[int, int]) -> None:
        first = inputs[0](*span)
        for other in inputs[1:]:
            if first != other(*span):
                raise TensorError(
                    f"tensor {tensor.name!r} holds {tensor.dtype} values, which are never averaged, and its parents "
                    "differ in them; leave its layers to one parent"
                )
        _check(first, tensor.dtype, tensor.name, span[0])
        write(span[0], first)

    length = COPIED // SIZES[tensor.dtype]
    workers.run(copy, [(begin, min(begin + length, tensor.size)) for begin in range(0, tensor.size, length)])


def _check(data: memoryview, dtype: str, name: str, start: int) -> None:
    """Raise ``TensorError`` where bytes hold a NaN; infinities may be meant."""
    if dtype not in _INFINITE:
        return
    sizes = np.frombuffer(data, f"<u{SIZES[dtype]}") << 1  # which drops the sign
    if int(sizes.max()) > 2 * _INFINITE[dtype]:
        raise TensorError(not_a_number(name, start + int((sizes > 2 * _INFINITE[dtype]).argmax())))


def not_a_number(name: str, element: int) -> str:
    """Say that an element is a NaN; in a copy, or in what was computed."""
    return (
        f"tensor {name!r}: element {element} is not a number (NaN); a parent is damaged there, or its values cancel; "
        "check the parents' weights"
    )
