"""Who may do what. Each function returns what was asked for, or raises the refusal that the Hub would send."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING

from engine.devhub.answers import entry_missing, refuse, repo_missing, revision_missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.devhub.answers import Call
    from engine.devhub.schema import Commit, Entry, Repo

LIFETIME = 3600
"""Seconds that a signed address is good for."""


def user_of(authorization: str | None, users: Mapping[str, str]) -> str | None:
    """Return the user whose token an Authorization header carries; None without a header.

    Raises ``Refusal`` 401 for a token that nobody has, whatever was asked for.
    """
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    for name, known in users.items():
        if scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), known.encode()):
            return name
    raise refuse(401, "Invalid credentials in Authorization header")


def signed_in(call: Call) -> str:
    """Return the caller's name, or refuse: this needs a token."""
    if call.user is None:
        raise refuse(401, "Invalid username or password.", headers={"WWW-Authenticate": 'Bearer realm="Hub"'})
    return call.user


def owns(repo: Repo, user: str | None) -> bool:
    """Tell whether a user may write to a repo."""
    return user is not None and user in {repo.owner, repo.namespace}


def readable(call: Call) -> Repo:
    """Return the repo that the address names, if the caller may know of it."""
    repo = call.store.repo(call.params["repo"])
    if repo is None or (repo.private and not owns(repo, call.user)):
        raise repo_missing(call)
    return repo


def writable(call: Call) -> Repo:
    """Return the repo that the address names, if the caller may write to it."""
    repo = readable(call)
    signed_in(call)
    if not owns(repo, call.user):
        raise refuse(403, f"You don't have the rights to write to {repo.id}")
    return repo


def is_author(call: Call, repo: Repo, revision: str) -> bool:
    """Tell whether ``revision`` is the ref of a pull request that the caller opened: its author may push there."""
    num = revision.removeprefix("refs/pr/")
    found = (row for row in call.store.discussions(repo.id) if row["isPullRequest"] and str(row["num"]) == num)
    return call.user is not None and any(row["author"]["name"] == call.user for row in found)


def writable_at(call: Call, revision: str) -> Repo:
    """Return the repo that the address names, if the caller may write to it, or to this revision of it."""
    repo = readable(call)
    return repo if is_author(call, repo, revision) else writable(call)


def with_files(call: Call) -> Repo:
    """Return the repo that the address names, if the caller may take its files: a gated repo asks for more."""
    repo = readable(call)
    if not repo.gated or owns(repo, call.user):
        return repo
    restricted = f"Access to model {repo.id} is restricted"
    if call.user is None:
        message = f"{restricted}. You must have access to it and be authenticated to access it. Please log in."
        raise refuse(401, message, "GatedRepo")
    if not call.store.is_allowed(repo.id, call.user):
        message = f"{restricted} and you are not in the authorized list. Visit {call.base}/{repo.id} to ask for access."
        raise refuse(403, message, "GatedRepo")
    return repo


def commit_at(call: Call, repo: Repo, revision: str | None = None) -> Commit:
    """Return the commit that the address's ``rev`` names (or ``revision``)."""
    revision = revision or call.params.get("rev", "main")
    oid = call.store.resolve(repo.id, revision)
    if oid is None:
        raise revision_missing(revision)
    return call.store.commit(repo.id, oid)


def entry_at(commit: Commit, path: str) -> Entry:
    """Return a commit's file."""
    entry = commit.files.get(path)
    if entry is None:
        raise entry_missing(path, commit.oid)
    return entry


def sign(secret: bytes, path: str, query: str = "", now: float | None = None) -> str:
    """Return ``path`` with an expiry and a signature: whoever holds that address may use it, without a token."""
    expires = int((time.time() if now is None else now) + LIFETIME)
    signed = f"{path}?{query}{'&' if query else ''}expires={expires}"
    return f"{signed}&signature={_signature(secret, signed)}"


def check_signed(call: Call) -> None:
    """Refuse an address that was not signed here, that has expired, or that comes with a token besides.

    A storage service takes one kind of credential only; a client that sends its token there leaks it.
    """
    if "authorization" in call.headers:
        raise refuse(400, "Only one auth mechanism allowed: this address is signed, send no Authorization header")
    signed, _, signature = call.target.rpartition("&signature=")
    if not hmac.compare_digest(signature.encode(), _signature(call.secret, signed).encode()):
        raise refuse(403, "The signature of this address does not match")
    if int(call.one("expires", "0")) < time.time():
        raise refuse(403, "This address has expired")


def _signature(secret: bytes, text: str) -> str:
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
