"""Where flags are set, whatever their number."""

from __future__ import annotations

import pytest
import torch

from engine.run.places import few_places


@pytest.mark.parametrize("size", [0, 1, 3, 4, 64, 101, 1000])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_finds_every_one_in_order(size, share):
    drawn = torch.rand(size, generator=torch.Generator().manual_seed(size)) < share
    expected = [i for i, one in enumerate(drawn.tolist()) if one]
    assert few_places(drawn.to(torch.int16) * -3, 1.0).tolist() == expected


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("flag", [1, -1, 256, -32768])
def test_one_alone_is_found(place, flag):
    flags = torch.zeros(8, dtype=torch.int16)
    flags[place] = flag
    assert few_places(flags, 0.5).tolist() == [place]
    assert flags.tolist() == [flag if i == place else 0 for i in range(8)]


def test_too_many_are_not_looked_for():
    flags = torch.zeros(40, dtype=torch.int16)  # ten words
    flags[[0, 1, 2, 3, 7, 11]] = 1
    assert few_places(flags, 0.3).tolist() == [0, 1, 2, 3, 7, 11]
    assert few_places(flags, 0.29) is None
    assert few_places(flags[:39], 0.2).tolist() == [0, 1, 2, 3, 7, 11]  # not whole words: each for itself
    assert few_places(flags[:39], 0.15) is None
