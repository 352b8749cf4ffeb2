from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from authlib.integrations.httpx_client import OAuth2Client
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import get_session
from signing import APPS, CALLBACK, ask, authorize_address, exchange, sign_in

from engine.devhub import Server


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verified(token: str, keys: dict[str, Any]) -> dict[str, Any]:
    """Return the claims of a JWT whose RS256 signature holds, by RFC 8017 (8.2.2) done by hand."""
    signed, _, signature = token.rpartition(".")
    header, claims = (json.loads(decoded(part)) for part in signed.split("."))
    assert header == {"typ": "JWT", "alg": "RS256", "kid": keys["keys"][0]["kid"]}
    modulus, exponent = (int.from_bytes(decoded(keys["keys"][0][name])) for name in "ne")
    size = (modulus.bit_length() + 7) // 8
    opened = pow(int.from_bytes(decoded(signature)), exponent, modulus).to_bytes(size)
    digest_info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(signed.encode()).digest()
    assert opened == b"\x00\x01" + b"\xff" * (size - len(digest_info) - 3) + b"\x00" + digest_info
    return claims


def test_where_an_app_finds_the_rest(signing_hub: Server) -> None:
    at = signing_hub.endpoint
    assert get_session().get(f"{at}/.well-known/openid-configuration").json() == {
        "issuer": at,
        "authorization_endpoint": f"{at}/oauth/authorize",
        "token_endpoint": f"{at}/oauth/token",
        "userinfo_endpoint": f"{at}/oauth/userinfo",
        "jwks_uri": f"{at}/oauth/jwks",
        "scopes_supported": [
            "openid", "profile", "read-repos", "gated-repos", "contribute-repos", "write-repos", "manage-repos",
            "write-discussions",
        ],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": ["sub", "name", "preferred_username", "profile", "picture"],
    }  # fmt: skip


def test_somebody_signs_in_with_a_client_that_others_wrote(signing_hub: Server) -> None:
    at, verifier = signing_hub.endpoint, "v" * 64
    client = OAuth2Client(
        "merger", "merger-secret", scope="openid profile", redirect_uri=f"{CALLBACK}?_target_url=%2F",
        code_challenge_method="S256",
    )  # fmt: skip
    address, state = client.create_authorization_url(f"{at}/oauth/authorize", code_verifier=verifier, nonce="n-1")
    assert get_session().get(address).status_code == 200
    back = get_session().post(address, data={"user": "alice"}, follow_redirects=False)
    assert back.status_code == 303
    assert back.headers["Location"].startswith(f"{CALLBACK}?_target_url=%2F&code=")
    assert back.headers["Cache-Control"] == "no-store"
    tokens = client.fetch_token(
        f"{at}/oauth/token", authorization_response=back.headers["Location"], state=state, code_verifier=verifier
    )
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("bearer", 28800, "openid profile")
    assert tokens["access_token"].startswith("hf_oauth_")
    claims = verified(tokens["id_token"], get_session().get(f"{at}/oauth/jwks").json())
    assert claims == {
        "iss": at,
        "aud": "merger",
        "sub": "alice",
        "iat": 1_800_000_000,
        "exp": 1_800_028_800,
        "nonce": "n-1",
        "name": "alice",
        "preferred_username": "alice",
        "profile": f"{at}/alice",
        "picture": f"{at}/avatars/alice.svg",
    }
    account = HfApi(endpoint=at, token=tokens["access_token"]).whoami()
    assert account["name"] == "alice"
    assert account["auth"] == {"type": "app_token_as_user", "expiresAt": "2027-01-15T16:00:00.000Z"}
    client.close()


def test_the_public_key_alone_is_shown(signing_hub: Server) -> None:
    (key,) = get_session().get(f"{signing_hub.endpoint}/oauth/jwks").json()["keys"]
    assert sorted(key) == ["alg", "e", "kid", "kty", "n", "use"]
    assert (key["kty"], key["alg"], key["use"], len(decoded(key["n"]))) == ("RSA", "RS256", "sig", 256)


def test_without_openid_there_is_no_id_token_and_without_profile_no_name_in_it(signing_hub: Server) -> None:
    at = signing_hub.endpoint
    _, tokens = exchange(at, ask(at, "bob", scope="profile")["code"][0])
    assert sorted(tokens) == ["access_token", "expires_in", "scope", "token_type"]
    _, tokens = exchange(at, ask(at, "bob", scope="openid", nonce=None)["code"][0])
    claims = verified(str(tokens["id_token"]), get_session().get(f"{at}/oauth/jwks").json())
    assert claims == {"iss": at, "aud": "merger", "sub": "bob", "iat": 1_800_000_000, "exp": 1_800_028_800}


def test_userinfo(signing_hub: Server) -> None:
    at = signing_hub.endpoint

    def told(token: str) -> tuple[int, dict[str, Any]]:
        answer = get_session().get(f"{at}/oauth/userinfo", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code, answer.json()

    assert told(sign_in(at, "bob", "openid profile")) == (
        200,
        {
            "sub": "bob",
            "name": "bob",
            "preferred_username": "bob",
            "profile": f"{at}/bob",
            "picture": f"{at}/avatars/bob.svg",
        },
    )
    assert told(sign_in(at, "bob", "openid")) == (200, {"sub": "bob"})
    refused = (403, {"error": "This needs a token with the scope openid"})
    assert told(sign_in(at, "bob", "profile")) == refused
    assert told(signing_hub.token("bob")) == refused


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"client_id": "nobody"}, "This Hub knows no app nobody."),
        ({"client_id": None}, "This Hub knows no app without a client_id."),
        ({"redirect_uri": None}, "No redirect_uri is not an address that Merger registered."),
        *(
            ({"redirect_uri": address}, f"{address} is not an address that Merger registered.")
            for address in (
                "http://127.0.0.1:7862/login/callback",
                "https://127.0.0.1:7861/login/callback",
                "http://127.0.0.1:7861/login/callback/more",
                "http://127.0.0.1:7861/login",
                "http://127.0.0.1:7861@evil.example/login/callback",
                "http://evil.example/login/callback?http://127.0.0.1:7861/login/callback",
                "http://127.0.0.1:7862/back",
                f"{CALLBACK}#code",
            )
        ),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_trusted_leads_nowhere(
    signing_hub: Server, changed: dict[str, str | None], message: str
) -> None:
    address = authorize_address(signing_hub.endpoint, **changed)
    for answer in (
        get_session().get(address),
        get_session().post(address, data={"user": "alice"}, follow_redirects=False),
    ):
        assert (answer.status_code, answer.headers.get("Location")) == (400, None)
        assert f"<p>{message}</p>" in answer.text


@pytest.mark.parametrize(
    ("changed", "error", "description"),
    [
        ({"response_type": "token"}, "unsupported_response_type", "response_type must be code"),
        ({"response_type": None}, "unsupported_response_type", "response_type must be code"),
        ({"scope": "openid email"}, "invalid_scope", "This Hub knows no scope email"),
        ({"scope": None}, "invalid_scope", "scope is missing"),
        ({"code_challenge": "abc"}, "invalid_request", "code_challenge_method must be S256"),
        (
            {"code_challenge": "abc", "code_challenge_method": "plain"},
            "invalid_request",
            "code_challenge_method must be S256",
        ),
        ({"nonce": ["a", "b"]}, "invalid_request", "nonce is given twice"),
    ],
)
def test_what_else_is_wrong_is_told_to_the_app(
    signing_hub: Server, changed: dict[str, Any], error: str, description: str
) -> None:
    expected = {"error": [error], "error_description": [description], "state": ["s/1 &"]}
    assert ask(signing_hub.endpoint, "alice", **changed) == expected
    shown = get_session().get(authorize_address(signing_hub.endpoint, **changed), follow_redirects=False)
    assert (shown.status_code, shown.text) == (303, "")


def test_cancelling(signing_hub: Server) -> None:
    at = signing_hub.endpoint
    denied = {"error": ["access_denied"], "error_description": ["The user cancelled"]}
    assert ask(at, None) == {**denied, "state": ["s/1 &"]}
    assert ask(at, None, state=None) == denied


def test_somebody_whom_the_hub_does_not_know(signing_hub: Server) -> None:
    answer = get_session().post(
        authorize_address(signing_hub.endpoint), data={"user": "mallory"}, follow_redirects=False
    )
    assert answer.status_code == 400
    assert "<p>This Hub has no user mallory.</p>" in answer.text


UNKNOWN_CLIENT = (401, "invalid_client", "Unknown client_id, or another client_secret")
OTHER_ADDRESS = (400, "invalid_grant", "The code was given to another client_id or redirect_uri")
USED = (400, "invalid_grant", "The code is unknown, used or expired")
VERIFIER = (400, "invalid_grant", "code_verifier does not match the code_challenge")
# RFC 7636, appendix B
PAIR = ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")


def outcome(answer: tuple[int, dict[str, object]]) -> tuple[int, object, object]:
    status, told = answer
    return status, told.get("error"), told.get("error_description")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"client_secret": "other-secret"}, UNKNOWN_CLIENT),
        ({"client_secret": None}, UNKNOWN_CLIENT),
        ({"client_id": "nobody"}, UNKNOWN_CLIENT),
        ({"client_id": "other", "client_secret": "other-secret"}, OTHER_ADDRESS),
        ({"redirect_uri": f"{CALLBACK}?x=1"}, OTHER_ADDRESS),
        ({"redirect_uri": None}, OTHER_ADDRESS),
        ({"code": "guess"}, USED),
        ({"code": None}, USED),
        ({"code_verifier": PAIR[0]}, VERIFIER),
        (
            {"grant_type": "client_credentials"},
            (400, "unsupported_grant_type", "grant_type must be authorization_code"),
        ),
    ],
)
def test_a_code_is_for_whoever_asked_for_it(
    signing_hub: Server, changed: dict[str, str | None], expected: tuple[int, str, str]
) -> None:
    code = ask(signing_hub.endpoint, "alice")["code"][0]
    assert outcome(exchange(signing_hub.endpoint, **{"code": code, **changed})) == expected


@pytest.mark.parametrize(
    ("verifier", "expected"), [(PAIR[0], (200, None, None)), (PAIR[0][:-1] + "X", VERIFIER), (None, VERIFIER)]
)
def test_a_verifier_has_to_match(
    signing_hub: Server, verifier: str | None, expected: tuple[int, str | None, str | None]
) -> None:
    at = signing_hub.endpoint
    code = ask(at, "alice", code_challenge=PAIR[1], code_challenge_method="S256")["code"][0]
    assert outcome(exchange(at, code, code_verifier=verifier)) == expected


def test_a_code_is_good_once_and_for_ten_minutes(signing_hub: Server, now: list[float]) -> None:
    at = signing_hub.endpoint
    code, late = (ask(at, "alice")["code"][0] for _ in range(2))
    now[0] += 599
    assert exchange(at, code)[0] == 200
    assert outcome(exchange(at, code)) == USED
    now[0] += 1
    assert outcome(exchange(at, late)) == USED


def test_an_app_may_name_itself_by_http_basic(signing_hub: Server) -> None:
    at = signing_hub.endpoint

    def status(header: str) -> int:
        form = {"grant_type": "authorization_code", "code": ask(at, "alice")["code"][0], "redirect_uri": CALLBACK}
        return get_session().post(f"{at}/oauth/token", data=form, headers={"Authorization": header}).status_code

    basic = base64.b64encode(b"merger:merger%2Dsecret").decode()
    assert status(f"Basic {basic}") == 200
    assert status(f"Bearer {basic}") == 401
    assert status("Basic !") == 401
    assert status(f"Basic {base64.b64encode(b'merger:').decode()}") == 401


def test_a_token_expires(signing_hub: Server, now: list[float]) -> None:
    at = signing_hub.endpoint
    api = HfApi(endpoint=at, token=sign_in(at, "alice", "openid"))
    now[0] += 28_799
    assert api.whoami()["name"] == "alice"
    now[0] += 1
    with pytest.raises(HfHubHTTPError, match="Invalid user token") as error:
        api.whoami()
    assert error.value.response.status_code == 401


def test_an_app_shows_its_secret_in_no_repr(signing_hub: Server) -> None:
    token = sign_in(signing_hub.endpoint, "alice", "openid")
    shown = f"{APPS!r} {signing_hub!r} {signing_hub.log!r}"
    assert "merger-secret" not in shown
    assert token not in shown
