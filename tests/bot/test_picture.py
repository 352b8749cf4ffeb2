"""The picture of a mixture: which layers are written out."""

from __future__ import annotations

import pytest

from bot.picture import ticks_of


@pytest.mark.parametrize(
    ("layers", "ticks"),
    [(1, (0,)), (2, (0, 1)), (3, (0, 1, 2)), (5, (0, 1, 2, 3, 4)), (33, (0, 8, 16, 24, 32)), (32, (0, 8, 16, 23, 31))],
)
def test_ticks(layers, ticks):
    assert ticks_of(layers) == ticks
