"""Random numbers by counter: one stream per output tensor and parent, indexed by the element.

Any chunk of any stream can be drawn at any time, in any thread, on any device, and is the same. The generator is
a 32-bit integer hash of the element's index (Wellons' ``triple32`` rounds: xor-shifts and odd multiplications,
a bijection with an avalanche bias near that of a random function), keyed between its rounds.
"""

from __future__ import annotations

import hashlib
import struct
from functools import lru_cache

import torch
from torch import Tensor

_ROUNDS = ((17, 0xED5AD4BB), (11, 0xAC4C1B51), (15, 0x31848BAB))
_LAST_SHIFT = 14
RANGE = 2**32


def stream_key(seed: int, stage: str, tensor: str, source: int) -> bytes:
    """Key of one stream; ``source`` is the parent's index among the sources that are not the base."""
    return hashlib.sha256(f"{seed}\x00{stage}\x00{tensor}\x00{source}".encode()).digest()


def _signed(word: int) -> int:
    return word - RANGE if word >= RANGE // 2 else word


def _shifted(words: Tensor, shift: int, out: Tensor) -> Tensor:
    """Logical shift to the right, of int32."""
    return torch.bitwise_right_shift(words, shift, out=out).bitwise_and_((1 << (32 - shift)) - 1)


@lru_cache(maxsize=4)
def _counter(count: int) -> Tensor:
    """Give 0, 1, 2 …, never to be changed: to count takes four times as long as to add."""
    return torch.arange(count, dtype=torch.int32)


def words(key: bytes, start: int, count: int) -> Tensor:
    """Draw elements ``start .. start + count`` of a stream: uniform int32 over their whole range.

    The key changes at each multiple of 2³².
    """
    block, low = divmod(start, RANGE)
    left = RANGE - low
    if count > left:
        return torch.cat((words(key, start, left), words(key, start + left, count - left)))
    keys = struct.unpack("<4I", hashlib.sha256(key + struct.pack("<Q", block)).digest()[:16])
    drawn = _counter(count).add(_signed(low))
    shifted = torch.empty_like(drawn)
    for word, (shift, factor) in zip(keys, _ROUNDS, strict=False):
        drawn.bitwise_xor_(_signed(word))
        drawn.bitwise_xor_(_shifted(drawn, shift, shifted)).mul_(_signed(factor))
    drawn.bitwise_xor_(_signed(keys[3]))
    return drawn.bitwise_xor_(_shifted(drawn, _LAST_SHIFT, shifted))


def bernoulli(key: bytes, probability: float | Tensor, start: int, count: int) -> Tensor:
    """Draw ``count`` float64 values from element ``start`` on: 1 with ``probability`` (to 2⁻³²), else 0.

    The probability is one for all, or a float64 tensor with one for each.
    """
    if isinstance(probability, Tensor):
        below = probability.mul(RANGE).round_().sub_(RANGE // 2)
        return below.sub_(words(key, start, count)).sign_().clamp_min_(0.0)
    threshold = round(probability * RANGE)
    if threshold >= RANGE:
        return torch.ones(count, dtype=torch.float64)
    return words(key, start, count).lt_(threshold - RANGE // 2).double()  # quicker than by way of booleans
