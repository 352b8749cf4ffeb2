"""Routes about discussions and pull requests, as far as a bot needs them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.devhub.access import commit_at, readable, signed_in, speaks, writable, writable_at
from engine.devhub.answers import Answer, as_json, bad_request, refuse
from engine.devhub.store import MAIN

if TYPE_CHECKING:
    from engine.devhub.answers import Call
    from engine.devhub.schema import Commit, Entry, Repo

PAGE = 10
"""Discussions in a page."""


def list_discussions(call: Call) -> Answer:
    """GET /api/models/{repo}/discussions?p&type&status&author, the newest first."""
    rows = call.store.discussions(readable(call).id)
    kind, status, author = call.one("type", "all"), call.one("status", "all"), call.one("author")
    if kind != "all":
        rows = [row for row in rows if row["isPullRequest"] == (kind == "pull_request")]
    if status != "all":
        rows = [row for row in rows if (row["status"] in {"open", "draft"}) == (status == "open")]
    if author:
        rows = [row for row in rows if row["author"]["name"] == author]
    begin = int(call.one("p", "0")) * PAGE
    return as_json({"discussions": rows[begin : begin + PAGE], "count": len(rows), "start": begin})


def details(call: Call) -> Answer:
    """GET /api/models/{repo}/discussions/{num}."""
    repo = readable(call)
    found = _found(call, repo)
    if found["isPullRequest"]:
        found["filesWithConflicts"] = sorted(_merged(call, repo, found)[1]) if _is_open(found) else []
    return as_json(found)


def create(call: Call) -> Answer:
    """POST /api/models/{repo}/discussions ``{title, description?, pullRequest?}``; a pull request starts as a draft."""
    repo, body = readable(call), call.json()
    speaks(call, repo)
    title, text = str(body.get("title") or "").strip(), str(body.get("description") or "")
    if not 3 <= len(title) <= 200:
        raise bad_request("A title has 3 to 200 characters")
    with call.store.transaction():
        if body.get("pullRequest"):
            main = commit_at(call, repo, "main")
            num = open_pull_request(call, repo, main, title, text, "draft")
            call.store.set_ref(repo.id, f"refs/pr/{num}", main.oid)
        else:
            num = _open(call, repo, title, text, "open", {"isPullRequest": False})
    return as_json({"num": num, "url": f"{call.base}/{repo.id}/discussions/{num}"})


def comment(call: Call) -> Answer:
    """POST /api/models/{repo}/discussions/{num}/comment ``{comment}``."""
    repo, text = readable(call), str(call.json().get("comment") or "")
    speaks(call, repo)
    if not text.strip():
        raise bad_request("A comment needs a text")
    return as_json({"newMessage": _add_event(call, repo, "comment", _message(text))})


def rename(call: Call) -> Answer:
    """POST /api/models/{repo}/discussions/{num}/title ``{title}``."""
    repo, title = writable(call), str(call.json().get("title") or "")
    old = _found(call, repo)["title"]
    return as_json({"newTitle": _add_event(call, repo, "title-change", {"from": old, "to": title}, title=title)})


def set_status(call: Call) -> Answer:
    """POST /api/models/{repo}/discussions/{num}/status ``{status: open|closed, comment?}``, by its author or the owner.

    Opening a draft says that it is ready.
    """
    repo, status = writable_at(call, f"refs/pr/{call.params['num']}"), call.json().get("status")
    if status not in {"open", "closed"}:
        raise bad_request('"status" must be "open" or "closed"')
    if _found(call, repo)["status"] == "merged":
        raise bad_request("A merged pull request stays merged")
    return as_json({"newStatus": _add_event(call, repo, "status-change", {"status": status}, status=status)})


def edit_comment(call: Call) -> Answer:
    """POST /api/models/{repo}/discussions/{num}/comment/{id}/edit ``{content}``, by its author or the repo's owner."""
    repo, content = readable(call), str(call.json().get("content") or "")
    user = speaks(call, repo)
    with call.store.transaction():
        found = _found(call, repo)
        event = next((e for e in found["events"] if e["id"] == call.params["id"] and e["type"] == "comment"), None)
        if event is None:
            raise refuse(404, "No such comment")
        if event["author"]["name"] != user:
            writable(call)
        event["data"] = _message(content) | {"edited": True}
        call.store.put_discussion(repo.id, found["num"], found)
    return as_json({"updatedComment": event})


def merge(call: Call) -> Answer:
    """POST /api/models/{repo}/discussions/{num}/merge: one commit on main; 409 where both changed a file."""
    repo = writable(call)
    with call.store.transaction():
        found = _found(call, repo)
        if not found["isPullRequest"] or not _is_open(found):
            raise bad_request("Only an open pull request can be merged")
        files, conflicts = _merged(call, repo, found)
        if conflicts:
            raise refuse(409, f"The pull request has conflicts: {', '.join(sorted(conflicts))}")
        title = f"{found['title']} (#{found['num']})"
        made = call.store.add_commit(repo.id, MAIN, files, signed_in(call), title)
        changes = found["changes"] | {"mergeCommitId": made.oid}
        _add_event(call, repo, "status-change", {"status": "merged"}, status="merged", changes=changes)
    return as_json({"mergeCommitId": made.oid})


def open_pull_request(call: Call, repo: Repo, base: Commit, title: str, text: str, status: str) -> int:
    """Open a pull request that starts at ``base``, and return its number; the caller sets its ref."""
    changes = {"base": MAIN, "from": base.oid}
    return _open(call, repo, title, text, status, {"isPullRequest": True, "changes": changes})


def note_commit(call: Call, repo: Repo, ref: str, commit: Commit) -> None:
    """Record a commit in the pull request that ``ref`` belongs to; other refs have none."""
    num = ref.removeprefix("refs/pr/")
    for found in call.store.discussions(repo.id):
        if num == str(found["num"]) and found["isPullRequest"]:
            found["events"].append(_event(call, "commit", {"subject": commit.title, "oid": commit.oid}))
            call.store.put_discussion(repo.id, found["num"], found)


def _open(call: Call, repo: Repo, title: str, text: str, status: str, more: dict[str, Any]) -> int:
    num = max((row["num"] for row in call.store.discussions(repo.id)), default=0) + 1
    value = {
        "num": num,
        "title": title,
        "status": status,
        "author": {"name": signed_in(call)},
        "createdAt": _now(),
        "repo": {"name": repo.id, "type": "model"},
        "events": [_event(call, "comment", _message(text))],
        **more,
    }
    call.store.put_discussion(repo.id, num, value)
    return num


def _add_event(call: Call, repo: Repo, kind: str, data: dict[str, Any], **changed: object) -> dict[str, Any]:
    with call.store.transaction():
        found = _found(call, repo)
        event = _event(call, kind, data)
        call.store.put_discussion(repo.id, found["num"], found | changed | {"events": [*found["events"], event]})
    return event


def _found(call: Call, repo: Repo) -> dict[str, Any]:
    for found in call.store.discussions(repo.id):
        if str(found["num"]) == call.params["num"]:
            return found
    raise refuse(404, "No such discussion")


def _is_open(found: dict[str, Any]) -> bool:
    return found["status"] in {"open", "draft"}


def _merged(call: Call, repo: Repo, found: dict[str, Any]) -> tuple[dict[str, Entry], set[str]]:
    """Return main's files with the pull request's changes, and the paths that both sides changed differently."""
    base = call.store.commit(repo.id, found["changes"]["from"]).files
    ours = commit_at(call, repo, "main").files
    theirs = commit_at(call, repo, f"refs/pr/{found['num']}").files
    changed = {path for path in base.keys() | theirs.keys() if base.get(path) != theirs.get(path)}
    conflicts = {path for path in changed if ours.get(path) not in (base.get(path), theirs.get(path))}
    kept = {path: entry for path, entry in ours.items() if path not in changed}
    return kept | {path: theirs[path] for path in changed if path in theirs}, conflicts


def _message(text: str) -> dict[str, Any]:
    return {"edited": False, "hidden": False, "latest": {"raw": text}}


def _event(call: Call, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    author = {"name": signed_in(call)}
    return {"id": secrets.token_hex(12), "type": kind, "createdAt": _now(), "author": author, "data": data}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
