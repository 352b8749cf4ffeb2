"""Interruptions that wait until a block's end."""

from __future__ import annotations

import signal

import pytest

from engine.interrupts import held


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_comes_through_at_the_end_of_the_block(number, monkeypatch):
    came = []
    before = signal.signal(number, lambda *_: came.append("signal"))
    try:
        with held():
            signal.raise_signal(number)
            came.append("block")
        assert came == ["block", "signal"]
    finally:
        signal.signal(number, before)
