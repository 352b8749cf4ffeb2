"""Asking the Hub: trying again while it may help, checking that the answer is one, saying in our words what it means.

It raises ``ModelError`` where a model, a revision or a file is missing or gated, ``HubError`` for anything else; the
texts are in ``engine.hub_errors``.
"""

from __future__ import annotations

import hashlib
import logging
import time
from typing import TYPE_CHECKING, Literal, TypeVar

from huggingface_hub import HfApi, constants, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    OIDCError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # public, but exported lazily
    build_hf_headers,
    disable_progress_bars,
    get_session,
    hf_raise_for_status,
    httpx,
    parse_ratelimit_headers,
)

from engine import hub_errors
from engine.hub_client import disk
from engine.hub_errors import Task, at
from engine.version import ENGINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.errors import MergesmithError

T = TypeVar("T")

WAITS = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries, where the Hub names none: five tries in all."""
LONGEST_WAIT = 300.0
"""The Hub counts requests in windows of five minutes, so it never asks for a longer wait."""
PATIENCE = 120.0
"""Seconds to wait for the next byte of an answer; a commit may take the Hub a minute."""
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
NOT_TAKEN = frozenset({429, 503})
"""Answers after which a commit was surely not made."""

# Both would write into our own output; what matters in them we raise or report ourselves.
logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
if constants.HF_HUB_DISABLE_PROGRESS_BARS is None:
    disable_progress_bars()


class Asking:
    """What every question to a Hub has in common: where it is, whose token is sent, and how often it is asked."""

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        token: str | Literal[False] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        warm: bool = False,
    ) -> None:
        self._warm = warm
        self._endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self._token = token
        self._sleep = sleep
        self._api = HfApi(endpoint=self._endpoint, token=token, library_name="mergesmith", library_version=ENGINE)

    @property
    def identity(self) -> str:
        """A name for who asks whom: the same for the same endpoint and token, and telling neither."""
        sent = self._headers(None).get("authorization", "")
        return hashlib.sha256(f"{self._endpoint} {sent}".encode()).hexdigest()

    @property
    def offline(self) -> bool:
        """Whether the user forbade asking, by ``HF_HUB_OFFLINE``."""
        return constants.is_offline_mode()

    def _task(self, what: str, repo: str, revision: str | None = None, *, reading: bool = False) -> Task:
        return Task(what, self._endpoint, repo, revision, reading)

    def _call(self, task: Task, question: Callable[[], T], again: frozenset[int] = TRANSIENT) -> T:
        """Call; where the answer is among ``again`` (or none came, if 500 is), wait and call once more."""
        for wait in (*WAITS, None):
            try:
                get_session().timeout = PATIENCE  # the client itself would wait for ever
                return question()
            except Exception as error:  # re-raised below unless it is explained or tried again
                # The client wraps what happened to one file of several.
                cause = error.__cause__ if isinstance(error, RuntimeError) else None
                root = cause if isinstance(cause, Exception) else error
                if wait is None or not _is_transient(root, again):
                    explained = _explain(root, task)
                    if explained is None:
                        raise
                    raise explained from root
                self._sleep(_asked_wait(root) or wait)
        raise AssertionError("the last try returns or raises")

    def _fetch(
        self,
        repo: str,
        commit: str,
        name: str,
        begin: int,
        length: int | None,
        take: Callable[[int, bytes], None],
    ) -> None:
        """Give ``take`` the bytes of ``[begin, begin + length)`` (None: of the whole file) in order."""
        task = self._task(f"reading {name} of {at(repo, commit)}", repo, commit, reading=True)
        done = 0
        if self._warm and (path := disk.file_at(repo, commit, name)) is not None:
            done = disk.copy(path, begin, length, take)
            if length is None or done == length:
                return

        def once() -> None:
            nonlocal done, length
            url = hf_hub_url(repo, name, revision=commit, endpoint=self._endpoint)
            span = None if length is None else (begin + done, begin + length)
            headers, timeout = self._headers(span), constants.HF_HUB_DOWNLOAD_TIMEOUT
            with get_session().stream("GET", url, headers=headers, timeout=timeout) as response:
                hf_raise_for_status(response)
                length = _checked_length(response, span, done, task)
                for chunk in response.iter_raw():
                    if done + len(chunk) > length:
                        raise hub_errors.unlike_file(task, f"sent more than the {length} bytes that it announced")
                    take(done, chunk)
                    done += len(chunk)
            if done < length:
                raise httpx.ReadError(f"{done} of {length} bytes came")

        self._call(task, once)

    def _headers(self, span: tuple[int, int] | None) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity"}
        if span is not None:
            headers["Range"] = f"bytes={span[0]}-{span[1] - 1}"
        return build_hf_headers(token=self._token, library_name="mergesmith", library_version=ENGINE, headers=headers)


def _checked_length(response: httpx.Response, span: tuple[int, int] | None, done: int, task: Task) -> int:
    """Return the whole transfer's bytes; raise ``HubError`` if this is the answer to another question."""
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise hub_errors.unlike_file(task, f"came encoded as {encoding}, expected the bytes as stored")
    if span is None:
        announced = response.headers.get("Content-Length", "")
        if response.status_code != 200 or not announced.isdigit():
            raise hub_errors.unlike_file(task, f"came with {response.status_code} and no size, expected 200 and a size")
        return int(announced)
    content_range = response.headers.get("Content-Range")
    expected = f"bytes {span[0]}-{span[1] - 1}/"
    if response.status_code != 206 or not (content_range or "").startswith(expected):
        raise hub_errors.unlike_range(task, expected, response.status_code, content_range)
    return done + span[1] - span[0]


def status_of(error: BaseException | None) -> int | None:
    """Return the status of the answer that ``error`` tells of; None where it tells of none."""
    return error.response.status_code if isinstance(error, HfHubHTTPError) else None


def _is_transient(error: Exception, again: frozenset[int]) -> bool:
    if isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol):
        return 500 in again
    return status_of(error) in again


def _asked_wait(error: Exception) -> float | None:
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


def _explain(error: Exception, task: Task) -> MergesmithError | None:
    """Return what ``error`` means in our own words; None for an error that is not the client's."""
    if isinstance(error, RevisionNotFoundError) and task.revision is not None and not task.reading:
        return hub_errors.branch_missing(task)
    return (_model_error(error, task) if task.reading else None) or _hub_error(error, task)


def _model_error(error: Exception, task: Task) -> MergesmithError | None:
    match error:
        case GatedRepoError():  # is a RepositoryNotFoundError too
            return hub_errors.gated(task)
        case RepositoryNotFoundError():
            return hub_errors.missing(task)
        case RevisionNotFoundError():
            return hub_errors.revision_missing(task)
        case RemoteEntryNotFoundError():
            return hub_errors.file_missing(task)
        case HFValidationError():
            return hub_errors.misnamed(task)
    return None


def _hub_error(error: Exception, task: Task) -> MergesmithError | None:
    match error:
        case HfHubHTTPError():
            return hub_errors.answered(task, error.response.status_code, error.server_message or "")
        case httpx.RequestError() | httpx.InvalidURL():
            return hub_errors.unreachable(task, str(error) or type(error).__name__)
        case OfflineModeIsEnabled():
            return hub_errors.offline(task)
        case LocalTokenNotFoundError() | OIDCError():
            return hub_errors.no_token(task, str(error) if isinstance(error, OIDCError) else "")
        # A name, a card's front matter, a malformed answer; and what hf_xet (1.8.0) makes of one that stops a transfer.
        case ValueError() | ConnectionError():
            return hub_errors.refused(task, str(error))
    return None
