"""Apps that people sign in to with this Hub, and what they let those do: codes and tokens, in memory alone.

Source: the Hub's documentation of "Sign in with Hugging Face", and RFC 6749 (OAuth 2.0).
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from joserfc.jwk import RSAKey

    from engine.devhub.trusted import Publisher

SCOPES: Mapping[str, str] = {
    "openid": "Know who you are",
    "profile": "See your name and your picture",
    "read-repos": "Read your repos, the private ones too",
    "gated-repos": "Read the gated repos that you have access to",
    "contribute-repos": "Create repos, and change those that it created",
    "write-repos": "Read and change all your repos",
    "manage-repos": "Create, change and delete all your repos",
    "write-discussions": "Open discussions and pull requests, and comment, as you",
}
"""Every scope that this Hub knows, and what the sign-in page says of it."""
CODE_LIFETIME = 600
"""Seconds in which a code is to be exchanged for a token: the longest that RFC 6749 (4.1.2) recommends."""


@dataclass(frozen=True)
class App:
    """An app that people may sign in to: what the settings of an OAuth app, or of a Space, hold.

    ``redirects`` are the addresses that people are sent back to, each with whatever query. A token is good for
    ``lifetime`` seconds; 8 hours are a Space's default.
    """

    name: str
    secret: str = field(repr=False)
    redirects: tuple[str, ...]
    lifetime: int = 8 * 3600

    def takes(self, redirect: str) -> bool:
        """Tell whether people may be sent to an address: a registered one, but for its query."""
        return urlunsplit(urlsplit(redirect)._replace(query="")) in self.redirects


@dataclass(frozen=True)
class Request:
    """What an app asks for. ``challenge`` is the SHA-256 that a PKCE verifier must have, "" without one."""

    client: str
    redirect: str
    scopes: tuple[str, ...]
    state: str
    nonce: str
    challenge: str


@dataclass(frozen=True)
class Grant:
    """What a user let an app do, until ``expires`` (seconds since 1970).

    A trusted publisher acts as the owner of the repo ``resource``, whose every right it has, and as to others nobody's.
    """

    user: str
    client: str
    scopes: tuple[str, ...]
    expires: float
    resource: str | None = None


class Grants:
    """Who signed in to which app. A restart forgets it, and makes another key. Safe to use from several threads."""

    def __init__(
        self, apps: Mapping[str, App], clock: Callable[[], float] = time.time, publishers: Sequence[Publisher] = ()
    ) -> None:
        self.apps = apps
        self.publishers = publishers
        self.clock = clock
        self._lock = threading.Lock()
        self._codes: dict[str, tuple[Request, str, float]] = {}
        self._tokens: dict[str, Grant] = {}
        self._key: RSAKey | None = None

    def new_code(self, request: Request, user: str) -> str:
        """Return a code that ``request``'s app may exchange, once, for a token of ``user``."""
        code = secrets.token_urlsafe(24)
        with self._lock:
            self._codes[code] = (request, user, self.clock() + CODE_LIFETIME)
        return code

    def take_code(self, code: str) -> tuple[Request, str] | None:
        """Return what a code was given out for, and to whom, and forget it; None for none, or one that expired."""
        with self._lock:
            request, user, expires = self._codes.pop(code, (None, "", 0.0))
        return (request, user) if request is not None and self.clock() < expires else None

    def new_token(self, grant: Grant) -> str:
        """Return a new token that may do what ``grant`` says."""
        token = f"hf_oauth_{secrets.token_urlsafe(32)}"
        with self._lock:
            self._tokens[token] = grant
        return token

    def grant(self, token: str) -> Grant | None:
        """Return what a token may do; None if it is none, or has expired."""
        with self._lock:
            found = self._tokens.get(token)
        return found if found is not None and self.clock() < found.expires else None

    def key(self) -> RSAKey:
        """Return the key that id tokens are signed with. Raises ``ImportError`` without joserfc."""
        # gradio[oauth] brings it, for its own side of the sign-in; whoever needs no sign-in needs not install it.
        from joserfc.jwk import RSAKey  # noqa: PLC0415

        with self._lock:
            if self._key is None:
                parameters: Any = {"use": "sig", "alg": "RS256"}
                self._key = RSAKey.generate_key(2048, parameters, auto_kid=True)
            return self._key
