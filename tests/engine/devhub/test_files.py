from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from huggingface_hub import HfApi, HfFileSystem
from huggingface_hub.errors import RemoteEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import get_session, httpx

from engine.devhub import Server, signed
from engine.devhub.answers import Refusal, parse_range

Api = Callable[[str | None], HfApi]
TEXT = b'{"model_type": "llama"}'
WEIGHTS = bytes(i * i % 251 for i in range(5000))
NAMES = {"config.json": TEXT, "w.safetensors": WEIGHTS}


@pytest.fixture
def sha(devhub: Server) -> str:
    devhub.store.create_repo("alice/m", "alice")
    return devhub.store.commit_files("alice/m", NAMES, "add")


def get(server: Server, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
    return get_session().get(server.endpoint + path, headers=headers, follow_redirects=False)


def test_a_text_is_sent_at_once(devhub: Server, sha: str) -> None:
    answer = get(devhub, "/alice/m/resolve/main/config.json")
    oid = hashlib.sha1(b"blob %d\0" % len(TEXT) + TEXT).hexdigest()
    assert (answer.status_code, answer.content) == (200, TEXT)
    expected = {
        "x-repo-commit": sha,
        "etag": f'"{oid}"',
        "accept-ranges": "bytes",
        "content-length": str(len(TEXT)),
        "content-type": "text/plain; charset=utf-8",
    }
    assert {name: answer.headers[name] for name in expected} == expected


def test_weights_are_a_redirect_to_another_address(devhub: Server, sha: str) -> None:
    answer = get(devhub, "/alice/m/resolve/main/w.safetensors")
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    assert answer.status_code == 302
    expected = {
        "x-repo-commit": sha,
        "etag": f'"{sha256}"',
        "x-linked-etag": f'"{sha256}"',
        "x-linked-size": "5000",
        "accept-ranges": "bytes",
    }
    assert {name: answer.headers[name] for name in expected} == expected
    location = httpx.URL(answer.headers["Location"])
    assert (location.host, location.path) == ("127.0.0.1", f"/contents/{sha256}")
    assert location.port != httpx.URL(devhub.endpoint).port
    assert get_session().get(location).content == WEIGHTS


@pytest.mark.parametrize(
    ("header", "expected", "content_range"),
    [
        ("bytes=0-0", WEIGHTS[:1], "bytes 0-0/5000"),
        ("bytes=100-299", WEIGHTS[100:300], "bytes 100-299/5000"),
        ("bytes=4990-", WEIGHTS[4990:], "bytes 4990-4999/5000"),
        ("bytes=4990-9999", WEIGHTS[4990:], "bytes 4990-4999/5000"),
        ("bytes=-7", WEIGHTS[-7:], "bytes 4993-4999/5000"),
    ],
)
def test_a_range_byte_for_byte(devhub: Server, sha: str, header: str, expected: bytes, content_range: str) -> None:
    answer = get_session().get(
        f"{devhub.endpoint}/alice/m/resolve/{sha}/w.safetensors", headers={"Range": header}, follow_redirects=True
    )
    assert (answer.status_code, answer.content) == (206, expected)
    assert answer.headers["Content-Range"] == content_range
    assert [(e.route, e.range, e.sent) for e in devhub.log[-1:]] == [("contents", header, len(expected))]


def test_a_range_of_a_text(devhub: Server, sha: str) -> None:
    answer = get(devhub, "/alice/m/resolve/main/config.json", {"Range": "bytes=2-11"})
    assert (answer.status_code, answer.content) == (206, b"model_type")


def test_a_range_behind_the_end(devhub: Server, sha: str) -> None:
    answer = get(devhub, "/alice/m/resolve/main/config.json", {"Range": f"bytes={len(TEXT)}-"})
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, f"bytes */{len(TEXT)}")


@pytest.mark.parametrize("header", [None, "bytes=-", "lines=0-1", "bytes=5-3", "bytes=0-1,3-4", "bytes=x-1"])
def test_what_is_no_single_range_is_the_whole(header: str | None) -> None:
    assert parse_range(header, 10) is None


def test_the_empty_file_has_no_range() -> None:
    with pytest.raises(Refusal) as refusal:
        parse_range("bytes=0-", 0)
    assert refusal.value.answer.status == 416


def test_head_sends_no_body(devhub: Server, sha: str) -> None:
    answer = get_session().head(f"{devhub.endpoint}/alice/m/resolve/main/config.json")
    assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (200, b"", str(len(TEXT)))
    assert devhub.log[-1].sent == 0


def test_signed_addresses_are_for_whoever_has_them_and_for_a_while(devhub: Server, sha: str) -> None:
    devhub.store.set_repo("alice/m", private=True)
    headers = {"Authorization": f"Bearer {devhub.token('alice')}"}
    location = get(devhub, "/alice/m/resolve/main/w.safetensors", headers).headers["Location"]
    http = get_session()
    assert http.get(location).content == WEIGHTS
    assert http.get(location, headers=headers).status_code == 400
    assert http.get(location.replace("signature=", "signature=0")).status_code == 403
    assert http.get(location.replace("expires=", "expires=9")).status_code == 403
    path = httpx.URL(location).path
    old = signed.sign(devhub.store.secret(), path, now=0)
    expired = http.get(location.split("/contents")[0] + old)
    assert (expired.status_code, expired.json()["error"]) == (403, "This address has expired")
    assert get(devhub, path).headers["X-Error-Code"] == "RepoNotFound"  # contents have no address here


def test_what_is_missing_says_what(devhub: Server, sha: str, devhub_api: Api) -> None:
    api = devhub_api("bob")
    with pytest.raises(RemoteEntryNotFoundError) as missing:
        api.hf_hub_download("alice/m", "none.json")
    assert missing.value.response.headers["X-Repo-Commit"] == sha
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download("alice/m", "config.json", revision="dev")
    for repo in ("alice/none", "gpt2"):
        with pytest.raises(RepositoryNotFoundError):
            api.hf_hub_download(repo, "config.json")


def test_the_client_downloads_and_takes_snapshots(devhub: Server, sha: str, devhub_api: Api, tmp_path: Path) -> None:
    path = Path(devhub_api(None).hf_hub_download("alice/m", "w.safetensors", cache_dir=tmp_path))
    assert path.read_bytes() == WEIGHTS
    folder = Path(devhub_api(None).snapshot_download("alice/m", revision=sha, cache_dir=tmp_path))
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.name != ".gitattributes"} == NAMES


def test_the_client_reads_a_header_by_range(devhub: Server, devhub_api: Api) -> None:
    devhub.store.create_repo("alice/m", "alice")
    header = (
        b'{"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},'
        b'"b":{"dtype":"F32","shape":[300000],"data_offsets":[12,1200012]}}'
    )
    weights = len(header).to_bytes(8, "little") + header + b"\0" * 1_200_012
    devhub.store.commit_files("alice/m", {"model.safetensors": weights}, "add")
    found = devhub_api(None).parse_safetensors_file_metadata("alice/m", "model.safetensors")
    assert {name: (t.dtype, t.shape) for name, t in found.tensors.items()} == {
        "a": ("F16", [2, 3]),
        "b": ("F32", [300_000]),
    }
    assert [(e.range, e.sent) for e in devhub.log if e.route == "contents"] == [("bytes=0-100000", 100_001)]


def test_the_clients_file_system(devhub: Server, sha: str) -> None:
    fs = HfFileSystem(endpoint=devhub.endpoint, token=False, skip_instance_cache=True)
    assert sorted(fs.ls("alice/m", detail=False)) == [
        "alice/m/.gitattributes", "alice/m/config.json", "alice/m/w.safetensors",
    ]  # fmt: skip
    with fs.open("alice/m/w.safetensors", "rb", block_size=1000) as file:
        file.seek(1234)
        assert file.read(100) == WEIGHTS[1234:1334]


def test_tree_and_paths_info(devhub: Server, devhub_api: Api) -> None:
    devhub.store.create_repo("alice/m", "alice")
    devhub.store.commit_files("alice/m", {"sub/a.txt": b"1", "sub/deep/b.bin": b"22", "c.txt": b"333"}, "one")
    second = devhub.store.commit_files("alice/m", {"sub/a.txt": b"4444"}, "two")
    api = devhub_api(None)
    names = [".gitattributes", "c.txt", "sub"]
    assert [e.path for e in api.list_repo_tree("alice/m")] == names
    everything = {e.path: e for e in api.list_repo_tree("alice/m", recursive=True)}
    assert list(everything) == [".gitattributes", "c.txt", "sub", "sub/a.txt", "sub/deep", "sub/deep/b.bin"]
    assert (everything["sub/a.txt"].size, everything["sub/a.txt"].lfs) == (4, None)
    assert everything["sub/deep/b.bin"].lfs.sha256 == hashlib.sha256(b"22").hexdigest()
    assert [e.path for e in api.list_repo_tree("alice/m", "sub/deep")] == ["sub/deep/b.bin"]
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.list_repo_tree("alice/m", "none"))
    found = api.get_paths_info("alice/m", ["sub", "c.txt", "none", "sub/a.txt"], expand=True)
    assert [(e.path, e.last_commit.title) for e in found] == [("sub", "two"), ("c.txt", "one"), ("sub/a.txt", "two")]
    assert found[2].last_commit.oid == second
    assert found[0].tree_id == everything["sub"].tree_id


def test_a_tree_comes_in_pages(devhub: Server, devhub_api: Api) -> None:
    devhub.store.create_repo("alice/m", "alice")
    names = [f"f{i:04}" for i in range(1001)]
    devhub.store.commit_files("alice/m", dict.fromkeys(names, b"x"), "many")
    devhub.clear_log()
    assert [e.path for e in devhub_api(None).list_repo_tree("alice/m", recursive=True)] == [".gitattributes", *names]
    assert len(devhub.log) == 2


def test_names_that_need_quoting(devhub: Server, devhub_api: Api) -> None:
    devhub.store.create_repo("alice/m", "alice")
    names = ["a b.txt", "ü%2F#?.txt", "dir/モデル.bin"]
    api = devhub_api("alice")
    for name in names:
        api.upload_file(path_or_fileobj=name.encode(), path_in_repo=name, repo_id="alice/m")
    assert sorted(api.list_repo_files("alice/m")) == sorted([".gitattributes", *names])
    for name in names:
        assert Path(api.hf_hub_download("alice/m", name)).read_bytes() == name.encode()
