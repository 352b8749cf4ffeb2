from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    BadRequestError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import get_session, httpx

from engine.devhub import Server

Api = Callable[[str | None], HfApi]
WEIGHTS = bytes(range(256)) * 500


@pytest.fixture
def api(devhub: Server, devhub_api: Api) -> HfApi:
    devhub.store.create_repo("alice/m", "alice")
    return devhub_api("alice")


def content(server: Server, path: str, revision: str = "main", repo: str = "alice/m") -> bytes:
    oid = server.store.resolve(repo, revision)
    assert oid
    return server.store.blobs.path(server.store.commit(repo, oid).files[path].sha256).read_bytes()


def paths(server: Server, revision: str = "main", repo: str = "alice/m") -> list[str]:
    oid = server.store.resolve(repo, revision)
    assert oid
    return list(server.store.commit(repo, oid).files)


def post(server: Server, path: str, body: bytes, user: str = "alice") -> httpx.Response:
    headers = {"Authorization": f"Bearer {server.token(user)}"}
    return get_session().post(server.endpoint + path, content=body, headers=headers)


def commit_lines(*changes: tuple[str, dict[str, Any]]) -> bytes:
    lines = [{"key": "header", "value": {"summary": "s"}}, *({"key": k, "value": v} for k, v in changes)]
    return b"\n".join(json.dumps(line).encode() for line in lines)


def test_weights_go_by_lfs_and_texts_inside_the_commit(devhub: Server, api: HfApi, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(WEIGHTS)
    info = api.create_commit(
        "alice/m",
        [
            CommitOperationAdd("model.safetensors", file),
            CommitOperationAdd("config.json", b"{}"),
            CommitOperationAdd("empty.bin", b""),
        ],
        commit_message="add",
        commit_description="why",
    )
    assert info.commit_url == f"{devhub.endpoint}/alice/m/commit/{info.oid}"
    made = devhub.store.commit("alice/m", info.oid)
    assert (made.title, made.body, made.author) == ("add", "why", "alice")
    assert {name: entry.lfs for name, entry in made.files.items()} == {
        ".gitattributes": False,
        "config.json": False,
        "empty.bin": False,
        "model.safetensors": True,
    }
    assert content(devhub, "model.safetensors") == WEIGHTS
    assert content(devhub, "config.json") == b"{}"


def test_a_large_file_of_any_name_goes_by_lfs(devhub: Server, api: HfApi) -> None:
    api.upload_file(path_or_fileobj=b"x" * 10_000_001, path_in_repo="tokenizer.json", repo_id="alice/m")
    api.upload_file(path_or_fileobj=b"x" * 10_000_000, path_in_repo="vocab.json", repo_id="alice/m")
    files = devhub.store.commit("alice/m", devhub.store.resolve("alice/m", "main") or "").files
    assert (files["tokenizer.json"].lfs, files["vocab.json"].lfs) == (True, False)


def test_bytes_that_are_there_are_not_sent_again(devhub: Server, api: HfApi) -> None:
    api.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="a.bin", repo_id="alice/m")
    devhub.clear_log()
    api.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="b.bin", repo_id="alice/m")
    assert [e.route for e in devhub.log] == ["preupload", "lfs-batch", "commit"]
    assert content(devhub, "b.bin") == WEIGHTS
    head = devhub.store.resolve("alice/m", "main")
    assert api.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="b.bin", repo_id="alice/m").oid == head
    assert devhub.log[-1].route == "model-info"


def test_another_repo_must_upload_what_this_one_has(devhub: Server, api: HfApi, devhub_api: Api) -> None:
    api.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="a.bin", repo_id="alice/m")
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    devhub.store.create_repo("bob/m", "bob")
    change = ("lfsFile", {"path": "a.bin", "algo": "sha256", "oid": sha256, "size": len(WEIGHTS)})
    answer = post(devhub, "/api/models/bob/m/commit/main", commit_lines(change), "bob")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("an LFS pointer pointed to a file that does not exist: a.bin")
    devhub.clear_log()
    devhub_api("bob").upload_file(path_or_fileobj=WEIGHTS, path_in_repo="a.bin", repo_id="bob/m")
    assert [e.received for e in devhub.log if e.route == "lfs-put"] == [len(WEIGHTS)]


def test_upload_folder_and_delete(devhub: Server, api: HfApi, tmp_path: Path) -> None:
    for name in ("a.txt", "sub/b.txt", "sub/deep/c.bin"):
        (tmp_path / "up" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "up" / name).write_bytes(name.encode())
    api.upload_folder(repo_id="alice/m", folder_path=tmp_path / "up")
    assert paths(devhub) == [".gitattributes", "a.txt", "sub/b.txt", "sub/deep/c.bin"]
    api.create_commit(
        "alice/m", [CommitOperationDelete("a.txt"), CommitOperationDelete("sub/deep/")], commit_message="d"
    )
    assert paths(devhub) == [".gitattributes", "sub/b.txt"]
    for path in ("a.txt", "sub/deep/"):
        with pytest.raises(RemoteEntryNotFoundError, match="with this name doesn't exist"):
            api.create_commit("alice/m", [CommitOperationDelete(path)], commit_message="d")


def test_copy_within_a_repo_from_another_branch(devhub: Server, api: HfApi) -> None:
    api.create_branch("alice/m", branch="staging")
    additions = [CommitOperationAdd("s.safetensors", WEIGHTS), CommitOperationAdd("t.txt", b"text")]
    api.create_commit("alice/m", additions, commit_message="stage", revision="staging")
    devhub.clear_log()
    copies = [CommitOperationCopy(p, f"new/{p}", src_revision="staging") for p in ("s.safetensors", "t.txt")]
    api.create_commit("alice/m", copies, commit_message="publish")
    assert paths(devhub) == [".gitattributes", "new/s.safetensors", "new/t.txt"]
    assert content(devhub, "new/s.safetensors") == WEIGHTS
    assert content(devhub, "new/t.txt") == b"text"
    assert not [e for e in devhub.log if e.route in {"lfs-put", "contents"}]


def test_copy_across_repos(devhub: Server, api: HfApi, devhub_api: Api) -> None:
    devhub.store.create_repo("bob/source", "bob")
    devhub.store.commit_files("bob/source", {"w.safetensors": WEIGHTS, "c.json": b"{}"}, "add")
    copies = [
        CommitOperationCopy(p, p, src_repo_id="bob/source", src_repo_type="model") for p in ("w.safetensors", "c.json")
    ]
    api.create_commit("alice/m", copies, commit_message="copy")
    assert (content(devhub, "w.safetensors"), content(devhub, "c.json")) == (WEIGHTS, b"{}")
    devhub.store.set_repo("bob/source", private=True)
    with pytest.raises(RepositoryNotFoundError):
        api.create_commit("alice/m", copies, commit_message="copy")


def test_copy_file_on_the_server(devhub: Server, api: HfApi) -> None:
    first = devhub.store.commit_files("alice/m", {"w.safetensors": WEIGHTS}, "add")
    devhub.store.commit_files("alice/m", {"w.safetensors": b"other"}, "change")
    change = ("copyFile", {"path": "old.safetensors", "srcPath": "w.safetensors", "srcRevision": first})
    assert post(devhub, "/api/models/alice/m/commit/main", commit_lines(change)).status_code == 200
    assert content(devhub, "old.safetensors") == WEIGHTS


def test_a_parent_that_moved_is_412_and_changes_nothing(devhub: Server, api: HfApi) -> None:
    old = devhub.store.resolve("alice/m", "main") or ""
    head = api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="alice/m", parent_commit=old).oid
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as error:
        api.upload_file(path_or_fileobj=b"2", path_in_repo="a.txt", repo_id="alice/m", parent_commit=old)
    assert error.value.response.status_code == 412
    assert devhub.store.resolve("alice/m", "main") == head
    api.upload_file(path_or_fileobj=b"3", path_in_repo="a.txt", repo_id="alice/m", parent_commit=head[:7])
    assert content(devhub, "a.txt") == b"3"


def test_commit_needs_a_token_rights_and_a_branch(devhub: Server, api: HfApi, devhub_api: Api) -> None:
    body = commit_lines(("file", {"path": "a", "content": "", "encoding": "base64"}))
    anonymous = get_session().post(f"{devhub.endpoint}/api/models/alice/m/commit/main", content=body)
    assert anonymous.status_code == 401
    with pytest.raises(HfHubHTTPError) as error:
        devhub_api("bob").upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id="alice/m")
    assert error.value.response.status_code == 403
    with pytest.raises(RevisionNotFoundError):
        api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id="alice/m", revision="dev")
    api.create_tag("alice/m", tag="v1")
    with pytest.raises(BadRequestError, match="v1 is not a branch"):
        api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id="alice/m", revision="v1")
    assert paths(devhub) == [".gitattributes"]


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        (("file", {"path": "../a", "content": "", "encoding": "base64"}), 400, "Invalid path: '../a'"),
        (("file", {"path": "a/.git/x", "content": "", "encoding": "base64"}), 400, "Invalid path: 'a/.git/x'"),
        (("file", {"path": "/etc/x", "content": "", "encoding": "base64"}), 400, "Invalid path: '/etc/x'"),
        (("file", {"path": "a", "content": "no!", "encoding": "base64"}), 400, "a: content is not base64"),
        (("file", {"path": "a", "content": "x"}), 400, "content must be encoded as base64"),
        (
            ("file", {"path": ".gitattributes/x", "content": "", "encoding": "base64"}),
            400,
            ".gitattributes cannot be a file and a folder",
        ),
        (("rename", {"path": "a"}), 501, "the embedded Hub knows no change rename"),
    ],
)
def test_a_change_that_is_refused(
    devhub: Server, api: HfApi, change: tuple[str, dict[str, Any]], status: int, message: str
) -> None:
    answer = post(devhub, "/api/models/alice/m/commit/main", commit_lines(change))
    assert (answer.status_code, answer.json()["error"]) == (status, message)
    assert paths(devhub) == [".gitattributes"]


def test_a_commit_happens_as_a_whole_or_not_at_all(devhub: Server, api: HfApi) -> None:
    good = ("file", {"path": "a", "content": "YQ==", "encoding": "base64"})
    answer = post(devhub, "/api/models/alice/m/commit/main", commit_lines(good, ("deletedFile", {"path": "none"})))
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "EntryNotFound")
    assert paths(devhub) == [".gitattributes"]


def test_an_upload_that_is_not_what_it_says_is_refused(devhub: Server, api: HfApi) -> None:
    oid = hashlib.sha256(WEIGHTS).hexdigest()
    batch = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": len(WEIGHTS)}]}
    answer = post(devhub, "/alice/m.git/info/lfs/objects/batch", json.dumps(batch).encode()).json()
    actions = answer["objects"][0]["actions"]
    url = actions["upload"]["href"]
    assert not url.startswith(devhub.endpoint)
    http = get_session()
    assert http.put(url, content=WEIGHTS[:-1]).status_code == 400
    assert http.put(url, content=WEIGHTS[:-1] + b"?").status_code == 400
    assert http.put(url, content=WEIGHTS, headers={"Authorization": "Bearer x"}).status_code == 400
    assert http.put(url[:-1] + ("0" if url[-1] != "0" else "1"), content=WEIGHTS).status_code == 403
    verify = json.dumps({"oid": oid, "size": len(WEIGHTS)}).encode()
    assert post(devhub, "/alice/m.git/info/lfs/objects/verify", verify).status_code == 404
    assert http.put(url, content=WEIGHTS).status_code == 200
    assert post(devhub, "/alice/m.git/info/lfs/objects/verify", verify).status_code == 200
    assert list(devhub.store.blobs.incoming.iterdir()) == []


def test_two_commits_of_the_same_files_are_two(devhub: Server, api: HfApi) -> None:
    oids = [devhub.store.commit_files("alice/m", {"a": b"1"}, "same") for _ in range(3)]
    assert len(set(oids)) == 3
    assert [c.oid for c in devhub.store.history("alice/m", oids[-1])][:3] == oids[::-1]


def test_a_card_that_the_hub_would_refuse(devhub: Server, api: HfApi) -> None:
    card = b"---\nlicense: my-own\n---\n"
    with pytest.raises(ValueError, match='"license" must be one of the Hub'):
        api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id="alice/m")
    assert paths(devhub) == [".gitattributes"]


@pytest.mark.parametrize(("ref", "status"), [("main", 403), ("refs/pr/1", 403), ("refs/pr/2", 200), (None, 200)])
def test_who_may_send_large_files_to_which_ref(devhub: Server, devhub_api: Api, ref: str | None, status: int) -> None:
    devhub.store.create_repo("alice/m", "alice")
    for user in ("alice", "bob"):
        devhub_api(user).create_pull_request("alice/m", "A title")
    batch = {"operation": "upload", "objects": [{"oid": "0" * 64, "size": 1}]} | ({"ref": {"name": ref}} if ref else {})
    answer = post(devhub, "/alice/m.git/info/lfs/objects/batch", json.dumps(batch).encode(), "bob")
    assert answer.status_code == status
