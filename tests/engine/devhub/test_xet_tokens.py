from __future__ import annotations

import time

import pytest
from huggingface_hub.utils import get_session, httpx

from engine.devhub import Server
from engine.devhub.signed import LIFETIME, sign
from engine.devhub.xet_tokens import new_token

HASH = "0" * 64


def ask(server: Server, path: str, user: str | None = "alice") -> httpx.Response:
    headers = {"Authorization": f"Bearer {server.token(user)}"} if user else {}
    return get_session().get(f"{server.endpoint}/api/models/{path}", headers=headers)


def storage(server: Server) -> str:
    return str(ask(server, "alice/m/xet-read-token/main").json()["casUrl"])


def use(
    server: Server, token: str | None, method: str = "GET", path: str = f"/v1/chunks/default/{HASH}"
) -> list[object]:
    headers = {} if token is None else {"Authorization": token}
    answer = get_session().request(method, storage(server) + path, headers=headers)
    return [answer.status_code, answer.json()["error"]]


@pytest.mark.parametrize("scope", ["read", "write"])
def test_a_token_comes_in_the_body_and_in_headers(xet_hub: Server, scope: str) -> None:
    before = int(time.time())
    answer = ask(xet_hub, f"alice/m/xet-{scope}-token/main")
    told = answer.json()
    assert sorted(told) == ["accessToken", "casUrl", "exp"]
    assert before + LIFETIME <= told["exp"] <= time.time() + LIFETIME
    assert {
        name: answer.headers[name] for name in ("X-Xet-Cas-Url", "X-Xet-Access-Token", "X-Xet-Token-Expiration")
    } == {
        "X-Xet-Cas-Url": told["casUrl"],
        "X-Xet-Access-Token": told["accessToken"],
        "X-Xet-Token-Expiration": str(told["exp"]),
    }
    assert httpx.URL(told["casUrl"]).host == "127.0.0.1"
    assert httpx.URL(told["casUrl"]).port != httpx.URL(xet_hub.endpoint).port
    assert told["accessToken"] == new_token(xet_hub.store.secret(), scope, "alice/m", told["exp"])


def test_who_may_have_which(xet_hub: Server) -> None:
    store = xet_hub.store
    store.create_repo("alice/hidden", "alice", private=True)
    store.create_repo("alice/gated", "alice", gated=True)
    asked = {
        (path, user): ask(xet_hub, path, user).status_code
        for path in (
            "alice/m/xet-read-token/main",
            "alice/m/xet-write-token/main",
            "alice/m/xet-write-token/main?create_pr=1",
            "alice/hidden/xet-read-token/main",
            "alice/gated/xet-read-token/main",
        )
        for user in ("alice", "bob", None)
    }
    assert asked == {
        ("alice/m/xet-read-token/main", "alice"): 200,
        ("alice/m/xet-read-token/main", "bob"): 200,
        ("alice/m/xet-read-token/main", None): 200,
        ("alice/m/xet-write-token/main", "alice"): 200,
        ("alice/m/xet-write-token/main", "bob"): 403,
        ("alice/m/xet-write-token/main", None): 401,
        ("alice/m/xet-write-token/main?create_pr=1", "alice"): 200,
        ("alice/m/xet-write-token/main?create_pr=1", "bob"): 200,
        ("alice/m/xet-write-token/main?create_pr=1", None): 401,
        ("alice/hidden/xet-read-token/main", "alice"): 200,
        ("alice/hidden/xet-read-token/main", "bob"): 404,
        ("alice/hidden/xet-read-token/main", None): 401,
        ("alice/gated/xet-read-token/main", "alice"): 200,
        ("alice/gated/xet-read-token/main", "bob"): 403,
        ("alice/gated/xet-read-token/main", None): 401,
    }


@pytest.mark.parametrize("scope", ["read", "write"])
def test_a_revision_has_to_be_there(xet_hub: Server, scope: str) -> None:
    answer = ask(xet_hub, f"alice/m/xet-{scope}-token/none")
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RevisionNotFound")


NEEDED = "A Xet token is needed here: the Hub gives them out at xet-read-token and xet-write-token"


def test_the_storage_takes_its_own_tokens_only(xet_hub: Server) -> None:
    secret, soon = xet_hub.store.secret(), int(time.time()) + 60
    good = new_token(secret, "read", "alice/m", soon)
    assert use(xet_hub, f"Bearer {good}") == [404, "This chunk is not tracked"]
    assert use(xet_hub, f"bearer {good}") == [404, "This chunk is not tracked"]
    for token in (
        None,
        good,
        f"Bearer {xet_hub.token('alice')}",
        f"Bearer {good.replace('xet_read', 'xet_write')}",
        f"Bearer {good.replace(str(soon), str(soon + 1))}",
        f"Bearer {good.replace('alice', 'bob')}",
        f"Bearer {new_token(b'another secret', 'read', 'alice/m', soon)}",
        "Bearer " + sign(secret, "/xorbs/0").replace("&signature=", "~"),
    ):
        assert use(xet_hub, token) == [401, NEEDED]


def test_a_token_expires(xet_hub: Server) -> None:
    old = new_token(xet_hub.store.secret(), "write", "alice/m", int(time.time()) - 1)
    assert use(xet_hub, f"Bearer {old}") == [401, "This Xet token has expired"]


@pytest.mark.parametrize("path", [f"/v1/xorbs/default/{HASH}", f"/v1/xorb-grants/default/{HASH}", "/v1/shards"])
def test_who_may_read_may_not_write(xet_hub: Server, path: str) -> None:
    soon = int(time.time()) + 60
    read = new_token(xet_hub.store.secret(), "read", "alice/m", soon)
    assert use(xet_hub, f"Bearer {read}", "POST", path) == [403, "This Xet token is for read, not for write"]
    assert use(xet_hub, None, "POST", path) == [401, NEEDED]
    write = new_token(xet_hub.store.secret(), "write", "alice/m", soon)
    assert use(xet_hub, f"Bearer {write}") == [404, "This chunk is not tracked"]


def test_without_xet_there_is_no_token(devhub: Server) -> None:
    devhub.store.create_repo("alice/m", "alice")
    answer = ask(devhub, "alice/m/xet-read-token/main")
    assert answer.status_code == 501
    assert answer.json()["error"] == "the embedded Hub has no route GET /api/models/alice/m/xet-read-token/main?"
