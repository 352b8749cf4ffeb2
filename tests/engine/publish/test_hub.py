"""Publishing to the embedded Hub: one commit, and readers see the old model or the new one at every moment."""

from __future__ import annotations

import families
import folders
import pytest
from targets import (
    LINEAR,
    NAMES,
    TARGET,
    elsewhere,
    entries,
    expected,
    held,
    history,
    hub_of,
    plan_of,
    seed,
    send,
    staging,
    writes,
)

from engine.errors import HubError, MergeError, ModelError, RecipeError, TensorError
from engine.events import Published, Said, ShardDone, ShardKept, ShardUploaded, silent
from engine.hub_client import Moved
from engine.methods.contract import CUTS_SWEEPS
from engine.publish.hub import HubSink
from engine.publish.target import Target
from engine.run.shard import FinishedShard


def test_one_commit_with_everything(server, tmp_path):
    events = []
    server.clear_log()
    address = send(server, report=events.append)
    assert address == f"{server.endpoint}/{TARGET}"
    assert history(server) == ["Merge merged with mergesmith", "initial commit"]
    assert held(server) == expected(server, "ties.yaml", tmp_path)
    nbytes = sum(e.size for n, e in entries(server).items() if n != ".gitattributes")
    assert events[-1] == Published(address, len(held(server)) - 1, nbytes)


def test_the_commit_tells_the_digests(server):
    send(server)
    commit = server.store.history(TARGET, server.store.resolve(TARGET, "main"))[0]
    plan = plan_of(server)
    assert commit.body == f"weights digest {plan.weights_digest}\nplan digest {plan.digest}"
    assert commit.author == "alice"


def test_a_new_repo_is_private_and_empty_until_the_end(server):
    seen = []

    def look(event):
        repo = server.store.repo(TARGET)
        seen.append((type(event).__name__, None if repo is None else (repo.private, len(held(server)))))

    send(server, report=look)
    # The first shard is whole before there is a repo at all; then it holds its .gitattributes alone.
    uploads = [state for name, state in seen if name == "ShardUploaded"]
    assert next(state for name, state in seen if name == "ShardDone") is None
    assert uploads == [(True, 1)] * 3
    assert server.store.repo(TARGET).private is False
    assert writes(server)[0] == "create-repo"
    assert writes(server)[-2:] == ["commit", "settings"]
    assert server.log[-1].route == "delete-branch"


def test_a_private_target_stays_private(server):
    send(server, private=True)
    assert server.store.repo(TARGET).private is True
    assert "settings" not in writes(server)


def test_an_earlier_model_is_replaced_in_one_commit(server, tmp_path):
    send(server, "linear.yaml", max_shard_size=4_000)
    assert sum(name.endswith(".safetensors") for name in held(server)) == 5
    send(server)
    assert history(server) == ["Merge merged with mergesmith", "Merge merged with mergesmith", "initial commit"]
    assert held(server) == expected(server, "ties.yaml", tmp_path)


def test_a_target_that_moved_meanwhile_is_left_alone(server):
    send(server, "linear.yaml")
    known = server.store.resolve(TARGET, "main")

    def move(event):
        if isinstance(event, ShardUploaded) and event.file == NAMES[1]:
            server.store.commit_files(TARGET, {"sample.png": b"png"}, "Add a picture")

    with pytest.raises(Moved) as caught:
        send(server, report=move)
    assert str(caught.value) == (
        f"{server.endpoint}/{TARGET} changed while this model was made: main is no longer at {known[:12]}. Nothing was "
        f"published, and the finished shards wait on the branch {staging(server)[0]}; look at what changed, then run "
        "again"
    )
    assert history(server)[0] == "Add a picture"
    events = []
    send(server, report=events.append)
    assert [event.file for event in events if isinstance(event, ShardKept)] == NAMES
    assert history(server)[:2] == ["Merge merged with mergesmith", "Add a picture"]
    assert staging(server) == []


def test_a_merge_that_fails_before_its_first_shard_creates_nothing(server, parents, tmp_path):
    tensors = families.random_tensors(folders.SHAPE, 8)
    tensors["model.embed_tokens.weight"][0, 0] = float("nan")
    folder = families.write_model(tmp_path / "damaged", tensors, families.config_of(folders.SHAPE))
    seed(server, "alice/damaged", folder)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(LINEAR.replace("alice/two", "alice/damaged"))
    with pytest.raises(TensorError):
        send(server, str(recipe))
    assert server.store.repo(TARGET) is None
    assert writes(server) == []


FAULTS = [
    *(("500", route, {"status": 500}) for route in ("create-repo", "preupload", "lfs-batch", "lfs-put", "lfs-verify")),
    *(("403", route, {"status": 403}) for route in ("preupload", "lfs-put", "commit")),
    ("500", "commit", {"status": 500}),
    ("500", "resolve", {"status": 500, "skip": 20}),
    ("404", "resolve", {"status": 404, "skip": 20}),
    ("cut", "contents", {"truncate": 100, "skip": 9}),
    ("gone", "commit", {"drop": "before"}),
    ("gone", "lfs-put", {"drop": "before", "skip": 1}),
]


@pytest.mark.parametrize("earlier", [False, True], ids=["new", "over an earlier model"])
@pytest.mark.parametrize(("kind", "route", "fault"), FAULTS, ids=[f"{kind}-{route}" for kind, route, _ in FAULTS])
def test_readers_see_the_old_model_or_the_new_one(server, tmp_path, kind, route, fault, earlier):
    if earlier:
        send(server, "linear.yaml")
        if route == "create-repo":
            return
    before = held(server) if earlier else None
    server.inject(route, times=10_000, **fault)
    with pytest.raises((HubError, ModelError)) as caught:
        send(server)
    assert caught.value.args[0]
    repo = server.store.repo(TARGET)
    if earlier:
        assert held(server) == before
        assert repo.private is False
    elif repo is not None:
        assert repo.private is True
        assert set(held(server)) == {".gitattributes"}
    # A repo that was created for this, and whose journal could not say so, is noted here.
    noted = any(".mergesmith/journal.json" in entries(server, branch) for branch in staging(server)) if repo else True
    files = {path.name for path in (tmp_path / "temporary").rglob("*") if path.is_file()}
    assert files == (set() if noted or earlier else {"claim", "created"})
    server.clear_faults()
    send(server)
    assert held(server) == expected(server, "ties.yaml", tmp_path)
    assert server.store.repo(TARGET).private is False
    assert staging(server) == []
    assert not list((tmp_path / "temporary").iterdir())


def stopped_after_creating(server) -> str:
    """Publish until the repo is created, and no further; returns the commit that it has then."""
    server.inject("create-branch", status=403)
    with pytest.raises(HubError, match=r"^not allowed \(403\) while creating the branch "):
        send(server)
    return server.store.resolve(TARGET, "main")


def test_a_repo_that_a_stopped_run_created_is_made_public_from_another_machine_only_by_hand(server):
    stopped_after_creating(server)
    events = []
    elsewhere(lambda: send(server, report=events.append))
    where = f"{server.endpoint}/{TARGET}"
    assert Said(f"{where} was private before and stays so; change that in {where}/settings") in events
    assert server.store.repo(TARGET).private is True


def test_a_repo_that_replaced_the_one_that_a_stopped_run_created_is_none_of_ours(server):
    first = stopped_after_creating(server)
    server.store.delete_repo(TARGET)
    server.store.create_repo(TARGET, "alice", private=True)
    server.store.commit_files(TARGET, {"sample.png": b"png"}, "Add a picture")
    assert server.store.resolve(TARGET, "main") != first
    send(server)
    assert server.store.repo(TARGET).private is True


@pytest.mark.parametrize("route", ["preupload", "lfs-batch", "lfs-put", "lfs-verify", "commit", "settings", "resolve"])
def test_a_passing_fault_does_not_matter(server, tmp_path, route):
    server.inject(route, status=503, times=2)
    send(server)
    assert held(server) == expected(server, "ties.yaml", tmp_path)
    assert server.store.repo(TARGET).private is False


def test_a_created_repo_whose_answer_is_lost_is_still_this_runs(server):
    server.inject("create-repo", drop="after")
    send(server)
    assert server.store.repo(TARGET).private is False


def test_a_repo_that_somebody_else_creates_meanwhile_is_left_alone(server):
    def create(event):
        if isinstance(event, ShardDone) and event.file == NAMES[0]:
            server.store.create_repo(TARGET, "alice")

    with pytest.raises(MergeError) as caught:
        send(server, report=create)
    assert str(caught.value) == f"{server.endpoint}/{TARGET} was created by somebody else meanwhile; run again"
    assert set(held(server)) == {".gitattributes"}


def test_where_it_cannot_be_made_public_that_is_said(server):
    server.inject("settings", status=500, times=10)
    where = f"{server.endpoint}/{TARGET}"
    with pytest.raises(HubError) as caught:
        send(server)
    assert str(caught.value).startswith(f"{where} holds the whole model, but is still private: the Hub failed (500) ")
    assert str(caught.value).endswith(f"; the same command makes it public, or do so in {where}/settings")
    assert server.store.repo(TARGET).private is True


def test_a_repo_that_was_private_stays_so_and_that_is_said(server):
    server.store.create_repo(TARGET, "alice", private=True)
    events = []
    send(server, report=events.append)
    where = f"{server.endpoint}/{TARGET}"
    assert Said(f"{where} was private before and stays so; change that in {where}/settings") in events
    assert server.store.repo(TARGET).private is True


def test_a_public_repo_is_never_made_private(server):
    server.store.create_repo(TARGET, "alice")
    send(server, private=True)
    assert server.store.repo(TARGET).private is False


def test_local_models_are_not_published(server):
    with pytest.raises(RecipeError) as caught:
        send(server, local=True)
    assert "alice/base is a local folder, which nobody else could check; expected models on the Hub; " in str(
        caught.value
    )
    assert server.store.repo(TARGET) is None


def test_no_more_than_one_shard_is_on_this_disk(server, tmp_path):
    seen = []

    def look(event):
        if isinstance(event, ShardDone | ShardUploaded):
            files = [path.name for path in (tmp_path / "temporary").rglob("*") if path.is_file()]
            seen.append((type(event).__name__, [name for name in files if name != "claim"]))

    send(server, report=look)
    assert seen == [step for name in NAMES for step in (("ShardDone", [f"{name}.partial"]), ("ShardUploaded", []))]
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize(("memory", "disk", "reading"), [(10**8, None, "hold"), (0, None, "spool"), (0, 0, "again")])
def test_what_is_read_is_what_the_plan_says(server, memory, disk, reading):
    plan = plan_of(server, memory=memory, disk=disk)
    assert {tensor.reading for tensor in plan.tensors} == {reading}
    server.clear_log()
    send(server, memory=memory, disk=disk)
    weights = sum(e.sent for e in server.log if e.route == "contents")
    small = sum(
        e.sent
        for e in server.log
        if e.route == "resolve" and e.path.endswith(("config.json", "index.json")) and "tokenizer" not in e.path
    )
    read, stored = weights + small - plan.cost.header_bytes_read, 3 * 17_696
    if reading == "again":
        # The plan counts as many sweeps as the cuts may take; a small tensor needs but one before it is blended.
        assert (read, plan.cost.bytes_read) == (2 * stored, (1 + CUTS_SWEEPS) * stored)
    else:
        assert read == plan.cost.bytes_read == stored


def test_gated_and_private_parents_need_the_token(server):
    server.store.set_repo("alice/one", gated="manual")
    server.store.set_repo("alice/two", private=True)
    with pytest.raises(RecipeError) as caught:
        send(server, user="bob", repo="bob/merged")
    said = str(caught.value).splitlines()
    assert "alice/one: gated at" in said[0]
    assert "alice/two: no such model at" in said[1]
    send(server)
    assert history(server)[0] == "Merge merged with mergesmith"


def test_a_shard_that_changes_before_it_is_sent_is_an_error(server, tmp_path):
    target = Target(TARGET, None, (), published=False)
    sink = HubSink(hub_of(server), target, plan_of(server), tmp_path, silent)
    path = tmp_path / "model.safetensors.partial"
    path.write_bytes(b"other bytes")
    with pytest.raises(MergeError) as caught:
        sink.accept(path, FinishedShard(NAMES[0], 11, "0" * 64, {}))
    assert str(caught.value) == f"{path} changed between writing and uploading; check the disk, then run again"
