"""When jobs begin: sums by hand."""

from __future__ import annotations

import pytest

from engine.jobs.forecast import FIRST_RATE, Run, duration, left_of, rate_of, starts


def test_the_rate_is_of_all_long_runs_together():
    # (600 + 60) / (100 + 120); neither the mean of 6 and 0.5, nor with the short run
    assert rate_of([Run(600, 100), Run(60, 120), Run(9e9, 59.9)]) == 3.0
    assert rate_of([Run(600, 60)]) == 10.0


def test_before_any_was_measured_it_is_stated():
    assert rate_of([]) == rate_of([Run(9e9, 59), Run(0, 600)]) == FIRST_RATE == 50e6


def test_duration():
    assert duration(4_000, 100.0) == 50.0  # 10 s to start and 40


def test_what_is_left_of_a_silent_run_is_unknown_once_it_is_over_time():
    assert left_of(4_000, 20.0, 100.0) == 30.0
    assert left_of(4_000, 50.0, 100.0) is None
    assert left_of(4_000, 80.0, 100.0) is None


@pytest.mark.parametrize(
    ("running", "queued", "slots", "expected"),
    [
        ([], [], 1, [0.0]),
        ([7.0], [], 1, [7.0]),
        ([7.0], [1000.0, 2000.0], 1, [7.0, 27.0, 57.0]),  # 10 + 1000 / 100, 10 + 2000 / 100
        ([7.0, 30.0], [1000.0, 2000.0], 2, [7.0, 27.0, 30.0]),
        ([7.0], [1000.0], 2, [0.0, 7.0]),
        ([None], [1000.0, 5.0], 1, [None, None, None]),
        ([None, 7.0], [1000.0], 2, [7.0, 27.0]),
        ([None, None], [], 2, [None]),
    ],
)
def test_starts(running, queued, slots, expected):
    assert starts(running, queued, slots, 100.0) == expected
