"""Who may do what. Each function returns what was asked for, or raises the refusal that the Hub would send."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from engine.devhub.answers import entry_missing, refuse, repo_missing, revision_missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.devhub.answers import Call
    from engine.devhub.grants import Grant, Grants
    from engine.devhub.schema import Commit, Entry, Repo

_READ = frozenset({"read-repos", "write-repos", "manage-repos"})
_WRITE = frozenset({"write-repos", "manage-repos"})
_CREATE = frozenset({"contribute-repos", "manage-repos"})
MANAGE = frozenset({"manage-repos"})
"""What an app needs to delete a repo that it did not create."""
_MEMBERS_WRITE = frozenset({"admin", "write"})
_MEMBERS_CREATE = frozenset({"admin", "write", "contributor"})


def caller(authorization: str | None, users: Mapping[str, str], grants: Grants) -> tuple[str | None, Grant | None]:
    """Return the user whose token an Authorization header carries, and what it may do where it is an app's.

    (None, None) without a header. Raises ``Refusal`` 401 for a token that nobody has, or that has expired,
    whatever was asked for.
    """
    if authorization is None:
        return None, None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer":
        for name, known in users.items():
            if hmac.compare_digest(token.strip().encode(), known.encode()):
                return name, None
        if grant := grants.grant(token.strip()):
            return grant.user, grant
    raise refuse(401, "Invalid credentials in Authorization header")


def signed_in(call: Call) -> str:
    """Return the caller's name, or refuse: this needs a token."""
    if call.user is None:
        raise refuse(401, "Invalid username or password.", headers={"WWW-Authenticate": 'Bearer realm="Hub"'})
    return call.user


def lets(call: Call, repo: Repo, scopes: frozenset[str]) -> bool:
    """Tell whether the token may do to its user's repo what one of ``scopes`` lets an app do.

    A user's own token may do everything. ``contribute-repos`` is every right to a repo that the app itself created.
    Simplified: an app acts in its user's organisations as in the user's own namespace; on the Hub the user picks
    those in which it does.
    A trusted publisher may do everything to its repo but delete it.
    """
    if call.grant is None or scopes.intersection(call.grant.scopes):
        return True
    if call.grant.resource is not None:
        return call.grant.resource == repo.id and scopes is not MANAGE
    return "contribute-repos" in call.grant.scopes and call.store.creator(repo.id) == call.grant.client


def owns(call: Call, repo: Repo) -> bool:
    """Tell whether the caller may write to a repo: its owner, or the organisation's members who may."""
    return _role(call, repo) in _MEMBERS_WRITE and lets(call, repo, _WRITE)


def sees(call: Call, repo: Repo) -> bool:
    """Tell whether the caller may know of a repo."""
    return not repo.private or belongs(call, repo)


def belongs(call: Call, repo: Repo) -> bool:
    """Tell whether a repo is the caller's, or an organisation's that the caller is a member of."""
    return _role(call, repo) is not None and lets(call, repo, _READ)


def _role(call: Call, repo: Repo) -> str | None:
    if call.user is None:
        return None
    if call.user in {repo.owner, repo.namespace}:
        return "admin"
    return call.store.members(repo.namespace).get(call.user)


def may_create(call: Call, namespace: str) -> None:
    """Refuse a caller who may not create repos there, and an app that may not create any."""
    if namespace != call.user and call.store.members(namespace).get(call.user or "") not in _MEMBERS_CREATE:
        raise refuse(403, f'You don\'t have the rights to create a model under the namespace "{namespace}"')
    if call.grant is not None and not _CREATE.intersection(call.grant.scopes):
        raise refuse(403, "This app may not create repos: it was given neither contribute-repos nor manage-repos")


def speaks(call: Call, repo: Repo) -> str:
    """Return the caller's name, if the token may open and answer discussions and pull requests in a repo."""
    user = signed_in(call)
    if call.grant is not None and "write-discussions" not in call.grant.scopes and not owns(call, repo):
        raise refuse(403, f"This app may not take part in discussions of {repo.id}: it lacks write-discussions")
    return user


def readable(call: Call) -> Repo:
    """Return the repo that the address names, if the caller may know of it."""
    repo = call.store.repo(call.params["repo"])
    if repo is None or not sees(call, repo):
        raise repo_missing(call)
    return repo


def writable(call: Call) -> Repo:
    """Return the repo that the address names, if the caller may write to it."""
    repo = readable(call)
    signed_in(call)
    if not owns(call, repo):
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
    if not is_author(call, repo, revision):
        return writable(call)
    speaks(call, repo)
    return repo


def open_to(call: Call, revision: str | None) -> Repo:
    """Return the repo that the address names, if the caller may write there; None is a new pull request."""
    if revision is not None:
        return writable_at(call, revision)
    repo = readable(call)
    speaks(call, repo)
    return repo


def with_files(call: Call) -> Repo:
    """Return the repo that the address names, if the caller may take its files: a gated repo asks for more."""
    repo = readable(call)
    if not repo.gated or belongs(call, repo):
        return repo
    restricted = f"Access to model {repo.id} is restricted"
    if call.user is None:
        message = f"{restricted}. You must have access to it and be authenticated to access it. Please log in."
        raise refuse(401, message, "GatedRepo")
    if not call.store.is_allowed(repo.id, call.user):
        message = f"{restricted} and you are not in the authorized list. Visit {call.base}/{repo.id} to ask for access."
        raise refuse(403, message, "GatedRepo")
    if call.grant is not None and "gated-repos" not in call.grant.scopes:
        raise refuse(403, f"{restricted} and this app was not given gated-repos.", "GatedRepo")
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
