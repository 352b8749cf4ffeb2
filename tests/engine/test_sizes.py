"""Sizes as people type them."""

from __future__ import annotations

import pytest

from engine.errors import MergesmithError
from engine.sizes import parse_kmb, parse_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("123", 123),
        ("500B", 500),
        ("1k", 1000),
        ("1kB", 1000),
        ("1KiB", 1024),
        ("1.001kB", 1001),
        ("5GB", 5_000_000_000),
        ("5 gb", 5_000_000_000),
        ("2GiB", 2_147_483_648),
        ("0.5MiB", 524_288),
        ("256MiB", 268_435_456),
        (" 1.5T ", 1_500_000_000_000),
        ("1.9", 1),
    ],
)
def test_sizes(text, expected):
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "5XB", "1e9", "5iB", "5 G B", "1,5GB", "٥GB", "five"])
def test_what_is_no_size(text):
    with pytest.raises(MergesmithError) as caught:
        parse_size(text, "--memory")
    assert str(caught.value) == f"--memory: {text!r} is not a size; expected 5GB, 500MB, 2GiB or a number of bytes"
    assert caught.value.exit_status == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1B", 10**9), ("5B", 5 * 10**9), ("500M", 5 * 10**8), ("2k", 2000), ("123", 123), ("1.5b", 1_500_000_000)],
)
def test_mergekits_sizes(text, expected):
    assert parse_kmb(text) == expected


@pytest.mark.parametrize("text", ["", "5GB", "1T", "-1B", "B"])
def test_what_is_none_of_mergekits_sizes(text):
    with pytest.raises(MergesmithError) as caught:
        parse_kmb(text, "--out-shard-size")
    assert str(caught.value) == (
        f"--out-shard-size: {text!r} is not a size; expected a number and K, M or B, such as 5B or 500M"
    )
