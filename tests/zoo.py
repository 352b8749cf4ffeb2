"""Every method over tensors of all kinds: recipes with their formulas, and three parents that are stored otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cases
import cases_selective
import cases_spherical
import cases_thinned
import families
import torch

if TYPE_CHECKING:
    from torch import Tensor

CASES = cases.CASES | cases_selective.CASES | cases_spherical.CASES | cases_thinned.CASES
STORED = {"base": torch.bfloat16, "one": torch.float16, "two": torch.float32}
"""Parents are stored in three different types."""
CONFIG = families.config_of(families.Shape(layers=1))
STEM = "model.layers.0."


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def zoo(model: str) -> dict[str, Tensor]:
    """Tensors of all kinds; every value fits float16, so that every output type can hold every result."""
    seed = list(STORED).index(model) * 100
    base = normal(1, 32, 24).to(torch.bfloat16).float()
    moved = base + 0.02 * normal(seed + 2, 32, 24)
    tensors = {
        "random": base if model == "base" else moved,
        "far.apart": normal(seed + 3, 40, 40),
        "coarse": torch.randint(-4, 5, (64, 16), generator=torch.Generator().manual_seed(seed + 4)) / 4.0,
        "zeros": torch.zeros(6, 5),
        "zeros.in.base": torch.zeros(7, 5) if model == "base" else normal(seed + 5, 7, 5),
        "zeros.in.one": torch.zeros(7, 5) if model == "one" else normal(seed + 6, 7, 5),
        "subnormal": normal(seed + 7, 50) * 2.0**-24,
        "tiny": normal(seed + 8, 50) * 2.0**-14,
        "huge": normal(seed + 9, 50).clamp(-3, 3) * 1500.0,
        "all.equal": torch.full((33,), 0.5 if model == "base" else 0.75),
        "one.element": normal(seed + 10, 1),
        "scalar": normal(seed + 11),
        "same": normal(12, 9, 9).to(torch.bfloat16),
        "antipodal": normal(13, 12, 8).to(torch.bfloat16) * (1 if model == "base" else -1),
        "collinear": normal(14, 12, 8).to(torch.bfloat16) * {"base": 1, "one": 2, "two": 0.5}[model],
        "odd.length": normal(seed + 15, 4096 + 37),
        "empty": torch.empty(0, 4),
    }
    return {f"{STEM}{name}.weight": tensor.to(STORED[model]) for name, tensor in tensors.items()}
