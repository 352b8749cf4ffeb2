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
    read_line,
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
    assert read_line(line) == event


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Traceback (most recent call last):",
        "[]",
        "3",
        '{"text": "x"}',
        '{"event": "dreamt", "text": "x"}',
        '{"event": ["said"], "text": "x"}',
        '{"event": "said"}',
        '{"event": "said", "text": "x", "more": 1}',
    ],
)
def test_any_other_line_is_none(line):
    assert read_line(line) is None
