from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from signing import APPS

from engine import devhub as embedded


@pytest.fixture
def now() -> list[float]:
    """The time that ``signing_hub`` goes by, to be changed in place."""
    return [1_800_000_000.0]


@pytest.fixture
def signing_hub(tmp_path: Path, now: list[float]) -> Iterator[embedded.Server]:
    """An empty embedded Hub with the users alice and bob, and the apps of ``signing``."""
    users = {"alice": "hf_alice_token", "bob": "hf_bob_token"}
    with embedded.serve(tmp_path / "signing", users=users, apps=APPS, clock=lambda: now[0]) as server:
        yield server


@pytest.fixture
def xet_hub(tmp_path: Path) -> Iterator[embedded.Server]:
    """An embedded Hub that speaks Xet, with the users alice and bob and alice's empty repo ``alice/m``."""
    users = {"alice": "hf_alice_token", "bob": "hf_bob_token"}
    with embedded.serve(tmp_path / "xet", users=users, xet=True) as server:
        server.store.create_repo("alice/m", "alice")
        yield server
