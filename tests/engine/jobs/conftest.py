"""The embedded Hub with two tiny models, and what orders a merge of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from queueing import World, seed

from engine.devhub import Server


@pytest.fixture
def world(devhub: Server, tmp_path: Path) -> World:
    """An embedded Hub with the tiny models ``upper`` and ``reverse``."""
    seed(devhub)
    return World(devhub, tmp_path)
