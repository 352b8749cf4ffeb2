"""Sizes as people type them."""

from __future__ import annotations

import re
from fractions import Fraction

from engine.errors import MergesmithError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt]?)(?P<binary>i?)b?", re.IGNORECASE | re.ASCII)
_KMB = re.compile(r"(\d+(?:\.\d+)?)([KMB]?)", re.IGNORECASE | re.ASCII)
_THOUSANDS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9}


def parse_size(text: str, where: str = "") -> int:
    """Read ``5GB``, ``500M``, ``2GiB`` or a plain number, in bytes; ``where`` it was given goes before the error.

    kB, MB, GB and TB are powers of 1000, KiB, MiB, GiB and TiB of 1024.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or (match["binary"] and not match["unit"]):
        raise MergesmithError(
            f"{where and where + ': '}{text!r} is not a size; expected 5GB, 500MB, 2GiB or a number of bytes"
        )
    units = _BINARY if match["binary"] else _UNITS
    return int(Fraction(match["number"]) * units[match["unit"].lower()])


def parse_kmb(text: str, where: str = "") -> int:
    """Read mergekit's ``--out-shard-size``: a number and K, M or B for thousands, millions, billions of bytes."""
    match = _KMB.fullmatch(text.strip())
    if match is None:
        raise MergesmithError(
            f"{where and where + ': '}{text!r} is not a size; expected a number and K, M or B, such as 5B or 500M"
        )
    return int(Fraction(match[1]) * _THOUSANDS[match[2].upper()])
