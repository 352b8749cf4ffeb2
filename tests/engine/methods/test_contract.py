"""The contract's own arithmetic: which elements a cut selects."""

from __future__ import annotations

import pytest
import torch

from engine.methods.contract import Cut, Mix, NoParameters

VALUES = [3.0, 1.0, 2.0, 2.0, 0.0, 2.0, 2.0, 5.0]


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("last", range(8))
@pytest.mark.parametrize("value", [0.0, 1.0, 2.0, 5.0, 5e-324])
def test_a_cut_selects_what_is_larger_and_equals_up_to_its_last_index(value, last, size):
    values = torch.tensor(VALUES, dtype=torch.float64)
    chunks = [Cut(value, last).selects(values[start : start + size], start).tolist() for start in range(0, 8, size)]
    expected = [float(v > value or (v == value and i <= last)) for i, v in enumerate(VALUES)]
    assert [flag for chunk in chunks for flag in chunk] == expected


@pytest.mark.parametrize(("shape", "size"), [((), 1), ((0, 3), 0), ((4, 3), 12)])
def test_a_mix_counts_its_elements(shape, size):
    assert Mix(shape, (), NoParameters(), has_base=False).size == size


@pytest.mark.parametrize(("shape", "row"), [((), 1), ((7,), 7), ((4, 3), 3), ((2, 4, 5), 5)])
def test_a_row_runs_along_the_last_dimension(shape, row):
    assert Mix(shape, (), NoParameters(), has_base=False).row == row
