"""Routes about branches, tags and history."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from engine.devhub.access import commit_at, readable, writable
from engine.devhub.answers import Answer, as_json, bad_request, next_link, refuse, revision_missing
from engine.devhub.store import MAIN

if TYPE_CHECKING:
    from engine.devhub.answers import Call

PAGE = 50
"""Commits in a page."""
_NAME = re.compile(r"(?!.*(\.\.|//|@\{|\.lock(/|$)|/\.))(?![/.-])[^\x00-\x20~^:?*\[\\\x7f]{1,200}(?<![/.])")
_KINDS = {"branches": "refs/heads/", "converts": "refs/convert/", "tags": "refs/tags/", "pullRequests": "refs/pr/"}


def refs(call: Call) -> Answer:
    """GET /api/models/{repo}/refs[?include_prs=1]."""
    found = call.store.refs(readable(call).id)
    rows = {
        kind: [
            {"name": ref if kind == "pullRequests" else ref.removeprefix(start), "ref": ref, "targetCommit": oid}
            for ref, oid in found.items()
            if ref.startswith(start)
        ]
        for kind, start in _KINDS.items()
    }
    if not call.one("include_prs"):
        del rows["pullRequests"]
    return as_json(rows)


def commits(call: Call) -> Answer:
    """GET /api/models/{repo}/commits/{rev}?p&limit: the newest first, page by page."""
    repo = readable(call)
    history = call.store.history(repo.id, commit_at(call, repo).oid)
    size, page = int(call.one("limit") or PAGE), int(call.one("p", "0"))
    rows = [
        {"id": c.oid, "title": c.title, "message": c.body, "authors": [{"user": c.author}], "date": c.date}
        for c in history[page * size : (page + 1) * size]
    ]
    path = f"/api/models/{repo.id}/commits/{quote(call.params['rev'], safe='')}"
    headers = next_link(call, path, p=str(page + 1)) if (page + 1) * size < len(history) else {}
    return as_json(rows, headers=headers)


def create_branch(call: Call) -> Answer:
    """POST /api/models/{repo}/branch/{rev} ``{startingPoint?}``; 409 if it is there."""
    repo, name = writable(call), call.params["rev"]
    _check_name(name)
    start = commit_at(call, repo, call.json().get("startingPoint") or "main")
    with call.store.transaction():
        if call.store.ref(repo.id, f"refs/heads/{name}"):
            raise refuse(409, f"Reference already exists: refs/heads/{name}")
        call.store.set_ref(repo.id, f"refs/heads/{name}", start.oid)
    return as_json({})


def delete_branch(call: Call) -> Answer:
    """DELETE /api/models/{repo}/branch/{rev}; main stays."""
    repo, name = writable(call), f"refs/heads/{call.params['rev']}"
    if name == MAIN:
        raise bad_request("main cannot be deleted")
    if call.store.ref(repo.id, name) is None:
        raise revision_missing(call.params["rev"])
    call.store.delete_ref(repo.id, name)
    return as_json({})


def create_tag(call: Call) -> Answer:
    """POST /api/models/{repo}/tag/{rev} ``{tag, message?}``; 409 if it is there."""
    repo, tag = writable(call), str(call.json().get("tag"))
    _check_name(tag)
    commit = commit_at(call, repo)
    with call.store.transaction():
        if call.store.ref(repo.id, f"refs/tags/{tag}"):
            raise refuse(409, f"Reference already exists: refs/tags/{tag}")
        call.store.set_ref(repo.id, f"refs/tags/{tag}", commit.oid)
    return as_json({})


def delete_tag(call: Call) -> Answer:
    """DELETE /api/models/{repo}/tag/{rev}."""
    repo, name = writable(call), f"refs/tags/{call.params['rev']}"
    if call.store.ref(repo.id, name) is None:
        raise revision_missing(call.params["rev"])
    call.store.delete_ref(repo.id, name)
    return as_json({})


def _check_name(name: str) -> None:
    if name.startswith("refs/") or not _NAME.fullmatch(name):
        raise bad_request(f"Invalid reference name: {name}")
