"""Routes about whole repos: account, create, delete, settings, access."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.devhub.access import MANAGE, lets, may_create, owns, sees, signed_in, with_files, writable
from engine.devhub.answers import Answer, as_json, bad_request, refuse, repo_missing
from engine.devhub.store import Conflict

if TYPE_CHECKING:
    from engine.devhub.answers import Call
    from engine.devhub.grants import Grant

_NAME = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][A-Za-z0-9._-]{0,95}(?<![-.])(?<!\.git)")


def whoami(call: Call) -> Answer:
    """GET /api/whoami-v2."""
    user = signed_in(call)
    orgs = [
        {"type": "org", "id": org, "name": org, "fullname": org, "roleInOrg": role}
        for org, role in call.store.orgs(user).items()
    ]
    account = {"type": "user", "id": user, "name": user, "fullname": user, "isPro": False, "orgs": orgs}
    return as_json({**account, "auth": _auth(call.grant)})


def create(call: Call) -> Answer:
    """POST /api/repos/create ``{name, organization?, type?, visibility?|private?}`` → ``{url, id}``; 409 if there."""
    body, user = call.json(), signed_in(call)
    repo = _named(body, user)
    may_create(call, repo.split("/")[0])
    url = f"{call.base}/{repo}"
    try:
        client = call.grant.client if call.grant else None
        call.store.create_repo(repo, user, private=_is_private(body) is True, client=client)
    except Conflict:
        return as_json({"error": "You already created this model repo", "url": url}, 409)
    return as_json({"url": url, "name": repo, "id": repo})


def delete(call: Call) -> Answer:
    """DELETE /api/repos/delete ``{name, organization?, type?}``."""
    body, user = call.json(), signed_in(call)
    repo = call.store.repo(_named(body, user))
    if repo is None or not sees(call, repo):
        raise repo_missing(call)
    if not owns(call, repo) or not lets(call, repo, MANAGE):
        raise refuse(403, f"You don't have the rights to delete {repo.id}")
    call.store.delete_repo(repo.id)
    return as_json({})


def settings(call: Call) -> Answer:
    """PUT /api/models/{repo}/settings ``{visibility?|private?, gated?}``."""
    repo, body = writable(call), call.json()
    gated = body.get("gated")
    if gated not in (None, False, "auto", "manual"):
        raise bad_request('"gated" must be "auto", "manual" or false')
    call.store.set_repo(repo.id, private=_is_private(body), gated=None if gated is None else gated or "")
    changed = call.store.repo(repo.id) or repo
    return as_json({"private": changed.private, "gated": changed.gated or False})


def auth_check(call: Call) -> Answer:
    """GET /api/models/{repo}/auth-check: may the caller take the files?"""
    with_files(call)
    return as_json({})


def auth_check_write(call: Call) -> Answer:
    """GET /api/models/{repo}/auth-check/write: may the caller write?"""
    writable(call)
    return as_json({})


def grant(call: Call) -> Answer:
    """POST /api/models/{repo}/user-access-request/grant ``{user}``: let a user into a gated repo."""
    repo, user = writable(call), str(call.json().get("user"))
    if not repo.gated:
        raise bad_request("The repo is not gated")
    if user not in call.store.users():
        raise refuse(404, "User not found")
    if call.store.is_allowed(repo.id, user):
        raise bad_request("The user already has access")
    call.store.allow(repo.id, user)
    return as_json({})


def _auth(grant: Grant | None) -> dict[str, Any]:
    if grant is None:
        return {"type": "access_token", "accessToken": {"displayName": "devhub", "role": "write"}}
    expires = datetime.fromtimestamp(grant.expires, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {"type": "app_token_as_user", "expiresAt": expires}


def _named(body: dict[str, Any], user: str) -> str:
    kind, name, namespace = body.get("type") or "model", body.get("name"), body.get("organization") or user
    if kind != "model":
        raise refuse(501, f"the embedded Hub holds models only, not a {kind}")
    if not all(isinstance(part, str) and _NAME.fullmatch(part) for part in (namespace, name)):
        raise bad_request(f"Invalid repo name: {namespace}/{name}")
    return f"{namespace}/{name}"


def _is_private(body: dict[str, Any]) -> bool | None:
    if "visibility" in body:
        if body["visibility"] not in {"private", "public"}:
            raise bad_request('"visibility" must be "private" or "public"')
        return bool(body["visibility"] == "private")
    private = body.get("private")
    if private is not None and not isinstance(private, bool):
        raise bad_request('"private" must be true or false')
    return private
