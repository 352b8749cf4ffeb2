"""Numbers and names as people write them."""

from __future__ import annotations


def size(nbytes: int) -> str:
    """Bytes in decimal units, as file sizes on the Hub are: ``14.5 GB``."""
    value = float(nbytes)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            return f"{nbytes} bytes" if unit == "bytes" else f"{value:.3g} {unit}"
        value /= 1000
    raise AssertionError("the last unit always fits")


def count(number: int) -> str:
    """A number of parameters: ``7.24 B``."""
    for unit, factor in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= factor * 0.9995:
            return f"{number / factor:.3g} {unit}"
    return str(number)


def plural(number: int, noun: str) -> str:
    """``1 shard``, ``2 shards``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def short(commit: str | None) -> str:
    """A commit's first eight digits, or ``local`` for a folder."""
    return "local" if commit is None else commit[:8]


def plain(text: str) -> str:
    """Text of unknown origin in one line: what would move a cursor or change colours is shown as an escape."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
