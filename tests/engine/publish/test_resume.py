"""Going on without a lock file: from the commits that the unfinished publish began with."""

from __future__ import annotations

import json

import families
import folders
import pytest
from targets import (
    NAMES,
    TARGET,
    content,
    expected,
    held,
    hub_of,
    options,
    resume,
    send,
    staging,
    stop_after,
)

from engine.commands import write_lock
from engine.errors import LockError
from engine.events import Said


def retrain(server, model: str) -> None:
    """Move a parent on: its main branch then has other weights."""
    tensors = families.tuned(families.random_tensors(folders.SHAPE, 1), 9)
    folder = server.store.blobs.incoming / "new"
    families.write_model(folder, tensors, families.config_of(folders.SHAPE), shards=2)
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    server.store.commit_files(f"alice/{model}", files, "Train longer")


def locked_commits(server) -> dict[str, str]:
    """The parents' commits that the published model's lock names."""
    return {pin["ref"]: pin["commit"] for pin in json.loads(content(server, "merge.lock.json"))["models"]}


def heads(server) -> dict[str, str]:
    return {model: server.store.resolve(model, "main") for model in ("alice/base", "alice/one", "alice/two")}


def going_on(server, branch: str) -> Said:
    return Said(
        f"going on with the unfinished publish of this recipe at {server.endpoint}/{TARGET} ({branch}), from the "
        "commits that it began with; --clean-staging begins anew"
    )


def test_a_parent_that_moved_meanwhile_does_not_matter(server, tmp_path):
    before = heads(server)
    undisturbed = expected(server, "ties.yaml", tmp_path)
    stop_after(server, 2)
    name = staging(server)[0]
    retrain(server, "two")
    events = []
    send(server, report=events.append)
    assert events[0] == going_on(server, name)
    assert held(server) == undisturbed
    assert locked_commits(server) == before
    assert staging(server) == []


def test_clean_staging_begins_anew_at_the_present_commits(server, tmp_path):
    stop_after(server, 2)
    name = staging(server)[0]
    retrain(server, "two")
    events = []
    send(server, report=events.append, clean_staging=True)
    assert events[0] == Said(f"removed the staging branch {name} of {server.endpoint}/{TARGET}")
    assert locked_commits(server) == heads(server)
    assert held(server) == expected(server, "ties.yaml", tmp_path)


def test_clean_staging_keeps_what_this_very_plan_staged(server):
    stop_after(server, 2)
    assert resume(server, clean_staging=True) == (NAMES[2:], NAMES[:2])


def test_a_lock_file_goes_before_the_staged_one(server, tmp_path, parents):
    stop_after(server, 2)
    name = staging(server)[0]
    retrain(server, "two")
    recipe = tmp_path / "ties.yaml"
    recipe.write_bytes((parents / "ties.yaml").read_bytes())
    write_lock(recipe, lambda: hub_of(server), options(server))
    events = []
    send(server, str(recipe), report=events.append)
    assert locked_commits(server) == heads(server)
    assert events[0] == Said(
        f"{server.endpoint}/{TARGET} keeps what unfinished publishes of other plans, or with another --max-shard-size, "
        f"left, on {name}; remove it with --clean-staging"
    )
    assert staging(server) == [name]


def test_another_recipe_does_not_go_on_with_it(server):
    stop_after(server, 2)
    name = staging(server)[0]
    events = []
    server.clear_log()
    send(server, "linear.yaml", report=events.append)
    # Nor is it planned with the other one's commits, to see whether they fit.
    assert sum(e.route == "model-info" and "alice/one" in e.path for e in server.log) == 1
    assert events[0] == Said(
        f"{server.endpoint}/{TARGET} keeps what unfinished publishes of other plans, or with another --max-shard-size, "
        f"left, on {name}; remove it with --clean-staging"
    )
    assert staging(server) == [name]


def test_a_pinned_commit_that_is_gone_is_begun_anew(server):
    stop_after(server, 2)
    with server.store.transaction() as database:
        database.execute("DELETE FROM commits WHERE repo = 'alice/two' AND parent IS NOT NULL")
    server.store.delete_ref("alice/two", "refs/heads/main")
    first = server.store.history("alice/one", server.store.resolve("alice/one", "main"))
    server.store.add_commit("alice/two", "refs/heads/main", first[0].files, "alice", "Begin again")
    send(server)
    assert locked_commits(server) == heads(server)


@pytest.mark.parametrize("name", [".mergesmith/lock.json", ".mergesmith/journal.json"])
def test_a_damaged_staging_branch_stops_nothing(server, tmp_path, name):
    stop_after(server, 2)
    server.store.commit_files(TARGET, {name: b"{}"}, "Spoil", staging(server)[0])
    send(server)
    assert held(server) == expected(server, "ties.yaml", tmp_path)


def test_a_branch_of_ours_without_a_lock_stops_nothing(server):
    server.store.create_repo(TARGET, "alice")
    server.store.set_ref(TARGET, "refs/heads/mergesmith/other", server.store.resolve(TARGET, "main"))
    send(server)
    assert staging(server) == ["mergesmith/other"]


def test_a_required_lock_is_a_file(server):
    stop_after(server, 2)
    with pytest.raises(LockError) as caught:
        send(server, require_lock=True)
    assert str(caught.value) == (
        "ties.lock.json: no such file, and a lock is required; write it with `mergesmith lock ties.yaml`"
    )
