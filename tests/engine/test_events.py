"""Events as lines for a program."""

from __future__ import annotations

import json

import pytest

from engine.events import (
    Published,
    Said,
    ShardDone,
    ShardKept,
    ShardUploaded,
    Started,
    TensorDone,
    json_line,
)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Started(3, 2, 100), '{"event": "started", "tensors": 3, "shards": 2, "nbytes": 100}'),
        (ShardKept("a", 1), '{"event": "shard-kept", "file": "a", "nbytes": 1}'),
        (TensorDone("w", "a", 4), '{"event": "tensor-done", "name": "w", "shard": "a", "nbytes": 4}'),
        (ShardDone("a", 1, "ff"), '{"event": "shard-done", "file": "a", "nbytes": 1, "sha256": "ff"}'),
        (ShardUploaded("a", 1), '{"event": "shard-uploaded", "file": "a", "nbytes": 1}'),
        (Published("out", 3, 9), '{"event": "published", "where": "out", "files": 3, "nbytes": 9}'),
        (Said("läuft\nweiter"), '{"event": "said", "text": "läuft\\nweiter"}'),
    ],
)
def test_one_object_on_one_line(event, line):
    assert json_line(event) == line
    assert json.loads(line)["event"]
