"""Signing in to an app at an embedded Hub without a browser: what a browser and the app would send."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

from huggingface_hub.utils import get_session

from engine.devhub import App

CALLBACK = "http://127.0.0.1:7861/login/callback"
APPS = {
    "merger": App("Merger", "merger-secret", (CALLBACK,)),
    "other": App("Other app", "other-secret", ("http://127.0.0.1:7862/back",), lifetime=60),
}


def ask(endpoint: str, user: str | None, **changed: str | list[str] | None) -> dict[str, list[str]]:
    """Choose a user on the sign-in page (None: cancel), and return the query that the app is sent back with."""
    address = authorize_address(endpoint, **changed)
    answer = get_session().post(address, data={"user": user or ""}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return parse_qs(urlsplit(answer.headers["Location"]).query)


def authorize_address(endpoint: str, **changed: str | list[str] | None) -> str:
    query = {
        "response_type": "code",
        "client_id": "merger",
        "redirect_uri": CALLBACK,
        "scope": "openid profile",
        "state": "s/1 &",
        "nonce": "n1",
        **changed,
    }
    known = {name: value for name, value in query.items() if value is not None}
    return f"{endpoint}/oauth/authorize?{urlencode(known, doseq=True)}"


def exchange(endpoint: str, code: str | None, **changed: str | None) -> tuple[int, dict[str, object]]:
    """Send a code to the token endpoint, and return the answer."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "client_id": "merger",
        "client_secret": "merger-secret",
        **changed,
    }
    known = {name: value for name, value in form.items() if value is not None}
    answer = get_session().post(f"{endpoint}/oauth/token", data=known)
    return answer.status_code, answer.json()


def sign_in(endpoint: str, user: str, scopes: str) -> str:
    """Return a token that ``user`` gives the app ``merger`` for ``scopes``."""
    _, tokens = exchange(endpoint, ask(endpoint, user, scope=scopes)["code"][0])
    return str(tokens["access_token"])
