"""The staging branch's name and journal, as text and back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from targets import plan_of

from engine.plan.lock import lock_of, parse_lock
from engine.publish.staging import (
    JOURNAL,
    LOCK,
    Journal,
    read_journal,
    read_staged_lock,
    staged_files,
    staging_branches,
    staging_name,
)
from engine.run.journal import layout_digest
from engine.run.shard import FinishedShard

ONE = FinishedShard("model-00001-of-00002.safetensors", 5, "a" * 64, {"w": "b" * 64})
TWO = FinishedShard("model-00002-of-00002.safetensors", 7, "c" * 64, {"v": "d" * 64})


@pytest.fixture
def plan(server):
    return plan_of(server)


def test_the_name_carries_the_weights_and_the_layout(server, plan):
    name = staging_name(plan)
    assert name == f"mergesmith/{plan.weights_digest[:12]}-{layout_digest(plan)[:8]}"
    same_weights = plan_of(server, max_shard_size=4_000)
    assert staging_name(same_weights).startswith(f"mergesmith/{plan.weights_digest[:12]}-")
    assert staging_name(same_weights) != name
    assert staging_name(plan_of(server, private=True)) == name
    assert staging_name(plan_of(server, "linear.yaml"))[:23] != name[:23]


def test_only_branches_of_that_kind_are_staging_branches():
    assert staging_branches(["main", "mergesmith/b", "mergesmith", "dev/mergesmith/a", "mergesmith/a"]) == [
        "mergesmith/a",
        "mergesmith/b",
    ]


def test_the_journal_as_text(plan):
    files = staged_files(plan, Journal(created=True, shards={TWO.file: TWO, ONE.file: ONE}))
    assert list(files) == [".mergesmith/journal.json", ".mergesmith/lock.json"]
    assert json.loads(files[JOURNAL]) == {
        "mergesmith_journal": 1,
        "weights_digest": plan.weights_digest,
        "layout": layout_digest(plan),
        "created": True,
        "shards": [
            {"file": ONE.file, "size": 5, "sha256": "a" * 64, "tensors": {"w": "b" * 64}},
            {"file": TWO.file, "size": 7, "sha256": "c" * 64, "tensors": {"v": "d" * 64}},
        ],
    }
    assert parse_lock(files[LOCK], "there") == lock_of(plan)


@pytest.mark.parametrize("journal", [Journal(created=False), Journal(created=True, shards={ONE.file: ONE})])
def test_a_journal_is_read_back(plan, journal):
    assert read_journal(staged_files(plan, journal)[JOURNAL], plan) == journal


def test_a_journal_of_another_plan_is_none(server, plan):
    text = staged_files(plan, Journal(created=True))[JOURNAL]
    assert read_journal(text, replace(plan, weights_digest="0" * 64)) is None
    assert read_journal(text, plan_of(server, max_shard_size=4_000)) is None


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff", b"[]", b"{}", b"[" * 100_000, b'{"mergesmith_journal": 2}'],
    ids=["empty", "no text", "a list", "an object", "deep", "another format"],
)
def test_what_is_no_journal_is_none(plan, text):
    assert read_journal(text, plan) is None


@pytest.mark.parametrize("shards", [7, [7], [{"file": "a"}], [{"name": "a"}]])
def test_a_journal_with_damaged_shards_is_none(plan, shards):
    data = json.loads(staged_files(plan, Journal(created=False))[JOURNAL])
    assert read_journal(json.dumps(data | {"shards": shards}).encode(), plan) is None


def test_a_lock_that_cannot_be_read_is_none(plan):
    text = staged_files(plan, Journal(created=False))[LOCK]
    assert read_staged_lock(text, "there") == lock_of(plan)
    assert read_staged_lock(b"{}", "there") is None
