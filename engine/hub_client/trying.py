"""When a question that failed is worth asking again, and how long to wait before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # public, but exported lazily
    httpx,
    parse_ratelimit_headers,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    May = Callable[[Exception], bool]

WAITS = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries, where the Hub names none: five tries in all."""
LONGEST_WAIT = 300.0
"""The Hub counts requests in windows of five minutes, so it never asks for a longer wait."""
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
NOT_TAKEN = frozenset({429, 503})
"""Answers after which what was asked for was surely not done."""


def passing(error: Exception) -> bool:
    """Whether a failure may pass by itself: no whole answer came, or one of ``TRANSIENT``."""
    if isinstance(error, httpx.TransportError):
        return not isinstance(error, httpx.UnsupportedProtocol)
    return status_of(error) in TRANSIENT


def passing_before(last: str) -> May:
    """As ``passing``, for several requests of which the one to a path with ``last`` in it must not be made twice.

    After that one only where it was surely not taken; the same where nobody knows which request failed.
    """

    def may(error: Exception) -> bool:
        path = _path(error)
        return passing(error) if path is not None and last not in path else status_of(error) in NOT_TAKEN

    return may


def never(_error: Exception) -> bool:
    """For what the client itself tries again, each request on its own."""
    return False


def status_of(error: BaseException | None) -> int | None:
    """Return the status of the answer that ``error`` tells of; None where it tells of none."""
    return error.response.status_code if isinstance(error, HfHubHTTPError) else None


def asked_wait(error: Exception) -> float | None:
    """Seconds that the Hub asks to wait: Retry-After, or the rate limit's reset; None if it names none."""
    if not isinstance(error, HfHubHTTPError):
        return None
    retry_after = error.response.headers.get("Retry-After", "")
    if retry_after.isdigit():
        return min(float(retry_after), LONGEST_WAIT)
    limit = parse_ratelimit_headers(error.response.headers)
    if status_of(error) == 429 and limit is not None and limit.remaining == 0:
        return min(limit.reset_in_seconds + 1.0, LONGEST_WAIT)
    return None


def _path(error: Exception) -> str | None:
    """Path of the request that failed; None where the error does not tell."""
    if isinstance(error, HfHubHTTPError):
        return str(error.response.request.url.path)
    try:
        return str(error.request.url.path) if isinstance(error, httpx.RequestError) else None
    except RuntimeError:  # it was not set
        return None
