"""What a run tells the outside while it works: values, handed to one function.

A terminal shows them as a bar, a log as lines, ``--events json`` as JSON lines, a web page as it likes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Started:
    """A run begins: so many tensors in so many shards, ``nbytes`` of them to compute."""

    tensors: int
    shards: int
    nbytes: int


@dataclass(frozen=True)
class ShardKept:
    """A shard that an earlier run finished is used again."""

    file: str
    nbytes: int


@dataclass(frozen=True)
class TensorDone:
    """A tensor is computed and written."""

    name: str
    shard: str
    nbytes: int


@dataclass(frozen=True)
class ShardDone:
    """A shard is whole."""

    file: str
    nbytes: int
    sha256: str


@dataclass(frozen=True)
class ShardUploaded:
    """A shard is on the Hub, though not published yet."""

    file: str
    nbytes: int


@dataclass(frozen=True)
class Published:
    """All is done: a folder, or an address on the Hub."""

    where: str
    files: int
    nbytes: int


@dataclass(frozen=True)
class Said:
    """A sentence for whoever watches."""

    text: str


KINDS = (Started, ShardKept, TensorDone, ShardDone, ShardUploaded, Published, Said)
Event = Started | ShardKept | TensorDone | ShardDone | ShardUploaded | Published | Said
Report = Callable[[Event], None]


def json_line(event: Event) -> str:
    """One JSON object on one line: the event's name and its values."""
    return json.dumps({"event": _name(type(event)), **asdict(event)}, ensure_ascii=False)


def read_line(line: str) -> Event | None:
    """Read what ``json_line`` wrote; None for any other line."""
    try:
        values = json.loads(line)
        kinds = {_name(kind): kind for kind in KINDS}
        return kinds[values.pop("event")](**values)
    except (ValueError, TypeError, AttributeError, KeyError):
        return None


def _name(kind: type) -> str:
    return "".join("-" + c.lower() if c.isupper() else c for c in kind.__name__).lstrip("-")


def silent(_event: Event) -> None:
    """Report nothing."""
