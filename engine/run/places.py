"""Where a tensor is not zero, quickly if it is so in few places: torch takes long to look at each element."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Integers of the size of an element, in bytes."""
TOGETHER = 4
"""Elements of two bytes that are looked at together: a word."""


def few_places(flags: Tensor, share: float) -> Tensor | None:
    """Indices, ascending, of the elements of a flat int16 tensor that are not zero; None where they are too many.

    Words are looked at first, and then the elements of those that are not zero: not more than that share of the words.
    """
    bits = flags.numpy()
    if bits.size % TOGETHER:
        found = np.flatnonzero(bits != 0)
        return None if found.size > share * bits.size else torch.from_numpy(found)
    words = bits.view(np.int64)
    found = np.flatnonzero(words != 0)
    if found.size > share * words.size:
        return None
    inside = np.flatnonzero(words[found].view(np.int16) != 0)
    return torch.from_numpy(found[inside // TOGETHER] * TOGETHER + inside % TOGETHER)
