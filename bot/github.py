"""GitHub's REST API as the bot needs it: thin, patient, and never to another host than it was given."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import IO, TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote, urlencode, urljoin, urlsplit

from bot.failures import SettingsError
from engine.errors import MergesmithError
from engine.version import ENGINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from email.message import Message
    from http.client import HTTPMessage, HTTPResponse

WAITS = (1.0, 2.0, 4.0, 8.0)
"""Seconds between tries, where GitHub names none."""
LONGEST_WAIT = 120.0
"""A longer wait than this is not worth a runner's time."""
TIMEOUT = 60.0
LARGEST = 128 * 1024 * 1024
"""Bytes of the largest answer that is read: a tree of 100,000 files is some 30 MB."""
PAGE = 100
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class GitHubError(MergesmithError):
    """GitHub refused, or did not answer: ``status`` 0."""

    def __init__(self, message: str, status: int) -> None:
        self.status = status
        super().__init__(message)

    @property
    def reason(self) -> str:
        """Word for ``failure-reason``."""
        if self.status in {401, 403, 404}:
            return "permission"
        return "network" if self.status in {0, 408, 429} or self.status >= 500 else "internal"


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a redirect of a GET to the same host: the token goes along."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        same = urlsplit(newurl)[:2] == urlsplit(req.full_url)[:2]
        return super().redirect_request(req, fp, code, msg, headers, newurl) if same and req.data is None else None


class GitHub:
    """One repo at ``api_url``. Paths without a slash at their start are below ``/repos/OWNER/NAME/``."""

    def __init__(self, api_url: str, repo: str, token: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        parts = urlsplit(api_url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise SettingsError(f"GITHUB_API_URL is {api_url}; expected an https address")
        self._api, self.repo, self._token, self._sleep = api_url.rstrip("/"), repo, token, sleep
        self._opener = urllib.request.build_opener(_SameHost)

    def __repr__(self) -> str:
        return f"GitHub({self._api!r}, {self.repo!r})"

    def get(self, path: str, **query: str | int) -> Any:  # noqa: ANN401 - JSON
        """Return an answer. ``GitHubError`` for any status that is none of success."""
        return self._send("GET", self._url(path, query), None)[0]

    def pages(self, path: str, **query: str | int) -> Iterator[Any]:
        """Yield the items of a list, page by page as its ``Link`` headers say."""
        url: str | None = self._url(path, {"per_page": PAGE, **query})
        while url is not None:
            items, headers = self._send("GET", url, None)
            yield from items
            url = _next(headers, url)

    def post(self, path: str, body: Mapping[str, object]) -> Any:  # noqa: ANN401 - JSON
        """Create something."""
        return self._send("POST", self._url(path, {}), body)[0]

    def patch(self, path: str, body: Mapping[str, object]) -> Any:  # noqa: ANN401 - JSON
        """Change something."""
        return self._send("PATCH", self._url(path, {}), body)[0]

    def graphql(self, query: str) -> Any:  # noqa: ANN401 - JSON
        """Ask what only GraphQL tells: ``…/api/v3`` has it at ``…/api/graphql``."""
        answer = self._send("POST", f"{self._api.removesuffix('/v3')}/graphql", {"query": query})[0]
        if "errors" in answer:
            raise GitHubError(f"GitHub refused a query: {answer['errors']}", 403)
        return answer["data"]

    def _url(self, path: str, query: Mapping[str, str | int]) -> str:
        where = path if path.startswith("/") else f"/repos/{self.repo}/{path}"
        return self._api + quote(where, safe="/.-_~") + (f"?{urlencode(query)}" if query else "")

    def _send(self, method: str, url: str, body: Mapping[str, object] | None) -> tuple[Any, Message]:
        """Send; where it is worth it, wait and send again. What creates something is sent again only if refused."""
        for wait in (*WAITS, None):
            try:
                return self._once(method, url, body)
            except urllib.error.HTTPError as refusal:
                with refusal:
                    pause = _pause(refusal.code, refusal.headers, wait, creates=method == "POST")
                    if pause is None:
                        _refuse(method, url, refusal)
            except OSError as problem:  # URLError, timeouts, cut connections
                if wait is None or method == "POST":
                    raise GitHubError(f"no answer from {url}: {problem}; check the network", 0) from None
                pause = wait
            self._sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _once(self, method: str, url: str, body: Mapping[str, object] | None) -> tuple[Any, Message]:
        headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": f"mergesmith/{ENGINE}",
        }
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - https, see __init__
        answer: HTTPResponse
        with self._opener.open(request, timeout=TIMEOUT) as answer:
            text = answer.read(LARGEST + 1)
            if len(text) > LARGEST:
                raise GitHubError(f"{url} answered with more than {LARGEST} bytes", 413)
            return (json.loads(text) if text else None), answer.headers


def _pause(status: int, headers: Message, wait: float | None, *, creates: bool) -> float | None:
    """Seconds until the next try, None for no more: as GitHub's guide to rate limits says.

    A limit is a 429, or a 403 with ``Retry-After`` or with no requests left.
    """
    asked = headers.get("Retry-After", "")
    spent = headers.get("X-RateLimit-Remaining") == "0"
    limited = status == 429 or (status == 403 and (asked.isdigit() or spent))
    if wait is None or not (limited or (status in {408, 500, 502, 503, 504} and not creates)):
        return None
    reset = headers.get("X-RateLimit-Reset", "")
    if asked.isdigit():
        pause = float(asked)
    elif spent and reset.isdigit():
        pause = max(1.0, float(reset) - time.time() + 1)
    else:
        pause = 15 * wait if limited else wait
    return pause if pause <= LONGEST_WAIT else None


def _refuse(method: str, url: str, refusal: urllib.error.HTTPError) -> NoReturn:
    try:
        said = str(json.loads(refusal.read(LARGEST))["message"])
    except (OSError, ValueError, KeyError, TypeError):
        said = str(refusal.reason)
    raise GitHubError(f"{method} {url}: GitHub answered {refusal.code}: {said}", refusal.code) from None


def _next(headers: Message, url: str) -> str | None:
    """Address of the next page, on the same host."""
    for link in headers.get("Link", "").split(","):
        target, _, rest = link.partition(">")
        if 'rel="next"' in rest:
            following = urljoin(url, target.strip().removeprefix("<"))
            return following if urlsplit(following)[:2] == urlsplit(url)[:2] else None
    return None
