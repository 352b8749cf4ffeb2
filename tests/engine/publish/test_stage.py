"""Shards on the staging branch: what is staged, what counts as done, and who goes on from it."""

from __future__ import annotations

import json

import pytest
from targets import (
    NAMES,
    TARGET,
    content,
    elsewhere,
    entries,
    expected,
    held,
    history,
    plan_of,
    resume,
    send,
    staging,
    stop_after,
)

from engine.errors import HubError
from engine.events import ShardDone, ShardUploaded
from engine.hub_client import Moved
from engine.publish.staging import staging_name

JOURNAL = ".mergesmith/journal.json"


def sent(server) -> dict[str, int]:
    """Bytes of weights that came in over the wire, by hash."""
    return {e.path.rsplit("/")[-1]: e.received for e in server.log if e.route == "lfs-put" and e.status == 200}


def test_each_shard_is_committed_with_the_journal_that_lists_it(server):
    plan = plan_of(server)
    stop_after(server, 2)
    name = staging_name(plan)
    assert staging(server) == [name]
    assert history(server, name) == [f"Stage {NAMES[1]}", f"Stage {NAMES[0]}", "Begin a journal", "initial commit"]
    assert history(server) == ["initial commit"]
    assert set(held(server, name)) == {".gitattributes", *NAMES[:2], JOURNAL, ".mergesmith/lock.json"}
    journal = json.loads(content(server, JOURNAL, name))
    assert [(shard["file"], shard["sha256"]) for shard in journal["shards"]] == [
        (file, held(server, name)[file]) for file in NAMES[:2]
    ]
    assert [shard["size"] for shard in journal["shards"]] == [shard.size for shard in plan.shards[:2]]
    assert all(entries(server, name)[file].lfs for file in NAMES[:2])
    assert journal["created"] is True


@pytest.mark.parametrize("count", [1, 2, 3])
def test_only_missing_shards_are_computed_and_sent(server, tmp_path, count):
    assert stop_after(server, count) == NAMES[:count]
    server.clear_log()
    assert resume(server) == (NAMES[count:], NAMES[:count])
    final = held(server)
    assert final == expected(server, "ties.yaml", tmp_path)
    sizes = {file: entry.size for file, entry in entries(server).items()}
    assert sent(server) == {final[file]: sizes[file] for file in NAMES[count:]}
    assert staging(server) == []
    assert server.store.repo(TARGET).private is False


def test_an_undisturbed_publish_sends_each_byte_of_weights_once(server):
    send(server)
    final, sizes = held(server), entries(server)
    assert sent(server) == {final[file]: sizes[file].size for file in NAMES}
    read = [e.path for e in server.log if e.route in {"resolve", "contents"} and TARGET in e.path]
    assert read == []  # what was sent is compared by what the Hub says of it


def test_over_an_earlier_model_its_equally_named_shards_count_for_nothing(server, tmp_path):
    # The same number of shards, so the same names; the branch starts from the target and so holds them.
    send(server, "linear.yaml")
    assert set(NAMES) <= set(held(server))
    before = held(server)
    assert stop_after(server, 1) == NAMES[:1]
    assert held(server) == before
    name = staging(server)[0]
    assert [held(server, name)[file] == before[file] for file in NAMES] == [False, True, True]
    assert resume(server) == (NAMES[1:], NAMES[:1])
    assert held(server) == expected(server, "ties.yaml", tmp_path)


def test_a_shard_that_the_hub_does_not_confirm_is_computed_again(server, tmp_path):
    stop_after(server, 2)
    name = staging(server)[0]
    server.store.commit_files(TARGET, {NAMES[0]: b"other weights"}, "Spoil", name)
    assert resume(server) == ([NAMES[0], NAMES[2]], [NAMES[1]])
    assert held(server) == expected(server, "ties.yaml", tmp_path)


def test_a_shard_that_is_gone_is_computed_again(server, tmp_path):
    stop_after(server, 2)
    name = staging(server)[0]
    files = {file: entry for file, entry in entries(server, name).items() if file != NAMES[1]}
    server.store.add_commit(TARGET, f"refs/heads/{name}", files, "alice", "Remove one")
    assert resume(server) == (NAMES[1:], NAMES[:1])
    assert held(server) == expected(server, "ties.yaml", tmp_path)


def test_without_a_journal_that_can_be_read_nothing_counts(server, tmp_path):
    stop_after(server, 2)
    server.store.commit_files(TARGET, {JOURNAL: b"{}"}, "Spoil", staging(server)[0])
    assert resume(server) == (NAMES, [])
    final = held(server)
    assert final == expected(server, "ties.yaml", tmp_path)
    # Whether the repo was created for this is forgotten too, and it stays as private as it is.
    assert server.store.repo(TARGET).private is True


def test_a_branch_without_any_journal_is_gone_on_with(server, tmp_path):
    server.store.create_repo(TARGET, "alice")
    name = staging_name(plan_of(server))
    server.store.set_ref(TARGET, f"refs/heads/{name}", server.store.resolve(TARGET, "main"))
    assert resume(server) == (NAMES, [])
    assert held(server) == expected(server, "ties.yaml", tmp_path)


def test_another_layout_has_a_branch_of_its_own(server):
    stop_after(server, 2)
    first = staging(server)
    computed, found = resume(server, max_shard_size=4_000)
    assert (len(computed), found) == (5, [])
    assert staging(server) == first


def test_another_run_of_the_same_plan_that_ends_first_stops_this_one(server, tmp_path):
    name = staging_name(plan_of(server))

    def overtake(event):
        if isinstance(event, ShardUploaded) and event.file == NAMES[0]:
            elsewhere(send, server)

    with pytest.raises(HubError) as caught:
        send(server, report=overtake)
    assert str(caught.value) == (
        f"{name} of {server.endpoint}/{TARGET} is gone: another run of this plan has ended, or somebody removed it; "
        "run again"
    )
    assert history(server) == ["Merge merged with mergesmith", "initial commit"]
    assert held(server) == expected(server, "ties.yaml", tmp_path)


def test_who_loses_the_race_for_the_staging_branch_stops(server):
    def overtake(event):
        if isinstance(event, ShardUploaded) and event.file == NAMES[0]:
            elsewhere(stop_after, server, 1)

    with pytest.raises(Moved) as caught:
        send(server, report=overtake)
    name = staging(server)[0]
    assert str(caught.value) == (
        f"another run publishes this model to {server.endpoint}/{TARGET}: {name} there is no longer where this run "
        "left it; wait until that run has ended, then run again"
    )
    assert resume(server) == (NAMES[2:], NAMES[:2])


def test_two_runs_that_open_the_same_branch_at_once(server):
    server.store.create_repo(TARGET, "alice")

    def overtake(event):
        if isinstance(event, ShardDone) and event.file == NAMES[0]:
            elsewhere(stop_after, server, 1)

    with pytest.raises(Moved, match="another run publishes this model to "):
        send(server, report=overtake)
    assert resume(server) == (NAMES[1:], NAMES[:1])


@pytest.mark.parametrize("skip", [0, 1, 2, 3])
def test_a_commit_to_the_staging_branch_whose_answer_is_lost_is_found(server, tmp_path, skip):
    server.inject("commit", drop="after", skip=skip)
    send(server)
    assert held(server) == expected(server, "ties.yaml", tmp_path)
    assert server.store.repo(TARGET).private is False
    assert staging(server) == []


def test_who_writes_to_the_staging_branch_at_the_end_changes_nothing(server, tmp_path):
    def meddle(event):
        if isinstance(event, ShardUploaded) and event.file == NAMES[2]:
            server.store.commit_files(TARGET, {NAMES[0]: b"other weights"}, "Meddle", staging(server)[0])

    send(server, report=meddle)
    assert held(server) == expected(server, "ties.yaml", tmp_path)


def test_small_weights_that_the_hub_keeps_as_plain_files_are_read_to_be_compared(server, tmp_path):
    """A repo whose .gitattributes knows no safetensors: the Hub tells no sha256 of such a file."""
    server.store.create_repo(TARGET, "alice")
    stop_after(server, 2)
    name = staging(server)[0]
    data = {file: content(server, file, name) for file in NAMES[:2]}
    plain = {file: server.store.blobs.regular_entry(server.store.blobs.add(data[file])) for file in NAMES[:2]}
    files = {**entries(server, name), **plain}
    server.store.add_commit(TARGET, f"refs/heads/{name}", files, "alice", "As plain files")
    assert resume(server) == (NAMES[2:], NAMES[:2])
    assert held(server) == expected(server, "ties.yaml", tmp_path)
