"""Trusted publishing at the embedded Hub, asked for by the client's own code."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub._oidc import exchange_oidc_token
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import get_session
from trusting import CLAIMS, Issuer, issuing

from engine.devhub import Publisher, Server, serve

USERS = {"ada": "hf_ada", "bob": "hf_bob"}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as running:
        yield running


class Clock:
    """The Hub's clock, which a test moves."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub(tmp_path: Path, issuer: Issuer, clock: Clock) -> Iterator[Server]:
    publishers = [
        Publisher("ada/model", issuer.url, issuer.keys, {"repository": "ada-l/recipes"}),
        Publisher("ada/other", issuer.url, issuer.keys, {"repository": "ada-l/others"}),
        Publisher("bob", issuer.url, issuer.keys, CLAIMS, lifetime=60),
    ]
    with serve(tmp_path, users=USERS, publishers=publishers, clock=clock) as server:
        for repo in ("ada/model", "ada/other", "ada/hidden"):
            server.store.create_repo(repo, "ada", private=True)
        server.store.create_repo("ada/gated", "ada", gated=True)
        server.store.allow("ada/gated", "bob")
        yield server


def token(hub: Server, issuer: Issuer, resource: str = "ada/model", **changed: object) -> str:
    shown = issuer.id_token(hub.endpoint, **changed)
    return str(exchange_oidc_token(subject_token=shown, resource=resource, endpoint=hub.endpoint)["access_token"])


def refusal(call, *args, **kwargs) -> tuple[int, str]:
    with pytest.raises(HfHubHTTPError) as caught:
        call(*args, **kwargs)
    return caught.value.response.status_code, caught.value.server_message


def commit(api: HfApi, repo: str) -> str:
    return api.create_commit(repo, [CommitOperationAdd("a.txt", b"a")], commit_message="Add").oid


def test_it_writes_to_its_repo_and_no_other(hub: Server, issuer: Issuer) -> None:
    api = HfApi(endpoint=hub.endpoint, token=token(hub, issuer))
    assert commit(api, "ada/model") == hub.store.resolve("ada/model", "main")
    api.update_repo_settings("ada/model", private=False)
    assert hub.store.repo("ada/model").private is False
    assert refusal(commit, api, "ada/other")[0] == 404
    assert refusal(api.model_info, "ada/hidden")[0] == 404
    assert refusal(api.auth_check, "ada/gated", write=True)[0] == 403
    assert refusal(api.create_repo, "ada/new")[0] == 403
    assert refusal(api.delete_repo, "ada/model")[0] == 403


def test_it_lasts_an_hour(hub: Server, issuer: Issuer, clock: Clock) -> None:
    shown = issuer.id_token(hub.endpoint)
    answer = exchange_oidc_token(subject_token=shown, resource="ada/model", endpoint=hub.endpoint)
    assert (answer["token_type"], answer["expires_in"]) == ("bearer", 3600)
    api = HfApi(endpoint=hub.endpoint, token=answer["access_token"])
    clock.ahead = 3598
    assert api.model_info("ada/model").id == "ada/model"
    clock.ahead = 3601
    assert refusal(api.model_info, "ada/model") == (401, "Invalid credentials in Authorization header")


def test_a_user_reads_gated_repos_and_writes_nowhere(hub: Server, issuer: Issuer) -> None:
    api = HfApi(endpoint=hub.endpoint, token=token(hub, issuer, "bob"))
    hub.store.create_repo("bob/own", "bob")
    api.auth_check("ada/gated")
    assert refusal(commit, api, "bob/own")[0] == 403


def test_claims_that_do_not_fit(hub: Server, issuer: Issuer) -> None:
    claims = "No trusted publisher of ada/other has the claims of this id token"
    assert refusal(token, hub, issuer, "ada/other") == (403, claims)
    assert refusal(token, hub, issuer, "ada/none")[0] == 403
    assert refusal(token, hub, issuer, "bob", ref="refs/heads/dev")[0] == 403


@pytest.mark.parametrize("wrong", [{"aud": "https://elsewhere"}, {"iss": "https://elsewhere"}, {"exp": 1}])
def test_id_tokens_that_are_not_for_this_hub(hub: Server, issuer: Issuer, wrong: dict[str, object]) -> None:
    assert refusal(token, hub, issuer, **wrong) == (
        401,
        "The id token is not one of an issuer that this Hub knows, or is not meant for it, or expired",
    )


def test_a_signature_of_somebody_else(hub: Server, issuer: Issuer) -> None:
    with issuing() as other:
        other.url = issuer.url
        assert refusal(token, hub, other)[0] == 401
    body = issuer.id_token(hub.endpoint).rpartition(".")[0]
    for shown in (f"{body}.", "none", ""):
        assert refusal(exchange_oidc_token, subject_token=shown, resource="ada/model", endpoint=hub.endpoint)[0] == 401


def test_another_grant_in_json(hub: Server) -> None:
    answer = get_session().post(f"{hub.endpoint}/oauth/token", json={"grant_type": "authorization_code"})
    assert answer.status_code == 400
