"""Which device computes: the processor, or a GPU."""

from __future__ import annotations

from engine.errors import MergeError
from engine.interrupts import deferred
from engine.plan.plan import CPU


def chosen(name: str) -> str:
    """Give the device of that name: cpu, cuda, or auto, which is a GPU where there is one; ``MergeError`` where not."""
    if name == CPU:
        return CPU
    with deferred():
        import torch  # noqa: PLC0415 - takes a second, and is not needed for a copy

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else CPU
    if name == "cuda" and not torch.cuda.is_available():
        built = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "is built for the CPU alone"
        raise MergeError(
            f"--device cuda: no GPU was found, and torch {torch.__version__} {built}; "
            "use --device cpu, which gives the same bytes"
        )
    return name
