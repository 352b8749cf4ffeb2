"""Random numbers by counter: one stream per output tensor and parent, indexed by the element.

Any elements of any stream can be drawn at any time, in any thread, and are the same. The generator is
a 32-bit integer hash of the element's index (Wellons' ``triple32`` rounds: xor-shifts and odd multiplications,
a bijection with an avalanche bias near that of a random function), keyed between its rounds.
"""

from __future__ import annotations

import hashlib
import struct
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

Words = np.ndarray[Any, np.dtype[np.uint32]]
_ROUNDS = ((17, 0xED5AD4BB), (11, 0xAC4C1B51), (15, 0x31848BAB))
_LAST_SHIFT = 14
RANGE = 2**32
_ARRAYS = {torch.float32: np.float32, torch.float64: np.float64}


def stream_key(seed: int, stage: str, tensor: str, source: int) -> bytes:
    """Key of one stream; ``source`` is the parent's index among the sources that are not the base."""
    return hashlib.sha256(f"{seed}\x00{stage}\x00{tensor}\x00{source}".encode()).digest()


@lru_cache(maxsize=4)
def _counter(count: int) -> Words:
    """Give 0, 1, 2 …: to count takes longer than to add."""
    counter = np.arange(count, dtype=np.uint32)
    counter.flags.writeable = False
    return counter


def words(key: bytes, start: int, places: int | Tensor) -> Words:
    """Draw elements of a stream, uniform over 32 bits: so many from ``start`` on, or those at places behind it.

    Places are ascending, below 2³². The key changes at each multiple of 2³².
    """
    return _words(key, start, _counter(places) if isinstance(places, int) else places.numpy().astype(np.uint32))


def _words(key: bytes, start: int, places: Words) -> Words:
    block, low = divmod(start, RANGE)
    if places.size and low + int(places[-1]) >= RANGE:
        left = RANGE - low
        here = int(np.searchsorted(places, np.uint32(left)))
        return np.concatenate((_words(key, start, places[:here]), _words(key, start + left, places[here:] - left)))
    keys = struct.unpack("<4I", hashlib.sha256(key + struct.pack("<Q", block)).digest()[:16])
    drawn = places + np.uint32(low)
    shifted = np.empty_like(drawn)
    for word, (shift, factor) in zip(keys, _ROUNDS, strict=False):
        drawn ^= word
        drawn ^= np.right_shift(drawn, shift, out=shifted)
        drawn *= factor
    drawn ^= keys[3]
    drawn ^= np.right_shift(drawn, _LAST_SHIFT, out=shifted)
    return drawn


def bernoulli(
    key: bytes, probability: float | Tensor, start: int, places: int | Tensor, dtype: torch.dtype = torch.float64
) -> Tensor:
    """Draw elements of a stream (see ``words``, taken with a sign): 1 with ``probability`` (to 2⁻³²), else 0.

    The probability is one for all, or a float64 tensor with one for each.
    """
    if isinstance(probability, Tensor):
        below: Any = probability.mul(RANGE).round_().sub_(RANGE // 2).numpy()
    else:
        below = round(probability * RANGE) - RANGE // 2
        if below >= RANGE // 2:
            return torch.ones(places if isinstance(places, int) else places.numel(), dtype=dtype)
    drawn = words(key, start, places).view(np.int32) < below
    return torch.from_numpy(drawn.astype(_ARRAYS[dtype]))
