from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
from huggingface_hub import CommitOperationCopy, HfApi
from huggingface_hub.utils import get_session, httpx
from xet_by_hand import file_rows, pairs, shard_of, xorb_of, xorb_rows

from engine.devhub import Server, serve
from engine.devhub.signed import sign
from engine.devhub.xet.hashes import file_hash
from engine.devhub.xet_tokens import new_token

CHUNKS = [b"zero" * 4, b"one" * 5, b"two" * 6]
WHOLE = b"".join(CHUNKS)
SHA256 = hashlib.sha256(WHOLE).hexdigest()
XORB, SENT = xorb_of(*CHUNKS)
HASH = file_hash(pairs(CHUNKS))
SHARD = shard_of(file_rows(SHA256, CHUNKS, XORB), xorb_rows(CHUNKS))
Scope = Literal["read", "write"]


@pytest.fixture
def base(xet_hub: Server) -> str:
    return str(get_session().get(f"{xet_hub.endpoint}/api/models/alice/m/xet-read-token/main").json()["casUrl"])


def bearer(server: Server, scope: Scope = "write", repo: str = "alice/m") -> dict[str, str]:
    return {"Authorization": f"Bearer {new_token(server.store.secret(), scope, repo, int(time.time()) + 60)}"}


def send(server: Server, address: str, content: bytes) -> tuple[int, Mapping[str, object]]:
    answer = get_session().post(address, content=content, headers=bearer(server))
    return answer.status_code, answer.json()


@pytest.fixture
def committed(xet_hub: Server, base: str) -> str:
    """A commit of the file ``w.bin``, sent by hand through Xet."""
    assert send(xet_hub, f"{base}/v1/xorbs/default/{XORB}", SENT) == (200, {"was_inserted": True})
    assert send(xet_hub, f"{base}/v1/xorbs/default/{XORB}", SENT) == (200, {"was_inserted": False})
    assert send(xet_hub, f"{base}/v1/shards", SHARD) == (200, {"result": 1})
    lines = (
        '{"key": "header", "value": {"summary": "add"}}\n'
        f'{{"key": "lfsFile", "value": {{"path": "w.bin", "algo": "sha256", "oid": "{SHA256}", "size": 49}}}}\n'
    )
    answer = get_session().post(
        f"{xet_hub.endpoint}/api/models/alice/m/commit/main",
        content=lines.encode(),
        headers={"Authorization": f"Bearer {xet_hub.token('alice')}"},
    )
    return str(answer.json()["commitOid"])


def get(address: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
    return get_session().get(address, headers=headers, follow_redirects=False)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_file_says_that_it_may_be_fetched_through_xet(xet_hub: Server, committed: str, method: str) -> None:
    address = f"{xet_hub.endpoint}/alice/m/resolve/main/w.bin"
    answer = get_session().request(method, address, follow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["X-Xet-Hash"] == HASH
    token = f"{xet_hub.endpoint}/api/models/alice/m/xet-read-token/{committed}"
    assert answer.headers["Link"] == f'<{token}>; rel="xet-auth"'
    assert get_session().get(token).status_code == 200
    assert (answer.headers["X-Linked-Etag"], answer.headers["X-Linked-Size"]) == (f'"{SHA256}"', "49")


def test_clients_without_xet_are_sent_the_bytes_from_a_signed_address(xet_hub: Server, committed: str) -> None:
    answer = get(f"{xet_hub.endpoint}/alice/m/resolve/main/w.bin", {"Range": "bytes=10-40"})
    assert answer.status_code == 302
    part = get(answer.headers["Location"], {"Range": "bytes=10-40"})
    assert (part.status_code, part.content) == (206, WHOLE[10:41])
    assert part.headers["Content-Range"] == "bytes 10-40/49"
    assert get(answer.headers["Location"].replace("signature=", "signature=0")).status_code == 403


def test_a_restart_keeps_it_and_without_xet_it_is_a_file_like_others(tmp_path: Path) -> None:
    users = {"alice": "hf_alice_token"}
    with serve(tmp_path, users=users, xet=True) as first:
        first.store.create_repo("alice/m", "alice")
        cas = get(f"{first.endpoint}/api/models/alice/m/xet-read-token/main").headers["X-Xet-Cas-Url"]
        send(first, f"{cas}/v1/xorbs/default/{XORB}", SENT)
        send(first, f"{cas}/v1/shards", SHARD)
        first.store.commit_files("alice/m", {"w.bin": WHOLE}, "add")
    for xet, expected in ((False, None), (True, HASH)):
        with serve(tmp_path, xet=xet) as again:
            answer = get(f"{again.endpoint}/alice/m/resolve/main/w.bin")
            assert answer.headers.get("X-Xet-Hash") == expected
            assert get(answer.headers["Location"]).content == WHOLE
            paths = HfApi(endpoint=again.endpoint, token=False).get_paths_info("alice/m", ["w.bin"])
            assert paths[0].xet_hash == (expected or SHA256)


def test_files_that_came_otherwise_have_no_xet_hash(xet_hub: Server) -> None:
    xet_hub.store.commit_files("alice/m", {"lfs.bin": b"by LFS", "a.txt": b"text"}, "add")
    for name in ("lfs.bin", "a.txt"):
        answer = get(f"{xet_hub.endpoint}/alice/m/resolve/main/{name}")
        assert not {"X-Xet-Hash", "Link"} & set(answer.headers)


def test_lists_of_files_have_the_xet_hash(xet_hub: Server, committed: str) -> None:
    xet_hub.store.commit_files("alice/m", {"lfs.bin": b"by LFS"}, "add")
    api = HfApi(endpoint=xet_hub.endpoint, token=False)
    assert {e.path: e.xet_hash for e in api.list_repo_tree("alice/m")} == {
        ".gitattributes": None,
        "lfs.bin": None,
        "w.bin": HASH,
    }
    assert api.get_paths_info("alice/m", ["w.bin"])[0].xet_hash == HASH


def test_what_to_fetch_and_fetching_it(xet_hub: Server, base: str, committed: str) -> None:
    """Each chunk of 16, 15 and 18 bytes stands behind a header of 8."""
    address = f"{base}/v1/reconstructions/{HASH}"
    answer = get(address, bearer(xet_hub, "read") | {"Range": "bytes=20-40"}).json()
    (fetch,) = answer["fetch_info"].pop(XORB)
    url = fetch.pop("url")
    assert fetch == {"range": {"start": 1, "end": 3}, "url_range": {"start": 24, "end": 72}}
    assert answer == {
        "offset_into_first_range": 4,
        "terms": [{"hash": XORB, "unpacked_length": 33, "range": {"start": 1, "end": 3}}],
        "fetch_info": {},
    }
    part = get(url, {"Range": "bytes=24-72"})
    assert (part.status_code, part.content) == (206, SENT[24:])
    for headers in ({}, {"Range": "bytes=0-72"}):
        other = get(url, headers)
        assert (other.status_code, other.json()["error"]) == (403, "This address was signed for another range")
    assert get(url.replace("range=24", "range=0"), {"Range": "bytes=0-72"}).status_code == 403
    whole = get(address, bearer(xet_hub, "read")).json()
    assert whole["terms"] == [{"hash": XORB, "unpacked_length": 49, "range": {"start": 0, "end": 3}}]
    assert get(address, bearer(xet_hub, "read") | {"Range": "bytes=49-"}).status_code == 416


def test_a_token_is_good_for_its_own_repo(xet_hub: Server, base: str, committed: str) -> None:
    xet_hub.store.create_repo("alice/n", "alice")
    address = f"{base}/v1/reconstructions/{HASH}"
    answer = get(address, bearer(xet_hub, "read", "alice/n"))
    assert (answer.status_code, answer.json()["error"]) == (404, f"alice/n has no file {HASH}")
    api = HfApi(endpoint=xet_hub.endpoint, token=xet_hub.token("alice"))
    api.create_commit(
        "alice/n",
        [CommitOperationCopy("w.bin", "w.bin", src_repo_id="alice/m", src_repo_type="model")],
        commit_message="copy",
    )
    assert get(address, bearer(xet_hub, "read", "alice/n")).status_code == 200
    none = get(f"{base}/v1/reconstructions/{'0' * 64}", bearer(xet_hub, "read"))
    assert (none.status_code, none.json()["error"]) == (404, f"alice/m has no file {'0' * 64}")


def test_what_disagrees_is_refused(xet_hub: Server, base: str) -> None:
    assert send(xet_hub, f"{base}/v1/xorbs/default/{'0' * 64}", SENT) == (
        400,
        {"error": f"the xorb's hash is {XORB}, not {'0' * 64}"},
    )
    assert send(xet_hub, f"{base}/v1/shards", b"x") == (
        400,
        {"error": "this is no shard of version 2 without a footer"},
    )
    assert send(xet_hub, f"{base}/v1/shards", SHARD) == (
        400,
        {"error": f"the xorb {XORB} is not here; it has to be uploaded first"},
    )
    assert not xet_hub.store.has_large("alice/m", SHA256)


@pytest.mark.parametrize("name", ["0" * 63, "A" * 64, "g" * 64])
def test_what_is_no_hash(xet_hub: Server, base: str, name: str) -> None:
    expected = {"error": f"{name} is no hash: 64 hexadecimal digits, in lower case"}
    assert send(xet_hub, f"{base}/v1/xorbs/default/{name}", SENT) == (400, expected)
    for path in ("chunks/default", "reconstructions"):
        answer = get(f"{base}/v1/{path}/{name}", bearer(xet_hub))
        assert (answer.status_code, answer.json()) == (400, expected)


def test_the_chunk_that_begins_a_file_is_known(xet_hub: Server, base: str, committed: str) -> None:
    (first, _), (second, _), _ = pairs(CHUNKS)
    known = get(f"{base}/v1/chunks/default/{first}", bearer(xet_hub))
    assert known.status_code == 200
    created, expires = (int.from_bytes(known.content[at : at + 8], "little") for at in (-96, -88))
    assert expires - created == 3600
    assert abs(created - time.time()) < 60
    unknown = get(f"{base}/v1/chunks/default/{second}", bearer(xet_hub))
    assert (unknown.status_code, unknown.json()["error"]) == (404, "This chunk is not tracked")


def test_no_uploads_elsewhere(xet_hub: Server, base: str) -> None:
    assert send(xet_hub, f"{base}/v1/xorb-grants/default/{XORB}", b"{}") == (
        404,
        {"error": "This storage grants no uploads to another address: send the xorb to /v1/xorbs"},
    )


def test_what_the_storage_does_not_know(xet_hub: Server, base: str) -> None:
    for method, path in (("POST", "/v2/shards"), ("GET", f"/v2/reconstructions/{HASH}"), ("POST", "/v1/telemetry")):
        answer = get_session().request(method, base + path, headers=bearer(xet_hub))
        assert answer.status_code == 501
        assert answer.json()["error"] == f"the embedded Hub has no route {method} {path}?"
    old = sign(xet_hub.store.secret(), f"/xorbs/{XORB}", "range=0-9", now=0)
    assert get(base + old, {"Range": "bytes=0-9"}).json()["error"] == "This address has expired"
