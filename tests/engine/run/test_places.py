"""Where flags are set, whatever their type and their number."""

from __future__ import annotations

import pytest
import torch

from engine.run.places import places


@pytest.mark.parametrize("dtype", [torch.int16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("size", [0, 1, 3, 4, 64, 101, 1000])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_finds_every_one_in_order(dtype, size, share):
    drawn = torch.rand(size, generator=torch.Generator().manual_seed(size)) < share
    assert places(drawn.to(dtype)).tolist() == [i for i, one in enumerate(drawn.tolist()) if one]


@pytest.mark.parametrize("place", range(8))
def test_one_alone_is_found(place):
    flags = torch.zeros(8, dtype=torch.bfloat16)
    flags[place] = 1.0
    assert places(flags).tolist() == [place]


def test_any_bit_counts_the_sign_of_a_zero_too():
    assert places(torch.tensor([0.0, -0.0, 2.0**-149, 0.0], dtype=torch.float32)).tolist() == [1, 2]


def test_flags_are_left_as_they_are():
    flags = torch.tensor([0, 5, 0, 0, 7, 0, 0, 0], dtype=torch.int16)
    places(flags)
    assert flags.tolist() == [0, 5, 0, 0, 7, 0, 0, 0]
