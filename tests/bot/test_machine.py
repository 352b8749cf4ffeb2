"""Does a plan fit this machine?"""

from __future__ import annotations

import os
import shutil

import pytest

from bot.machine import GB, Machine, fit, measure, minutes
from engine.plan.plan import Cost

HOSTED = Machine(4, 16 * GB, 60 * GB, hosted=True)
OWN = Machine(4, 64 * GB, 200 * GB, hosted=False)


@pytest.mark.parametrize(
    ("memory", "disk", "machine", "verdict"),
    [
        (1 * GB, 5 * GB, HOSTED, "yes"),
        (16 * GB, 14 * GB, HOSTED, "yes"),
        (1 * GB, 14 * GB + 1, HOSTED, "lucky"),
        (16 * GB + 1, 1 * GB, HOSTED, "no"),
        (1 * GB, 60 * GB + 1, HOSTED, "no"),
        (17 * GB, 15 * GB, OWN, "yes"),
        (65 * GB, 15 * GB, OWN, "no"),
    ],
)
def test_fit(memory, disk, machine, verdict):
    assert fit(Cost(0, 0, memory, disk, 0), machine).verdict == verdict


def test_texts():
    assert fit(Cost(0, 0, GB, 5 * GB, 0), HOSTED).text == (
        "fits: it needs 1 GB of memory and 5 GB of disk at a time, and this runner has 16 GB and 60 GB free"
    )
    assert fit(Cost(0, 0, GB, 20 * GB, 0), HOSTED).text == (
        "fits today: it needs 1 GB of memory and 20 GB of disk at a time, and this runner has 16 GB and 60 GB free, "
        "but GitHub promises only 16 GB and 14 GB"
    )
    assert fit(Cost(0, 0, GB, 90 * GB, 0), HOSTED).text.startswith("does not fit: it needs 1 GB of memory and 90 GB")


def test_minutes():
    assert minutes(Cost(2 * GB, GB, 0, 0, 0)) == "under a minute"
    assert minutes(Cost(29 * GB, 14 * GB, 0, 0, 0)) == "about 7 min"


def test_measure(tmp_path):
    machine = measure(tmp_path, hosted=True)
    assert machine.cores == len(os.sched_getaffinity(0))
    assert abs(machine.disk - shutil.disk_usage(tmp_path).free) < GB
    with open("/proc/meminfo") as file:  # noqa: PTH123 - as others read it
        assert machine.memory == int(file.readline().split()[1]) * 1024
