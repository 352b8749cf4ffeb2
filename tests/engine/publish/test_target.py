"""The target before anything is computed: what may be replaced, and who may write."""

from __future__ import annotations

import pytest
from targets import TARGET, expected, held, history, hub_of, plan_of, seed, send, writes

from engine.errors import HubError, MergeError
from engine.events import Said
from engine.hub_client import Hub
from engine.publish.target import Target, inspect_target


def test_the_same_plan_again_does_nothing(server):
    send(server)
    before = held(server)
    server.clear_log()
    events = []
    assert send(server, report=events.append) == f"{server.endpoint}/{TARGET}"
    assert events == [Said(f"{server.endpoint}/{TARGET} carries this very plan already: nothing to do")]
    assert writes(server) == []
    assert len(history(server)) == 2
    assert held(server) == before


def test_files_of_others_stay(server):
    send(server, "linear.yaml")
    server.store.commit_files(TARGET, {"sample.png": b"png", "notes/a.txt": b"a"}, "Add a picture")
    send(server)
    assert {"sample.png", "notes/a.txt"} <= set(held(server))


def in_the_way(server, *names: str) -> str:
    return (
        f"{server.endpoint}/{TARGET} already holds files that no merge recorded there, or that were changed since: "
        f"{', '.join(names)}; choose another place, remove them, or pass --force to replace them"
    )


@pytest.mark.parametrize(
    ("name", "data"),
    [("README.md", b"---\nlicense: mit\n---\nmine\n"), ("model-00009-of-00009.safetensors", b"w"), ("q4.gguf", b"g")],
)
def test_what_others_put_there_is_refused_before_any_weight_is_read(server, tmp_path, name, data):
    send(server, "linear.yaml")
    server.store.commit_files(TARGET, {name: data}, "By hand")
    before = held(server)
    server.clear_log()
    with pytest.raises(MergeError) as caught:
        send(server)
    assert str(caught.value) == in_the_way(server, name)
    assert writes(server) == []
    assert held(server) == before
    send(server, force=True)
    assert held(server) == expected(server, "ties.yaml", tmp_path)


def test_a_record_that_is_none_is_refused_and_forced(server, tmp_path):
    send(server, "linear.yaml")
    server.store.commit_files(TARGET, {"merge.record.json": b"{}"}, "Spoil")
    with pytest.raises(MergeError) as caught:
        send(server)
    message = f"{TARGET}/merge.record.json is not a record of a merge; remove it, or pass --force to replace it"
    assert str(caught.value) == message
    send(server, force=True)
    assert held(server) == expected(server, "ties.yaml", tmp_path)


def test_a_foreign_model_is_refused(server, parents):
    seed(server, TARGET, parents / "alice" / "base")
    with pytest.raises(MergeError) as caught:
        send(server)
    assert "README.md, config.json, model-00001-of-00002.safetensors, " in str(caught.value)
    assert writes(server) == []


def test_who_may_not_write_learns_it_before_any_weight_is_read(server):
    server.store.create_repo(TARGET, "alice")
    server.clear_log()
    with pytest.raises(HubError) as caught:
        send(server, user="bob")
    assert str(caught.value) == (
        f"this token may not write to {server.endpoint}/{TARGET}; use one that may, name another target with "
        "--repo, or propose the model with --create-pr"
    )
    assert server.log[-1].route == "auth-check-write"


@pytest.mark.parametrize("role", [None, "read"])
def test_who_may_make_no_repo_there_learns_it_before_any_weight_is_read(server, role):
    if role:
        server.store.add_org("acme", {"bob": role})
    server.clear_log()
    with pytest.raises(HubError) as caught:
        send(server, user="bob", repo="acme/made")
    assert str(caught.value) == (
        f"{server.endpoint}/acme/made is not there, or not for this token to see, and its account, bob, may make no "
        "repo in acme; use a token that may, or name another target with --repo"
    )
    assert server.log[-1].route == "whoami"
    assert writes(server) == []


def test_an_organisation_that_may_be_written_whatever_its_letters(server):
    server.store.add_org("acme", {"bob": "contributor"})
    hub = hub_of(server, "bob")
    for repo in ("acme/made", "ACME/made", "bob/made", "Bob/made"):
        assert inspect_target(hub, repo, plan_of(server), force=False) == Target(repo, None, (), published=False)


def test_nobody_learns_that_a_token_is_needed(server):
    server.store.create_repo(TARGET, "alice")
    nobody = Hub(endpoint=server.endpoint, token=False)
    with pytest.raises(HubError) as caught:
        inspect_target(nobody, TARGET, plan_of(server), force=False)
    assert str(caught.value) == (
        f"no token while asking for write access to {server.endpoint}/{TARGET}; "
        "set HF_TOKEN to one that may write there"
    )


def test_a_published_plan_with_a_file_changed_since_is_not_taken_for_whole(server):
    send(server)
    server.store.commit_files(TARGET, {"README.md": b"---\nlicense: mit\n---\nmine\n"}, "By hand")
    with pytest.raises(MergeError) as caught:
        send(server)
    assert str(caught.value) == in_the_way(server, "README.md")
