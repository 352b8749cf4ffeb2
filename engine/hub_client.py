"""The Hub, as the engine sees it: the only module that imports huggingface_hub.

What it raises is ours: ``ModelError`` where a model, a revision or a file is missing or gated, ``HubError``
for anything else. Import it only where a Hub name occurs: the client takes a moment to load.
Longer than our modules are, so that nothing else needs the client; its error texts are in ``hub_errors``.
"""

from __future__ import annotations

import copy
import hashlib
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi, constants, hf_hub_url
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
from engine.errors import HubError, MergesmithError, ModelError
from engine.hub_errors import BranchMissing, FileMissing, ModelGated, ModelMissing, Moved, RevisionMissing, Task, at
from engine.version import ENGINE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

__all__ = [
    "BranchMissing",
    "Commit",
    "FileMissing",
    "Hub",
    "HubFile",
    "HubModel",
    "ModelGated",
    "ModelMissing",
    "Moved",
    "PullRequest",
    "RevisionMissing",
    "Upload",
]

T = TypeVar("T")

WAITS = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries, where the Hub names none: five tries in all."""
LONGEST_WAIT = 300.0
"""The Hub counts requests in windows of five minutes, so it never asks for a longer wait."""
PATIENCE = 120.0
"""Seconds to wait for the next byte of an answer; a commit may take the Hub a minute."""
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_NOT_TAKEN = frozenset({429, 503})
"""Answers after which a commit was surely not made."""

# Both would write into our own output; what matters in them we raise or report ourselves.
logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
if constants.HF_HUB_DISABLE_PROGRESS_BARS is None:
    disable_progress_bars()


@dataclass(frozen=True)
class HubFile:
    """A file at a commit. ``sha256`` is of its content, known for LFS files only; ``blob_id`` is git's."""

    name: str
    size: int
    sha256: str | None
    blob_id: str


@dataclass(frozen=True)
class HubModel:
    """A repo at a commit: files sorted by name, ``card`` the README's front matter ({} if none).

    ``repo`` is the name that it has on the Hub, which may not be the one that it was asked for by. ``gated`` says that
    access is given on request, whether or not this token has it.
    """

    repo: str
    commit: str
    private: bool
    gated: bool
    files: tuple[HubFile, ...]
    card: Mapping[str, Any]
    last_modified: datetime | None


@dataclass(frozen=True)
class Upload:
    """A file that is on the Hub but in no commit yet; nothing of it is needed on this machine any more."""

    name: str
    size: int
    sha256: str
    operation: CommitOperationAdd = field(repr=False, compare=False)


@dataclass(frozen=True)
class Commit:
    """A commit that was made: its page, its hash, and its pull request's page and ref where one was asked for."""

    url: str
    oid: str
    pr_url: str | None
    pr_ref: str | None = None


@dataclass(frozen=True)
class PullRequest:
    """A pull request; ``status`` is draft, open, closed or merged."""

    num: int
    title: str
    status: str
    url: str

    @property
    def ref(self) -> str:
        """The revision that its commits lie on."""
        return f"refs/pr/{self.num}"


class Hub:
    """A Hub at ``endpoint`` with ``token``; None means huggingface_hub's own (HF_ENDPOINT, ``get_token()``).

    Safe to use from several threads. ``sleep`` is how it waits between tries.
    """

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        token: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self._token = token
        self._sleep = sleep
        self._api = HfApi(endpoint=self._endpoint, token=token, library_name="mergesmith", library_version=ENGINE)

    def __repr__(self) -> str:
        return f"Hub(endpoint={self._endpoint!r})"

    @property
    def endpoint(self) -> str:
        """The Hub's address, without a slash at its end."""
        return self._endpoint

    def model(self, repo: str, revision: str | None) -> HubModel:
        """Return what ``repo`` holds at ``revision`` (None: its main branch), in one request.

        Raises ``ModelMissing``, ``RevisionMissing``, ``HubError``. A gated repo answers this to everybody.
        """
        task = self._task(f"looking up {at(repo, revision)}", repo, revision, reading=True)
        info = self._call(task, lambda: self._api.model_info(repo, revision=revision, files_metadata=True))
        if info.sha is None:
            raise hub_errors.refused(task, "the answer names no commit")
        files = (
            HubFile(f.rfilename, f.size or 0, f.lfs.sha256 if f.lfs else None, f.blob_id or "")
            for f in info.siblings or ()
        )
        return HubModel(
            repo=info.id,
            commit=info.sha,
            private=bool(info.private),
            gated=bool(info.gated),
            files=tuple(sorted(files, key=lambda f: f.name)),
            card=info.card_data.to_dict() if info.card_data else {},  # type: ignore[no-untyped-call]
            last_modified=info.last_modified,
        )

    def sha256(self, model: HubModel, file: HubFile) -> str:
        """Hash of a file's content: the Hub knows that of LFS files, and others are small enough to be read."""
        return file.sha256 or hashlib.sha256(self.read_file(model.repo, model.commit, file.name)).hexdigest()

    def title(self, repo: str, commit: str) -> str:
        """First line of a commit's message, as its author wrote it."""
        task = self._task(f"looking up {at(repo, commit)}", repo, commit, reading=True)
        commits = self._call(task, lambda: self._api.list_repo_commits(repo, revision=commit))
        return commits[0].title if commits else ""

    def read(self, repo: str, commit: str, name: str, begin: int, out: memoryview) -> None:
        """Fill ``out`` with the file's bytes from offset ``begin`` on: exactly ``len(out)`` of them.

        The answer must be 206 with the very range asked for. A broken transfer goes on where it stopped,
        from the resolve address again, since the address that it redirects to expires.
        Raises ``FileMissing``, ``ModelGated``, ``ModelMissing``, ``RevisionMissing``, ``HubError``.
        """
        flat = out.cast("B")
        if not len(flat):
            return

        def take(_at: int, chunk: bytes) -> None:
            flat[_at : _at + len(chunk)] = chunk

        self._fetch(repo, commit, name, begin, len(flat), take)

    def read_file(self, repo: str, commit: str, name: str) -> bytes:
        """Return a whole file, meant for small ones. Raises as ``read`` does."""
        whole = bytearray()

        def take(_at: int, chunk: bytes) -> None:
            whole.extend(chunk)

        self._fetch(repo, commit, name, 0, None, take)
        return bytes(whole)

    def download(self, repo: str, commit: str, name: str, to: Path) -> None:
        """Write a whole file to ``to``, a megabyte at a time. Raises as ``read`` does; then ``to`` is partial."""
        with to.open("wb") as file:

            def take(_at: int, chunk: bytes) -> None:
                file.write(chunk)

            self._fetch(repo, commit, name, 0, None, take)

    def whoami(self) -> str:
        """Return the name of the token's account, asked for once. Raises ``HubError`` without a valid token."""
        task = self._task("asking whose token this is", "")
        account = self._call(task, lambda: self._api.whoami(cache=True))
        return str(account["name"])

    def can_write(self, repo: str) -> bool | None:
        """Tell whether the token may write to ``repo``; None where there is no such repo for it."""
        task = self._task(f"asking for write access to {repo}", repo)
        try:
            self._call(task, lambda: self._api.auth_check(repo, write=True))
        except HubError as error:
            cause = error.__cause__
            if isinstance(cause, RepositoryNotFoundError) and not isinstance(cause, GatedRepoError):
                return None
            if _status(cause) in {401, 403}:
                return False
            raise
        return True

    def create_repo(self, repo: str, *, private: bool) -> bool:
        """Create ``repo`` and return True; return False where it was there before, and change nothing then.

        A token that may write to one repo only cannot create any: that too is False where the repo exists.
        """
        task = self._task(f"creating {repo}", repo)
        try:
            self._call(task, lambda: self._api.create_repo(repo, private=private, exist_ok=False))
        except HubError as error:
            status = _status(error.__cause__)
            if status == 409 or (status in {401, 402, 403} and self._exists(repo)):
                return False
            raise
        return True

    def set_private(self, repo: str, private: bool) -> None:
        """Make ``repo`` private or public."""
        state = "private" if private else "public"
        task = self._task(f"making {repo} {state}", repo)
        self._call(task, lambda: self._api.update_repo_settings(repo, private=private))

    def upload(self, repo: str, path: Path, name: str, revision: str = "main") -> Upload:
        """Send the file at ``path``, to be named ``name``; a later ``commit`` takes what this returns.

        The local file may be deleted at once. A file that the Hub wants inside the commit itself (it is
        small and no weight file) is held in memory until then. Bytes that the Hub has are not sent again.
        """
        task = self._task(f"uploading {name} to {repo}", repo, revision)
        operation = CommitOperationAdd(path_in_repo=name, path_or_fileobj=path)
        self._call(task, lambda: self._api.preupload_lfs_files(repo, [operation], revision=revision), again=frozenset())
        # The client tells these three nowhere else.
        ignored, sent = operation._should_ignore, operation._is_uploaded  # noqa: SLF001
        if ignored:
            raise hub_errors.refused(task, f"a .gitignore in {repo} excludes {name}; remove that line there")
        if not sent:
            operation = CommitOperationAdd(path_in_repo=name, path_or_fileobj=path.read_bytes())
        # Else the client drops the file from a commit to another branch, or to one that has moved since,
        # because this branch had the same content at this moment.
        operation._remote_oid = None  # noqa: SLF001
        return Upload(name, operation.upload_info.size, operation.upload_info.sha256.hex(), operation)

    def commit(
        self,
        repo: str,
        *,
        uploads: Sequence[Upload],
        files: Mapping[str, bytes | Path],
        delete: Sequence[str],
        copies: Mapping[str, str] = MappingProxyType({}),
        message: str,
        description: str = "",
        parent_commit: str | None,
        create_pr: bool = False,
        revision: str = "main",
    ) -> Commit:
        """Make one atomic commit on ``revision``: uploads, small files, copies, and files to delete.

        ``copies`` maps the names of files to the revision that they are copied from: of LFS files no byte passes here.
        With ``parent_commit`` it is made only where the branch is still there, else ``Moved`` is raised; with
        ``create_pr`` it opens a pull request from there instead. If nothing differs, the head is returned.
        It is tried again only where the Hub surely did not take it (429, 503).
        """
        operations: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = [
            *(copy.copy(upload.operation) for upload in uploads),  # the client marks what it committed
            *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=data) for name, data in files.items()),
            *(CommitOperationCopy(name, name, src_revision=source) for name, source in copies.items()),
            *(CommitOperationDelete(path_in_repo=name, is_folder=False) for name in delete),
        ]
        info = self._call(
            self._task(f"committing to {at(repo, revision)}", repo, revision),
            lambda: self._api.create_commit(
                repo,
                operations,
                commit_message=message,
                commit_description=description,
                revision=revision,
                parent_commit=parent_commit,
                create_pr=create_pr,
            ),
            again=_NOT_TAKEN,
        )
        return Commit(url=str(info.commit_url), oid=info.oid, pr_url=info.pr_url, pr_ref=info.pr_revision)

    def branches(self, repo: str) -> dict[str, str]:
        """Return the commit that each branch of ``repo`` is at."""
        task = self._task(f"listing the branches of {repo}", repo, reading=True)
        refs = self._call(task, lambda: self._api.list_repo_refs(repo))
        return {ref.name: ref.target_commit for ref in refs.branches}

    def create_branch(self, repo: str, name: str, commit: str) -> None:
        """Create a branch at ``commit``; one that is there already stays as it is."""
        task = self._task(f"creating the branch {name} of {repo}", repo)
        self._call(task, lambda: self._api.create_branch(repo, branch=name, revision=commit, exist_ok=True))

    def delete_branch(self, repo: str, name: str) -> None:
        """Delete a branch; one that is gone already is no error."""
        task = self._task(f"removing the branch {name} of {repo}", repo, name)
        with suppress(BranchMissing):
            self._call(task, lambda: self._api.delete_branch(repo, branch=name))

    def pull_requests(self, repo: str, author: str) -> list[PullRequest]:
        """Return the pull requests that ``author`` opened and nobody closed or merged, the newest first."""
        task = self._task(f"listing the pull requests of {repo}", repo, reading=True)
        found = self._call(
            task,
            lambda: list(self._api.get_repo_discussions(repo, author=author, discussion_type="pull_request")),
        )
        return [PullRequest(d.num, d.title, d.status, d.url) for d in found if d.status in {"draft", "open"}]

    def open_pull_request(self, repo: str, title: str, description: str) -> PullRequest:
        """Open a draft pull request without changes; anybody who may read ``repo`` may, and may then commit to it.

        As a commit is, it is tried again only where the Hub surely did not take it.
        """
        made = self._call(
            self._task(f"opening a pull request in {repo}", repo),
            lambda: self._api.create_pull_request(repo, title=title, description=description),
            again=_NOT_TAKEN,
        )
        return PullRequest(made.num, made.title, made.status, made.url)

    def mark_ready(self, repo: str, num: int) -> None:
        """Turn a draft pull request into an open one."""
        task = self._task(f"opening the pull request {num} of {repo} for review", repo)
        self._call(task, lambda: self._api.change_discussion_status(repo, num, new_status="open"))

    def _task(self, what: str, repo: str, revision: str | None = None, *, reading: bool = False) -> Task:
        return Task(what, self._endpoint, repo, revision, reading)

    def _exists(self, repo: str) -> bool:
        try:
            self.model(repo, None)
        except ModelError:
            return False
        return True

    def _call(self, task: Task, call: Callable[[], T], again: frozenset[int] = _TRANSIENT) -> T:
        """Call; where the answer is among ``again`` (or none came, if 500 is), wait and call once more."""
        for wait in (*WAITS, None):
            try:
                get_session().timeout = PATIENCE  # the client itself would wait for ever
                return call()
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


def _status(error: BaseException | None) -> int | None:
    return error.response.status_code if isinstance(error, HfHubHTTPError) else None


def _is_transient(error: Exception, again: frozenset[int]) -> bool:
    if isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol):
        return 500 in again
    return _status(error) in again


def _asked_wait(error: Exception) -> float | None:
    """Seconds that the Hub asks to wait: Retry-After, or the rate limit's reset; None if it names none."""
    if not isinstance(error, HfHubHTTPError):
        return None
    retry_after = error.response.headers.get("Retry-After", "")
    if retry_after.isdigit():
        return min(float(retry_after), LONGEST_WAIT)
    limit = parse_ratelimit_headers(error.response.headers)
    if _status(error) == 429 and limit is not None and limit.remaining == 0:
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
        case ValueError():  # a name, a card's front matter, a malformed answer
            return hub_errors.refused(task, str(error))
    return None
