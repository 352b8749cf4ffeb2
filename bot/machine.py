"""The machine that a merge would run on: what it has, what GitHub promises, and whether a plan fits."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from engine.plan.show.words import size

if TYPE_CHECKING:
    from pathlib import Path

    from engine.plan.plan import Cost

GB = 1000**3
PROMISED_MEMORY = 16 * GB
PROMISED_DISK = 14 * GB
"""What a public runner of GitHub's is promised to have; it often has more disk."""
LINK = 100_000_000
"""Bytes a second that times are given for; a runner's link to the Hub is often faster."""


@dataclass(frozen=True)
class Machine:
    """Cores, and bytes of memory and of free disk; ``hosted``: one of GitHub's own."""

    cores: int
    memory: int
    disk: int
    hosted: bool


@dataclass(frozen=True)
class Fit:
    """Whether a plan fits: ``no``, ``yes``, or ``lucky``, which is on more than GitHub promises."""

    verdict: Literal["yes", "lucky", "no"]
    text: str


def measure(scratch: Path, *, hosted: bool) -> Machine:
    """Look at this machine; ``scratch`` is where shards are written."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(cores, memory, shutil.disk_usage(scratch).free, hosted)


def fit(cost: Cost, machine: Machine) -> Fit:
    """Hold what a run needs against the machine."""
    needs = f"needs {size(cost.peak_memory_bytes)} of memory and {size(cost.peak_disk_bytes)} of disk at a time"
    has = f"this runner has {size(machine.memory)} and {size(machine.disk)} free"
    if cost.peak_memory_bytes > machine.memory or cost.peak_disk_bytes > machine.disk:
        return Fit("no", f"does not fit: it {needs}, and {has}")
    if machine.hosted and (cost.peak_memory_bytes > PROMISED_MEMORY or cost.peak_disk_bytes > PROMISED_DISK):
        promise = f"GitHub promises only {size(PROMISED_MEMORY)} and {size(PROMISED_DISK)}"
        return Fit("lucky", f"fits today: it {needs}, and {has}, but {promise}")
    return Fit("yes", f"fits: it {needs}, and {has}")


def minutes(cost: Cost) -> str:
    """Tell how long the transfers alone take at 100 MB/s."""
    seconds = (cost.bytes_read + cost.bytes_written) / LINK
    return "under a minute" if seconds < 60 else f"about {round(seconds / 60)} min"
