"""The contract's own arithmetic: which elements a cut selects."""

from __future__ import annotations

import math

import pytest
import torch

from engine.methods.contract import Cut, Mix, NoParameters

VALUES = [3.0, 1.0, 2.0, 2.0, 0.0, 2.0, 2.0, 5.0]


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("last", range(8))
@pytest.mark.parametrize("value", [0.0, 1.0, 2.0, 5.0, 5e-324])
def test_a_cut_selects_what_is_larger_and_equals_up_to_its_last_index(value, last, size):
    values = torch.tensor(VALUES, dtype=torch.float64)
    parts = [
        (values[start : start + size], max(0, min(size, 8 - start, last + 1 - start))) for start in range(0, 8, size)
    ]
    expected = [v > value or (v == value and i <= last) for i, v in enumerate(VALUES)]
    kept = [one for part, equals in parts for one in Cut(value, last).kept(part, equals).tolist()]
    assert kept == [v if chosen else 0.0 for v, chosen in zip(VALUES, expected, strict=True)]
    assert [one for part, equals in parts for one in Cut(value, last).selects(part, equals).tolist()] == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_kept_keeps_its_sign(dtype):
    values = torch.tensor([-2.0, 0.5, -0.5, 3.0, -0.0, 2.0], dtype=dtype)
    assert Cut(2.0, 2).kept(values, 3).tolist() == [-2.0, 0.0, 0.0, 3.0, 0.0, 0.0]
    assert values.tolist() == [-2.0, 0.5, -0.5, 3.0, 0.0, 2.0]


def test_float32_is_compared_with_what_the_value_rounds_to():
    """1/10 of float64 is a little less than float32's: that one is the same, and its neighbours are not."""
    tenth = torch.tensor(0.1, dtype=torch.float32)
    ends = tenth.new_tensor([-9.0, 9.0])
    values = torch.stack((tenth.nextafter(ends[0]), tenth, tenth.nextafter(ends[1])))
    assert Cut(0.1, 2).kept(values, 3).tolist() == [0.0, *values[1:].tolist()]
    assert Cut(0.1, -1).kept(values, 0).tolist() == [0.0, 0.0, float(values[2])]


def test_no_number_is_kept_for_the_check_to_find():
    kept = Cut(2.0, 0).kept(torch.tensor([math.nan, 1.0], dtype=torch.float64), 1)
    assert kept.isnan().tolist() == [True, False]


@pytest.mark.parametrize(("shape", "size"), [((), 1), ((0, 3), 0), ((4, 3), 12)])
def test_a_mix_counts_its_elements(shape, size):
    assert Mix(shape, (), NoParameters(), has_base=False).size == size


@pytest.mark.parametrize(("shape", "row"), [((), 1), ((7,), 7), ((4, 3), 3), ((2, 4, 5), 5)])
def test_a_row_runs_along_the_last_dimension(shape, row):
    assert Mix(shape, (), NoParameters(), has_base=False).row == row
