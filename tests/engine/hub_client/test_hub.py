from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants

from engine.devhub import Server
from engine.errors import HubError, ModelError
from engine.hub_client import (
    BranchMissing,
    FileMissing,
    Hub,
    HubFile,
    ModelGated,
    ModelMissing,
    Moved,
    PullRequest,
    RevisionMissing,
    asking,
    trying,
)

Api = Callable[[str | None], HfApi]
ROOT = Path(__file__).parents[3]
WEIGHTS = bytes(i * i % 251 for i in range(3_000_000))
CARD = b"---\nlicense: mit\nbase_model: [org/a, org/b]\nbase_model_relation: merge\n---\n# Card\n"


@pytest.fixture
def waits() -> list[float]:
    """The seconds that the client waited, instead of waiting them."""
    return []


@pytest.fixture
def hub(devhub: Server, waits: list[float]) -> Hub:
    devhub.store.create_repo("alice/m", "alice")
    devhub.store.commit_files("alice/m", {"w.safetensors": WEIGHTS, "README.md": CARD, "config.json": b"{}"}, "add")
    return Hub(endpoint=devhub.endpoint, token=devhub.token("alice"), sleep=waits.append)


@pytest.fixture
def bob(devhub: Server, hub: Hub, waits: list[float]) -> Hub:
    return Hub(endpoint=devhub.endpoint, token=devhub.token("bob"), sleep=waits.append)


def head(server: Server, branch: str = "main") -> str:
    oid = server.store.resolve("alice/m", branch)
    assert oid
    return oid


def content(server: Server, name: str, revision: str = "main") -> bytes:
    entry = server.store.commit("alice/m", server.store.resolve("alice/m", revision) or "").files[name]
    return server.store.blobs.path(entry.sha256).read_bytes()


def read(hub: Hub, begin: int, size: int, name: str = "w.safetensors", revision: str = "main") -> bytes:
    out = bytearray(size)
    hub.read("alice/m", revision, name, begin, memoryview(out))
    return bytes(out)


# looking up


def test_a_model_is_its_commit_its_files_and_its_card(devhub: Server, hub: Hub) -> None:
    model = hub.model("alice/m", None)
    assert (model.repo, model.commit, model.private, model.gated) == ("alice/m", head(devhub), False, False)
    assert model.card == {"license": "mit", "base_model": ["org/a", "org/b"], "base_model_relation": "merge"}
    assert [f.name for f in model.files] == [".gitattributes", "README.md", "config.json", "w.safetensors"]
    assert model.files[2] == HubFile("config.json", 2, None, hashlib.sha1(b"blob 2\0{}").hexdigest())
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 3000000\n".encode()
    blob_id = hashlib.sha1(b"blob %d\0" % len(pointer) + pointer).hexdigest()
    assert model.files[3] == HubFile("w.safetensors", 3_000_000, sha256, blob_id)
    assert model.last_modified is not None
    assert model.last_modified.isoformat(timespec="milliseconds").replace("+00:00", "Z") == (
        devhub.store.commit("alice/m", model.commit).date
    )
    assert [e.route for e in devhub.log] == ["model-info"]


def test_a_model_at_a_revision(devhub: Server, hub: Hub) -> None:
    first = devhub.store.history("alice/m", head(devhub))[-1].oid
    model = hub.model("alice/m", first)
    assert (model.commit, [f.name for f in model.files], model.card) == (first, [".gitattributes"], {})


def test_private_and_gated_are_told(devhub: Server, hub: Hub, bob: Hub) -> None:
    devhub.store.set_repo("alice/m", private=True, gated="auto")
    model = hub.model("alice/m", None)
    assert (model.private, model.gated) == (True, True)
    devhub.store.set_repo("alice/m", private=False)
    assert bob.model("alice/m", None).gated is True


def test_what_is_missing(devhub: Server, hub: Hub, bob: Hub) -> None:
    at = devhub.endpoint
    with pytest.raises(ModelMissing) as error:
        hub.model("alice/none", None)
    assert str(error.value) == (
        f"alice/none: no such model at {at}, or it is private and this token may not read it;"
        " check the name, or set HF_TOKEN to a token that may read it"
    )
    with pytest.raises(RevisionMissing) as error:
        hub.model("alice/m", "dev")
    assert str(error.value) == (
        f"alice/m: no branch, tag or commit dev at {at}; choose one that is listed at {at}/alice/m"
    )
    with pytest.raises(FileMissing) as error:
        hub.read_file("alice/m", head(devhub), "none.json")
    assert str(error.value) == (
        f"not found while reading none.json of alice/m@{head(devhub)[:12]} at {at};"
        f" the files are listed at {at}/alice/m/tree/{head(devhub)}"
    )
    with pytest.raises(ModelMissing, match=r"^'a/b/c' is not the name of a model on a Hub; expected NAMESPACE/NAME$"):
        hub.model("a/b/c", None)
    devhub.store.set_repo("alice/m", private=True)
    with pytest.raises(ModelMissing):
        bob.model("alice/m", None)


def test_a_gated_model_says_where_to_ask(devhub: Server, bob: Hub) -> None:
    devhub.store.set_repo("alice/m", gated="manual")
    with pytest.raises(ModelGated) as error:
        bob.read_file("alice/m", "main", "config.json")
    assert str(error.value) == (
        f"alice/m: gated at {devhub.endpoint}, and this token has no access;"
        f" ask for access at {devhub.endpoint}/alice/m, and set HF_TOKEN to a token of that account"
    )
    assert isinstance(error.value, ModelError)
    devhub.store.allow("alice/m", "bob")
    assert bob.read_file("alice/m", "main", "config.json") == b"{}"


# reading


@pytest.mark.parametrize(("begin", "size"), [(0, 1), (1000, 70_000), (2_999_990, 10), (0, 3_000_000), (5, 0)])
def test_a_range_is_read_byte_for_byte(devhub: Server, hub: Hub, begin: int, size: int) -> None:
    assert read(hub, begin, size) == WEIGHTS[begin : begin + size]
    contents = [(e.range, e.user, e.sent) for e in devhub.log if e.route == "contents"]
    assert contents == ([(f"bytes={begin}-{begin + size - 1}", None, size)] if size else [])
    assert [e.user for e in devhub.log if e.route == "resolve"] == (["alice"] if size else [])


def test_a_range_of_a_text_and_into_any_memory(hub: Hub) -> None:
    assert read(hub, 4, 7, "README.md") == b"license"
    out = memoryview(bytearray(16)).cast("i")
    hub.read("alice/m", "main", "w.safetensors", 8, out)
    assert out.tobytes() == WEIGHTS[8:24]


def test_a_range_behind_the_end_of_the_file(devhub: Server, hub: Hub) -> None:
    with pytest.raises(HubError) as error:
        read(hub, 2_999_990, 11)
    assert str(error.value) == (
        "reading w.safetensors of alice/m@main: answered 206 with Content-Range bytes 2999990-2999999/3000000;"
        " expected 206 and bytes 2999990-3000000/;"
        " either the file is shorter than its header says, or something in between drops ranges"
    )
    with pytest.raises(HubError, match=r"^refused \(416\) while reading w.safetensors of alice/m@main"):
        read(hub, 3_000_000, 1)


def test_whole_files(devhub: Server, hub: Hub, tmp_path: Path) -> None:
    assert hub.read_file("alice/m", "main", "README.md") == CARD
    hub.download("alice/m", "main", "w.safetensors", tmp_path / "w")
    assert (tmp_path / "w").read_bytes() == WEIGHTS
    devhub.store.commit_files("alice/m", {"empty": b""}, "add")
    assert hub.read_file("alice/m", "main", "empty") == b""


# going on after failures


def test_a_broken_transfer_goes_on_where_it_stopped(devhub: Server, hub: Hub, waits: list[float]) -> None:
    devhub.inject("contents", truncate=1_000_000)
    devhub.inject("contents", truncate=500_000)
    assert read(hub, 10, 2_000_000) == WEIGHTS[10:2_000_010]
    assert [e.range for e in devhub.log if e.route == "resolve"] == [
        "bytes=10-2000009", "bytes=1000010-2000009", "bytes=1500010-2000009",
    ]  # fmt: skip
    assert waits == [0.5, 1.0]


def test_a_broken_whole_file_goes_on_too(devhub: Server, hub: Hub, tmp_path: Path) -> None:
    devhub.inject("contents", truncate=1_234_567)
    hub.download("alice/m", "main", "w.safetensors", tmp_path / "w")
    assert (tmp_path / "w").read_bytes() == WEIGHTS
    assert [e.range for e in devhub.log if e.route == "contents"] == [None, "bytes=1234567-2999999"]


def test_retry_after_is_honoured_and_bounded(devhub: Server, hub: Hub, waits: list[float]) -> None:
    devhub.inject("resolve", status=429, headers={"Retry-After": "17"})
    devhub.inject("resolve", status=503)
    devhub.inject("resolve", status=429, headers={"ratelimit": '"resolvers";r=0;t=55'})
    devhub.inject("resolve", status=429, headers={"Retry-After": "9000"})
    assert read(hub, 0, 10) == WEIGHTS[:10]
    assert waits == [17.0, 1.0, 56.0, 300.0]


def test_five_tries_and_no_more(devhub: Server, hub: Hub, waits: list[float]) -> None:
    devhub.inject("model-info", status=502, times=100)
    with pytest.raises(HubError) as error:
        hub.model("alice/m", None)
    assert str(error.value) == (
        f"the Hub failed (502) while looking up alice/m at {devhub.endpoint}: injected by a test; run again later"
    )
    assert waits == [0.5, 1.0, 2.0, 4.0]
    assert len(devhub.log) == 5


def test_what_will_not_get_better_is_not_tried_again(devhub: Server, hub: Hub, waits: list[float]) -> None:
    for status, text in (
        (400, "refused (400)"), (401, "the token was not accepted (401)"), (403, "not allowed (403)"),
        (404, "not found (404)"), (409, "in conflict with what is there (409)"),
    ):  # fmt: skip
        devhub.inject("resolve", status=status)
        with pytest.raises(HubError) as error:
            read(hub, 0, 1)
        assert str(error.value).startswith(f"{text} while reading w.safetensors of alice/m@main at {devhub.endpoint}: ")
    assert waits == []


def test_a_dropped_connection(devhub: Server, hub: Hub, waits: list[float]) -> None:
    devhub.inject("model-info", drop="before", times=2)
    assert hub.model("alice/m", None).commit == head(devhub)
    assert waits == [0.5, 1.0]


def test_nobody_there(waits: list[float]) -> None:
    hub = Hub(endpoint="http://127.0.0.1:9/", sleep=waits.append)
    assert hub.endpoint == "http://127.0.0.1:9"
    with pytest.raises(HubError) as error:
        hub.model("alice/m", None)
    assert str(error.value) == (
        "no answer while looking up alice/m at http://127.0.0.1:9: [Errno 111] Connection refused;"
        " check the network and HF_ENDPOINT"
    )
    assert waits == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("endpoint", ["hub.example", "ftp://127.0.0.1"])
def test_an_address_that_is_none(waits: list[float], endpoint: str) -> None:
    with pytest.raises(HubError, match=r"^no answer while looking up a/b at .*; check the network and HF_ENDPOINT$"):
        Hub(endpoint=endpoint, sleep=waits.append).model("a/b", None)
    assert waits == []


def test_a_hub_that_never_answers(
    devhub: Server, hub: Hub, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PATIENCE", 0.1)
    devhub.inject("whoami", delay=1.0, times=5)
    with pytest.raises(HubError) as error:
        hub.whoami()
    assert str(error.value) == (
        f"no answer while asking whose token this is at {devhub.endpoint}: timed out; check the network and HF_ENDPOINT"
    )
    assert len(waits) == 4


def test_an_answer_that_ignores_the_range(devhub: Server, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.devhub.answers.parse_range", lambda header, size: None)
    with pytest.raises(HubError, match="answered 200 with Content-Range None; expected 206 and bytes 5-9/"):
        read(hub, 5, 5)


def test_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError) as error:
        hub.model("alice/m", None)
    assert str(error.value) == (
        f"HF_HUB_OFFLINE is set, so nothing was asked while looking up alice/m at {hub.endpoint}; unset it to go online"
    )


# accounts


def test_whoami_is_asked_for_once(devhub: Server, hub: Hub) -> None:
    assert (hub.whoami(), hub.whoami()) == ("alice", "alice")
    assert [e.route for e in devhub.log] == ["whoami"]


def test_no_token_and_a_wrong_one(devhub: Server, hub: Hub) -> None:
    with pytest.raises(HubError) as error:
        Hub(endpoint=devhub.endpoint).whoami()
    assert str(error.value) == f"no token while asking whose token this is at {devhub.endpoint}; set HF_TOKEN"
    wrong = Hub(endpoint=devhub.endpoint, token="hf_wrong")
    with pytest.raises(HubError) as error:
        wrong.model("alice/m", None)
    assert str(error.value) == (
        f"the token was not accepted (401) while looking up alice/m at {devhub.endpoint}:"
        " Invalid credentials in Authorization header; set HF_TOKEN to a valid token"
    )
    assert "hf_wrong" not in f"{wrong!r}{error.value!r}{error.value.__cause__!r}"


def test_may_this_token_write(hub: Hub, bob: Hub) -> None:
    assert (hub.can_write("alice/m"), bob.can_write("alice/m"), hub.can_write("alice/none")) == (True, False, None)


def test_create_says_whether_it_did(devhub: Server, hub: Hub, bob: Hub) -> None:
    assert hub.create_repo("alice/new", private=True) is True
    assert devhub.store.repo("alice/new").private is True
    assert hub.create_repo("alice/new", private=False) is False
    assert devhub.store.repo("alice/new").private is True
    assert bob.create_repo("alice/m", private=False) is False
    with pytest.raises(HubError) as error:
        bob.create_repo("alice/none", private=False)
    assert str(error.value) == (
        f"not allowed (403) while creating alice/none at {devhub.endpoint}:"
        ' You don\'t have the rights to create a model under the namespace "alice"; use a token that may do this'
    )


def test_private_and_public(devhub: Server, hub: Hub, bob: Hub) -> None:
    hub.set_private("alice/m", private=True)
    assert devhub.store.repo("alice/m").private is True
    hub.set_private("alice/m", private=False)
    assert devhub.store.repo("alice/m").private is False
    with pytest.raises(HubError, match=r"^not allowed \(403\) while making alice/m private at "):
        bob.set_private("alice/m", private=True)


# writing


def test_upload_then_forget_the_file_then_commit(devhub: Server, hub: Hub, tmp_path: Path) -> None:
    before, uploads = head(devhub), []
    for name, data in (("s1.safetensors", WEIGHTS), ("tokenizer.json", b"{1}")):
        (tmp_path / name).write_bytes(data)
        uploads.append(hub.upload("alice/m", tmp_path / name, name))
        (tmp_path / name).unlink()
    assert [(u.name, u.size, u.sha256) for u in uploads] == [
        ("s1.safetensors", 3_000_000, hashlib.sha256(WEIGHTS).hexdigest()),
        ("tokenizer.json", 3, hashlib.sha256(b"{1}").hexdigest()),
    ]
    assert head(devhub) == before
    (tmp_path / "notes.md").write_bytes(b"notes")
    made = hub.commit(
        "alice/m",
        uploads=uploads,
        files={"config.json": b'{"a": 1}', "notes.md": tmp_path / "notes.md"},
        delete=["w.safetensors"],
        message="Publish",
        description="More.",
        parent_commit=before,
    )
    assert (made.oid, made.url, made.pr_url) == (head(devhub), f"{devhub.endpoint}/alice/m/commit/{made.oid}", None)
    commit = devhub.store.commit("alice/m", made.oid)
    assert (commit.parent, commit.title, commit.body) == (before, "Publish", "More.")
    assert list(commit.files) == [
        ".gitattributes", "README.md", "config.json", "notes.md", "s1.safetensors", "tokenizer.json",
    ]  # fmt: skip
    assert content(devhub, "s1.safetensors") == WEIGHTS
    assert content(devhub, "tokenizer.json") == b"{1}"


def test_an_upload_reaches_whatever_branch_it_is_committed_to(devhub: Server, hub: Hub, tmp_path: Path) -> None:
    # The staging branch has the very file, so the client would drop it from the commit to main.
    devhub.store.set_ref("alice/m", "refs/heads/staging", head(devhub))
    (tmp_path / "s").write_bytes(b"shard")
    devhub.store.commit_files("alice/m", {"s.safetensors": b"shard"}, "stage", revision="staging")
    upload = hub.upload("alice/m", tmp_path / "s", "s.safetensors", revision="staging")
    for branch in ("main", "staging"):
        hub.commit("alice/m", uploads=[upload], files={}, delete=[], message="m", parent_commit=None, revision=branch)
        assert content(devhub, "s.safetensors", branch) == b"shard"


def test_a_branch_that_moved(devhub: Server, hub: Hub) -> None:
    old = head(devhub)
    devhub.store.commit_files("alice/m", {"x": b"1"}, "meanwhile")
    new = head(devhub)
    with pytest.raises(Moved) as error:
        hub.commit("alice/m", uploads=[], files={"a": b"1"}, delete=[], message="m", parent_commit=old)
    assert str(error.value) == (
        f"alice/m@main moved (412) while committing to alice/m@main at {devhub.endpoint}:"
        " A commit has happened since. Please refresh and try again; look at its head, then run again"
    )
    assert head(devhub) == new


def test_a_pull_request(devhub: Server, hub: Hub, bob: Hub) -> None:
    before = head(devhub)
    made = bob.commit(
        "alice/m", uploads=[], files={"a": b"1"}, delete=[], message="m", parent_commit=None, create_pr=True
    )
    assert (made.pr_url, made.pr_ref) == (f"{devhub.endpoint}/alice/m/discussions/1", "refs/pr/1")
    assert (head(devhub), devhub.store.resolve("alice/m", "refs/pr/1")) == (before, made.oid)


def test_a_copy_from_another_branch_costs_no_bytes(devhub: Server, hub: Hub) -> None:
    before = head(devhub)
    devhub.store.set_ref("alice/m", "refs/heads/mergesmith/a-b", before)
    files = {"w.safetensors": b"new weights", "a.txt": b"text"}
    staged = devhub.store.commit_files("alice/m", files, "stage", revision="mergesmith/a-b")
    devhub.store.commit_files("alice/m", {"w.safetensors": b"newer"}, "stage more", revision="mergesmith/a-b")
    devhub.clear_log()
    made = hub.commit(
        "alice/m",
        uploads=[],
        files={},
        copies={"w.safetensors": staged, "a.txt": staged},
        delete=[],
        message="m",
        parent_commit=before,
    )
    assert head(devhub) == made.oid
    assert (content(devhub, "w.safetensors"), content(devhub, "a.txt")) == (b"new weights", b"text")
    # Of the weights only their hash; of a plain file its four bytes, once each way.
    assert sum(e.sent for e in devhub.log if e.route in {"contents", "resolve"}) == 4
    assert not {"lfs-put", "lfs-batch"} & {e.route for e in devhub.log}


def test_branches_come_and_go(devhub: Server, hub: Hub) -> None:
    first = devhub.store.history("alice/m", head(devhub))[-1].oid
    hub.create_branch("alice/m", "mergesmith/a-b", first)
    assert hub.branches("alice/m") == {"main": head(devhub), "mergesmith/a-b": first}
    hub.create_branch("alice/m", "mergesmith/a-b", head(devhub))
    assert hub.branches("alice/m")["mergesmith/a-b"] == first
    hub.delete_branch("alice/m", "mergesmith/a-b")
    hub.delete_branch("alice/m", "mergesmith/a-b")
    assert hub.branches("alice/m") == {"main": head(devhub)}
    with pytest.raises(ModelMissing):
        hub.branches("alice/none")


def test_a_branch_that_is_gone(devhub: Server, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"shard")
    with pytest.raises(BranchMissing) as error:
        hub.upload("alice/m", tmp_path / "s", "s.safetensors", "dev")
    assert str(error.value) == (
        f"no branch dev in alice/m (404) while uploading s.safetensors to alice/m at {devhub.endpoint};"
        f" its branches are listed at {devhub.endpoint}/alice/m"
    )
    with pytest.raises(BranchMissing):
        hub.commit("alice/m", uploads=[], files={"a": b"1"}, delete=[], message="m", parent_commit=None, revision="dev")


def test_branches_of_others(hub: Hub, bob: Hub, devhub: Server) -> None:
    with pytest.raises(HubError) as error:
        bob.create_branch("alice/m", "dev", head(devhub))
    assert str(error.value) == (
        f"not allowed (403) while creating the branch dev of alice/m at {devhub.endpoint}:"
        " You don't have the rights to write to alice/m; use a token that may do this"
    )
    hub.create_branch("alice/m", "dev", head(devhub))
    with pytest.raises(HubError, match=r"^not allowed \(403\) while removing the branch dev of alice/m at "):
        bob.delete_branch("alice/m", "dev")


def test_pull_requests_open_as_drafts_and_are_listed_by_author(devhub: Server, hub: Hub, bob: Hub) -> None:
    first = bob.open_pull_request("alice/m", "Add weights", "Because.")
    assert first == PullRequest(1, "Add weights", "draft", f"{devhub.endpoint}/alice/m/discussions/1")
    assert first.ref == "refs/pr/1"
    hub.open_pull_request("alice/m", "Mine", "")
    for title in ("Second", "Third", "Fourth"):
        bob.open_pull_request("alice/m", title, "")
    bob.mark_ready("alice/m", 3)
    HfApi(endpoint=devhub.endpoint, token=devhub.token("alice")).change_discussion_status("alice/m", 4, "closed")
    found = [(pull.num, pull.title, pull.status) for pull in hub.pull_requests("alice/m", "bob")]
    assert found == [(5, "Fourth", "draft"), (3, "Second", "open"), (1, "Add weights", "draft")]
    assert bob.commit(
        "alice/m", uploads=[], files={"a": b"1"}, delete=[], message="m", parent_commit=None, revision=first.ref
    ).oid == devhub.store.resolve("alice/m", "refs/pr/1")
    with pytest.raises(HubError, match=r"^not allowed \(403\) while opening the pull request 2 of alice/m for review "):
        bob.mark_ready("alice/m", 2)


def test_a_commit_that_was_not_taken_is_sent_again(devhub: Server, hub: Hub, waits: list[float]) -> None:
    devhub.inject("commit", status=503)
    devhub.inject("commit", status=429, headers={"Retry-After": "3"})
    made = hub.commit("alice/m", uploads=[], files={"a": b"1"}, delete=[], message="m", parent_commit=head(devhub))
    assert (made.oid, waits) == (head(devhub), [0.5, 3.0])


@pytest.mark.parametrize("route", ["validate-yaml", "paths-info", "preupload"])
@pytest.mark.parametrize("fault", [{"status": 500}, {"drop": "before"}], ids=["500", "gone"])
def test_what_goes_before_a_commit_is_tried_again(
    devhub: Server, hub: Hub, waits: list[float], route: str, fault: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", waits.append)  # between the client's own tries
    before = head(devhub)
    devhub.inject(route, **fault, times=2)
    files = {"README.md": b"---\nlicense: mit\n---\n"}
    made = hub.commit(
        "alice/m", uploads=[], files=files, copies={"w.safetensors": before}, delete=[], message="m",
        parent_commit=before,
    )  # fmt: skip
    assert made.oid == head(devhub)
    assert len(waits) == 2
    assert [e.status for e in devhub.log if e.route == "commit"] == [200]


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_commit_that_may_have_been_made_is_not_sent_again(
    devhub: Server, hub: Hub, waits: list[float], status: int
) -> None:
    devhub.inject("commit", status=status)
    with pytest.raises(HubError, match=rf"^the Hub failed \({status}\) while committing to alice/m@main at "):
        hub.commit("alice/m", uploads=[], files={"a": b"1"}, delete=[], message="m", parent_commit=head(devhub))
    assert waits == []


def test_a_commit_whose_answer_is_lost_is_not_sent_again(devhub: Server, hub: Hub, waits: list[float]) -> None:
    before = head(devhub)
    devhub.inject("commit", drop="after")
    with pytest.raises(HubError, match=f"^no answer while committing to alice/m@main at {devhub.endpoint}: "):
        hub.commit("alice/m", uploads=[], files={"a": b"1"}, delete=[], message="m", parent_commit=before)
    assert devhub.store.commit("alice/m", head(devhub)).parent == before
    assert waits == []


def test_a_pull_request_whose_answer_is_lost_is_not_opened_again(devhub: Server, bob: Hub, waits: list[float]) -> None:
    devhub.inject("create-discussion", drop="after")
    with pytest.raises(HubError, match=f"^no answer while opening a pull request in alice/m at {devhub.endpoint}: "):
        bob.open_pull_request("alice/m", "Add weights", "")
    assert [pull.num for pull in bob.pull_requests("alice/m", "bob")] == [1]
    assert waits == []


def test_nothing_to_change_is_no_commit(devhub: Server, hub: Hub) -> None:
    before = head(devhub)
    made = hub.commit("alice/m", uploads=[], files={"config.json": b"{}"}, delete=[], message="m", parent_commit=before)
    assert (made.oid, head(devhub)) == (before, before)


def test_a_card_that_the_hub_refuses(devhub: Server, hub: Hub) -> None:
    with pytest.raises(HubError) as error:
        hub.commit(
            "alice/m",
            uploads=[],
            files={"README.md": b"---\nlicense: mine\n---\n"},
            delete=[],
            message="m",
            parent_commit=None,
        )
    assert str(error.value) == (
        f"refused while committing to alice/m@main at {devhub.endpoint}: Invalid metadata in README.md."
        ' - "license" must be one of the Hub\'s identifiers, not mine'
    )


def test_writing_where_one_may_not_is_no_fault_of_a_recipe(devhub: Server, bob: Hub, tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"shard")
    with pytest.raises(HubError, match=r"^not allowed \(403\) while uploading s.bin to alice/m at "):
        bob.upload("alice/m", tmp_path / "s", "s.bin")
    with pytest.raises(HubError, match=r"^not found \(404\) while uploading s.bin to alice/none at "):
        bob.upload("alice/none", tmp_path / "s", "s.bin")


def test_what_happens_to_an_upload_is_told(devhub: Server, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"shard")
    devhub.inject("lfs-put", status=403)
    with pytest.raises(HubError, match=r"^not allowed \(403\) while uploading s.bin to alice/m at .*: injected by a"):
        hub.upload("alice/m", tmp_path / "s", "s.bin")
    devhub.inject("lfs-verify", status=404)
    with pytest.raises(HubError, match=r"^not found \(404\) while uploading s.bin to alice/m at "):
        hub.upload("alice/m", tmp_path / "s", "s.bin")


# quiet


QUIET = """
import sys
from pathlib import Path
from engine.hub_client import Hub
hub = Hub()
hub.create_repo("alice/quiet", private=False)
upload = hub.upload("alice/quiet", Path(sys.argv[1]), "w.safetensors")
hub.commit("alice/quiet", uploads=[upload], files={}, delete=[], message="m", parent_commit=None)
out = bytearray(4)
hub.read("alice/quiet", "main", "w.safetensors", 2, memoryview(out))
print(hub.whoami(), hub.endpoint, out.decode(), "torch" in sys.modules)
"""


def test_nothing_is_written_but_by_us_and_the_environment_is_heeded(devhub: Server, tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"0123456789")
    environment = {key: value for key, value in os.environ.items() if key != "HF_HUB_DISABLE_PROGRESS_BARS"}
    environment |= {"HF_ENDPOINT": devhub.endpoint, "HF_TOKEN": devhub.token("alice"), "PYTHONPATH": str(ROOT)}
    devhub.inject("preupload", status=503)  # the client would log its own retry
    command = [sys.executable, "-c", QUIET, str(tmp_path / "w")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == (f"alice {devhub.endpoint} 2345 False\n", "")


def test_the_waits_are_those_that_the_tests_expect() -> None:
    assert (trying.WAITS, trying.LONGEST_WAIT) == ((0.5, 1.0, 2.0, 4.0), 300.0)


# proposing


def test_a_proposal_is_a_pull_request_with_the_files(devhub: Server, hub: Hub, bob: Hub) -> None:
    before = head(devhub)
    files = {"recipes/new.yaml": b"merge_method: slerp\n", "config.json": b'{"x": 1}'}
    made = bob.propose("alice/m", files, "Add new", "Makes x\n\nfrom y")
    assert made == PullRequest(1, "Add new", "open", f"{devhub.endpoint}/alice/m/discussions/1")
    assert {name: content(devhub, name, made.ref) for name in files} == files
    assert content(devhub, "w.safetensors", made.ref) == WEIGHTS
    assert head(devhub) == before
    told = HfApi(endpoint=devhub.endpoint).get_discussion_details("alice/m", 1)
    assert (told.title, told.status, told.author, told.events[0].content) == (
        "Add new",
        "open",
        "bob",
        "Makes x\n\nfrom y",
    )


def test_a_proposal_of_what_is_there_already(devhub: Server, bob: Hub) -> None:
    with pytest.raises(HubError) as error:
        bob.propose("alice/m", {"config.json": b"{}"}, "Add config", "")
    assert str(error.value) == (
        f"refused while proposing config.json to alice/m at {devhub.endpoint}:"
        " the files are there already, with this content; there is nothing to propose"
    )
    assert devhub.store.discussions("alice/m") == []


def test_a_proposal_to_a_repo_that_is_not_there(devhub: Server, bob: Hub) -> None:
    with pytest.raises(HubError, match=r"^not found \(404\) while committing to alice/none@main at "):
        bob.propose("alice/none", {"a.yaml": b"a"}, "Add a", "")
