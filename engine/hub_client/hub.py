"""The client itself: looking up, reading, writing and proposing."""

from __future__ import annotations

import copy
import hashlib
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING

from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from engine import hub_errors
from engine.errors import HubError, ModelError
from engine.hub_client import disk
from engine.hub_client.searching import Searching
from engine.hub_client.trying import never, passing_before, status_of
from engine.hub_client.values import Commit, HubFile, HubModel, PullRequest, Upload
from engine.hub_errors import BranchMissing, at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Hub(Searching):
    """A Hub at ``endpoint`` with ``token``; None means huggingface_hub's own (HF_ENDPOINT, ``get_token()``).

    ``token=False`` is nobody, whatever token the machine has. Safe to use from several threads. ``sleep`` is how it
    waits between tries. A ``warm`` one reads from huggingface_hub's cache on this machine what lies there at the very
    commit; offline, that is all there is. Whoever asks for others must not: the cache holds what its owner may see.
    """

    def __repr__(self) -> str:
        return f"Hub(endpoint={self._endpoint!r})"

    @property
    def endpoint(self) -> str:
        """The Hub's address, without a slash at its end."""
        return self._endpoint

    def model(self, repo: str, revision: str | None) -> HubModel:
        """Return what ``repo`` holds at ``revision`` (None: its main branch), in one request.

        Offline a warm Hub returns what the cache knows: see ``disk.model_at``. Raises ``ModelMissing``,
        ``RevisionMissing``, ``NotCached``, ``HubError``. A gated repo answers this to everybody.
        """
        task = self._task(f"looking up {at(repo, revision)}", repo, revision, reading=True)
        if self._warm and self.offline:
            return self._call(task, lambda: disk.model_at(repo, revision))
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

    def can_write(self, repo: str) -> bool | None:
        """Tell whether the token may write to ``repo``; None where there is no such repo for it."""
        task = self._task(f"asking for write access to {repo}", repo)
        try:
            self._call(task, lambda: self._api.auth_check(repo, write=True))
        except HubError as error:
            cause = error.__cause__
            if isinstance(cause, RepositoryNotFoundError) and not isinstance(cause, GatedRepoError):
                return None
            if status_of(cause) in {401, 403}:
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
            status = status_of(error.__cause__)
            if status == 409 or (status in {401, 402, 403} and self._exists(repo)):
                return False
            raise
        return True

    def set_private(self, repo: str, private: bool) -> None:
        """Make ``repo`` private or public."""
        state = "private" if private else "public"
        task = self._task(f"making {repo} {state}", repo)
        self._call(task, lambda: self._api.update_repo_settings(repo, private=private))

    def upload(self, repo: str, path: Path, name: str, revision: str = "main", sha256: str | None = None) -> Upload:
        """Send the file at ``path``, to be named ``name``; a later ``commit`` takes what this returns.

        The local file may be deleted at once. A file that the Hub wants inside the commit itself (it is
        small and no weight file) is held in memory until then. Bytes that the Hub has are not sent again. With
        ``sha256`` the content is not hashed here: whoever gives it answers for it.
        """
        task = self._task(f"uploading {name} to {repo}", repo, revision)
        operation = CommitOperationAdd(path_in_repo=name, path_or_fileobj=path)
        if sha256 is not None:
            operation.upload_info.sha256 = bytes.fromhex(sha256)
        self._call(task, lambda: self._api.preupload_lfs_files(repo, [operation], revision=revision), again=never)
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
        What goes before it is tried again while that may help; the commit itself only where the Hub surely did not take
        it (429, 503).
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
            again=passing_before("/commit/"),
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
            again=passing_before("/discussions"),
        )
        return PullRequest(made.num, made.title, made.status, made.url)

    def propose(self, repo: str, files: Mapping[str, bytes], title: str, description: str) -> PullRequest:
        """Open a pull request that adds or changes ``files`` on the main branch; anybody who may read ``repo`` may.

        Raises ``HubError`` where ``repo`` has all of them already.
        """
        made = self.commit(
            repo, uploads=(), files=files, delete=(), message=title, description=description, parent_commit=None,
            create_pr=True,
        )  # fmt: skip
        if made.pr_url is None or made.pr_ref is None:
            task = self._task(f"proposing {', '.join(files)} to {repo}", repo)
            raise hub_errors.refused(
                task, "the files are there already, with this content; there is nothing to propose"
            )
        return PullRequest(int(made.pr_ref.rpartition("/")[2]), title, "open", made.pr_url)

    def mark_ready(self, repo: str, num: int) -> None:
        """Turn a draft pull request into an open one."""
        task = self._task(f"opening the pull request {num} of {repo} for review", repo)
        self._call(task, lambda: self._api.change_discussion_status(repo, num, new_status="open"))

    def _exists(self, repo: str) -> bool:
        try:
            self.model(repo, None)
        except ModelError:
            return False
        return True
