"""Routes of signing in: the authorization code flow of OpenID Connect, for the apps that ``serve`` was told of.

Source: RFC 6749 (OAuth 2.0), RFC 7636 (PKCE), OpenID Connect Core 1.0, and the Hub's documentation of its addresses,
scopes and claims. Apps have a secret here; the Hub's public apps, refresh tokens and device codes are absent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from engine.devhub import signin
from engine.devhub.access import signed_in
from engine.devhub.answers import Answer, Refusal, as_json, refuse
from engine.devhub.grants import SCOPES, Grant, Request
from engine.devhub.trusted import exchange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joserfc.jwk import RSAKey

    from engine.devhub.answers import Call

    Form = Mapping[str, list[str]]

_NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_PARAMETERS = ("client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge")


def configuration(call: Call) -> Answer:
    """GET /.well-known/openid-configuration: where an app finds the rest."""
    return as_json(
        {
            "issuer": call.base,
            "authorization_endpoint": f"{call.base}/oauth/authorize",
            "token_endpoint": f"{call.base}/oauth/token",
            "userinfo_endpoint": f"{call.base}/oauth/userinfo",
            "jwks_uri": f"{call.base}/oauth/jwks",
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": ["sub", "name", "preferred_username", "profile", "picture"],
        }
    )


def keys(call: Call) -> Answer:
    """GET /oauth/jwks: the public half of the key that signs id tokens."""
    return as_json({"keys": [_key(call).as_dict(private=False)]})


def authorize(call: Call) -> Answer:
    """GET /oauth/authorize: the page on which somebody signs in."""
    request = _request(call, call.query)
    return signin.page(call.grants.apps[request.client], request, list(call.store.users()), call.target)


def decide(call: Call) -> Answer:
    """POST /oauth/authorize ``user`` (none: cancelled), to the page's own address: back to the app, with a code."""
    request, user = _request(call, call.query), _only(parse_qs(call.body.decode()), "user")
    if not user:
        return _back(request.redirect, request.state, error="access_denied", error_description="The user cancelled")
    if user not in call.store.users():
        raise Refusal(signin.failure(f"This Hub has no user {user}."))
    return _back(request.redirect, request.state, code=call.grants.new_code(request, user))


def token(call: Call) -> Answer:
    """POST /oauth/token ``grant_type=authorization_code, code, redirect_uri, code_verifier?`` → tokens.

    The app names itself by HTTP Basic, or by ``client_id`` and ``client_secret``. What it asks for must be what the
    code was given out for, and a code is good once. With a body in JSON: see ``engine.devhub.trusted.exchange``.
    """
    if call.headers.get("content-type", "").startswith("application/json"):
        return exchange(call)
    form = parse_qs(call.body.decode(), keep_blank_values=True)
    client = _client(call, form)
    if _only(form, "grant_type") != "authorization_code":
        raise _denied("unsupported_grant_type", "grant_type must be authorization_code")
    found = call.grants.take_code(_only(form, "code"))
    if found is None:
        raise _denied("invalid_grant", "The code is unknown, used or expired")
    request, user = found
    if request.client != client or request.redirect != _only(form, "redirect_uri"):
        raise _denied("invalid_grant", "The code was given to another client_id or redirect_uri")
    if _challenge(_only(form, "code_verifier")) != request.challenge:
        raise _denied("invalid_grant", "code_verifier does not match the code_challenge")
    lifetime = call.grants.apps[client].lifetime
    grant = Grant(user, client, request.scopes, call.grants.clock() + lifetime)
    answer = {
        "access_token": call.grants.new_token(grant),
        "token_type": "bearer",
        "expires_in": lifetime,
        "scope": " ".join(request.scopes),
    }
    if "openid" in request.scopes:
        answer["id_token"] = _id_token(call, grant, request.nonce)
    return as_json(answer, headers=_NOT_STORED)


def userinfo(call: Call) -> Answer:
    """GET or POST /oauth/userinfo with an app's token: whose it is, as far as its scopes tell."""
    signed_in(call)
    if call.grant is None or "openid" not in call.grant.scopes:
        raise refuse(403, "This needs a token with the scope openid")
    return as_json(_claims(call, call.grant))


def _request(call: Call, sent: Form) -> Request:
    """Return what an app asks for. Where it cannot be trusted the refusal is a page, else it is sent back there."""
    client, redirect = _only(sent, "client_id"), _only(sent, "redirect_uri")
    app = call.grants.apps.get(client)
    if app is None:
        raise Refusal(signin.failure(f"This Hub knows no app {client or 'without a client_id'}."))
    if not app.takes(redirect):
        raise Refusal(signin.failure(f"{redirect or 'No redirect_uri'} is not an address that {app.name} registered."))
    scopes = tuple(dict.fromkeys(_only(sent, "scope").split()))
    request = Request(
        client, redirect, scopes, _only(sent, "state"), _only(sent, "nonce"), _only(sent, "code_challenge")
    )
    if wrong := _wrong(sent, request):
        raise Refusal(_back(redirect, request.state, error=wrong[0], error_description=wrong[1]))
    return request


def _wrong(sent: Form, request: Request) -> tuple[str, str] | None:
    """Return OAuth's name for what is wrong with a request, and a description; None where nothing is."""
    if twice := [name for name in _PARAMETERS if len(sent.get(name, [])) > 1]:
        return "invalid_request", f"{twice[0]} is given twice"
    if _only(sent, "response_type") != "code":
        return "unsupported_response_type", "response_type must be code"
    if unknown := [scope for scope in request.scopes if scope not in SCOPES]:
        return "invalid_scope", f"This Hub knows no scope {unknown[0]}"
    if not request.scopes:
        return "invalid_scope", "scope is missing"
    if request.challenge and _only(sent, "code_challenge_method") != "S256":
        return "invalid_request", "code_challenge_method must be S256"
    return None


def _back(redirect: str, state: str, **told: str) -> Answer:
    """Send the browser back to the app, with ``told`` and its ``state`` added to the address's query."""
    query = urlencode({**told, **({"state": state} if state else {})})
    address = f"{redirect}{'&' if urlsplit(redirect).query else '?'}{query}"
    return Answer(303, {"Location": address, "Referrer-Policy": "no-referrer", **_NOT_STORED})


def _client(call: Call, form: Form) -> str:
    """Return the app that a request to the token endpoint proves to come from (RFC 6749, 2.3.1)."""
    name, secret = _only(form, "client_id"), _only(form, "client_secret")
    if header := call.headers.get("authorization"):
        name, secret = _basic(header)
    app = call.grants.apps.get(name)
    if app is None or not hmac.compare_digest(secret.encode(), app.secret.encode()):
        headers = {"WWW-Authenticate": 'Basic realm="Hub"'}
        raise _denied("invalid_client", "Unknown client_id, or another client_secret", 401, headers)
    return name


def _basic(header: str) -> tuple[str, str]:
    """Return the name and the secret of an HTTP Basic header, each quoted as in a form; ("", "") for another."""
    scheme, _, encoded = header.partition(" ")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return (unquote(name), unquote(secret)) if scheme.lower() == "basic" else ("", "")


def _denied(error: str, description: str, status: int = 400, headers: Mapping[str, str] | None = None) -> Refusal:
    told = {"error": error, "error_description": description}
    return Refusal(as_json(told, status, {**_NOT_STORED, **(headers or {})}))


def _challenge(verifier: str) -> str:
    """Return the S256 code challenge of a PKCE verifier; "" for none."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=") if verifier else ""


def _id_token(call: Call, grant: Grant, nonce: str) -> str:
    key = _key(call)
    from joserfc import jwt  # noqa: PLC0415  as in Grants.key

    times = {"iat": int(call.grants.clock()), "exp": int(grant.expires)}
    claims = {"iss": call.base, "aud": grant.client, **times, **_claims(call, grant)}
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims | ({"nonce": nonce} if nonce else {}), key)


def _claims(call: Call, grant: Grant) -> dict[str, Any]:
    name = quote(grant.user)
    profile = {
        "name": grant.user,
        "preferred_username": grant.user,
        "profile": f"{call.base}/{name}",
        "picture": f"{call.base}/avatars/{name}.svg",
    }
    return {"sub": grant.user, **(profile if "profile" in grant.scopes else {})}


def _key(call: Call) -> RSAKey:
    try:
        return call.grants.key()
    except ImportError:
        raise refuse(501, "signing in needs joserfc: install gradio[oauth], which brings it") from None


def _only(sent: Form, name: str) -> str:
    return sent.get(name, [""])[0]
