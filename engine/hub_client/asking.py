"""Asking the Hub: trying again while it may help, checking that the answer is one, saying in our words what it means.

It raises ``ModelError`` where a model, a revision or a file is missing or gated, ``HubError`` for anything else; the
texts are in ``engine.hub_errors``.
"""

from __future__ import annotations

import hashlib
import logging
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
)

from engine import hub_errors
from engine.hub_client import disk
from engine.hub_client.trying import WAITS, asked_wait, passing, status_of
from engine.hub_errors import Task, at
from engine.interrupts import heed, pause
from engine.version import ENGINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.errors import MergesmithError
    from engine.hub_client.trying import May

T = TypeVar("T")

PATIENCE = 120.0
"""Seconds to wait for the next byte of an answer; a commit may take the Hub a minute."""
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
        sleep: Callable[[float], None] = pause,
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
    def anonymous(self) -> bool:
        """Whether no token is sent."""
        return "authorization" not in self._headers(None)

    @property
    def offline(self) -> bool:
        """Whether the user forbade asking, by ``HF_HUB_OFFLINE``."""
        return constants.is_offline_mode()

    def _task(self, what: str, repo: str, revision: str | None = None, *, reading: bool = False) -> Task:
        return Task(what, self._endpoint, repo, revision, reading)

    def _call(self, task: Task, question: Callable[[], T], again: May = passing) -> T:
        """Call; where ``again`` says that a failure may pass, or the token expired meanwhile, wait and call again."""
        for wait in (*WAITS, None):
            try:
                get_session().timeout = PATIENCE  # the client itself would wait for ever
                if not self.offline:
                    self._sign_in()
                return question()
            except Exception as error:  # re-raised below unless it is explained or tried again
                # The client wraps what happened to one file of several, and we what happened before we had a token.
                cause = error.__cause__ if isinstance(error, RuntimeError | _Unsigned) else None
                root = cause if isinstance(cause, Exception) else error
                may_pass = passing(root) if isinstance(error, _Unsigned) else again(root) or self._renewed(root)
                if wait is None or not may_pass:
                    explained = _unsigned(root, task) if isinstance(error, _Unsigned) else _explain(root, task)
                    if explained is None:
                        raise
                    raise explained from root
                self._sleep(asked_wait(root) or wait)
        raise AssertionError("the last try returns or raises")

    def _sign_in(self) -> str | None:
        """Return the header that tells who asks; ``_Unsigned`` where the client gets no token.

        By trusted publishing it exchanges one for each hour, and so it does here, before the question itself.
        """
        try:
            return self._headers(None).get("authorization")
        except (OIDCError, HfHubHTTPError, httpx.RequestError, ValueError, KeyError) as error:
            raise _Unsigned from error

    def _renewed(self, error: Exception) -> bool:
        """Whether a token was refused that is not the present one: it expired during a call of several requests."""
        if not isinstance(error, HfHubHTTPError) or status_of(error) != 401:
            return False
        sent = error.response.request.headers.get("authorization")
        try:
            return sent is not None and sent != self._sign_in()
        except _Unsigned:  # the next try says why
            return True

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
                    heed()
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


class _Unsigned(Exception):  # noqa: N818
    """No token could be had; the cause says why."""


def _unsigned(error: Exception, task: Task) -> MergesmithError:
    """Say why trusted publishing gave no token. Nothing of the tokens is in what the client or a server says of it."""
    match error:
        case OIDCError():
            return hub_errors.no_token(task, str(error))
        case HfHubHTTPError():
            said = f": {error.server_message}" if error.server_message else ""
            return hub_errors.unsigned(task, f"{error.response.request.url.host} answered {status_of(error)}{said}")
        case httpx.RequestError():
            return hub_errors.unsigned(task, f"no answer: {error}")
    return hub_errors.unsigned(task, f"the answer has no token in it ({type(error).__name__})")


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
        case LocalTokenNotFoundError():
            return hub_errors.no_token(task)
        # A name, a card's front matter, a malformed answer; and what hf_xet (1.8.0) makes of one that stops a transfer.
        case ValueError() | ConnectionError():
            return hub_errors.refused(task, str(error))
    return None
