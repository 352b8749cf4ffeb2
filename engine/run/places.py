"""Where a tensor is not zero, quickly if it is so in few places: torch takes long to look at each element."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Integers of the size of an element, in bytes."""
WORD = 8
"""Bytes that are looked at together."""


def places(flags: Tensor) -> Tensor:
    """Indices, ascending, of the elements of a flat tensor that have any bit set (so a -0.0 counts).

    Whole words are looked at first, and then the elements of those that are not zero.
    """
    bits, words = _words(flags)
    return _within(bits, words, words.nonzero().squeeze(1))


def few_places(flags: Tensor, share: float) -> Tensor | None:
    """As ``places``, or None where more than that share of the words is not zero."""
    bits, words = _words(flags)
    found = words.nonzero().squeeze(1)
    return None if found.numel() > share * words.numel() else _within(bits, words, found)


def _words(flags: Tensor) -> tuple[Tensor, Tensor]:
    bits = flags.view(INTEGERS[flags.element_size()])
    return bits, bits if bits.numel() % (WORD // flags.element_size()) else bits.view(torch.int64)


def _within(bits: Tensor, words: Tensor, found: Tensor) -> Tensor:
    each = bits.numel() // words.numel() if words.numel() else 1
    if each == 1:
        return found
    inside = words.index_select(0, found).view(bits.dtype).nonzero().squeeze(1)
    return found.mul_(each).index_select(0, inside.div(each, rounding_mode="floor")).add_(inside.remainder(each))
