"""Addresses that need no token: whoever holds one may use it until it expires."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING

from engine.devhub.answers import refuse

if TYPE_CHECKING:
    from engine.devhub.answers import Call

LIFETIME = 3600
"""Seconds that a signed address is good for."""


def sign(secret: bytes, path: str, query: str = "", now: float | None = None) -> str:
    """Return ``path`` with an expiry and a signature: whoever holds that address may use it, without a token."""
    expires = int((time.time() if now is None else now) + LIFETIME)
    signed = f"{path}?{query}{'&' if query else ''}expires={expires}"
    return f"{signed}&signature={signature(secret, signed)}"


def check_signed(call: Call) -> None:
    """Refuse an address that was not signed here, that has expired, or that comes with a token besides.

    A storage service takes one kind of credential only; a client that sends its token there leaks it.
    """
    if "authorization" in call.headers:
        raise refuse(400, "Only one auth mechanism allowed: this address is signed, send no Authorization header")
    signed, _, given = call.target.rpartition("&signature=")
    if not hmac.compare_digest(given.encode(), signature(call.secret, signed).encode()):
        raise refuse(403, "The signature of this address does not match")
    if int(call.one("expires", "0")) < time.time():
        raise refuse(403, "This address has expired")


def signature(secret: bytes, text: str) -> str:
    """Return what proves that whoever wrote ``text`` knows the secret."""
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
