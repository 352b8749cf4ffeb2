"""What the run asks of the system's C library, where that has it; elsewhere these do nothing."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of ``mallopt``, in glibc's ``malloc.h``."""
_PARENT_DEATH_SIGNAL = 1
"""Of ``prctl``, in Linux's ``prctl.h``."""
KEPT = 256 * 1024 * 1024
"""Bytes at the end of the heap that are kept for what comes next."""
MAPPED = 32 * 1024 * 1024
"""Bytes from which an allocation is a mapping of its own: the most that glibc takes."""


@cache
def keep_freed_memory() -> None:
    """Have what is freed used again, instead of given back to the system and asked for once more.

    Chunks come and go thousands of times; to give each of them fresh pages took a fifth of a merge's time.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(_TRIM_THRESHOLD, KEPT)
        library.mallopt(_MMAP_THRESHOLD, MAPPED)


def end_with(parent: int) -> None:
    """Have this process end as soon as its parent, the process ``parent``, does, however that ends."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:  # it was quicker
        os._exit(1)
