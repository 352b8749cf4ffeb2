"""Routes that give out files and their names: resolve, the signed contents, tree, paths-info."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

from engine.devhub import git
from engine.devhub.access import commit_at, entry_at, readable, with_files
from engine.devhub.answers import Answer, as_json, bad_request, entry_missing, next_link, refuse, send_file
from engine.devhub.models import pointer_sizes
from engine.devhub.signed import check_signed, sign
from engine.devhub.xet_tokens import xet_headers

if TYPE_CHECKING:
    from engine.devhub.answers import Call
    from engine.devhub.schema import Commit, Entry

PAGE = 1000
"""Entries in a page of a tree, and the most paths that may be asked about at once."""
PAGE_EXPANDED = 50


def resolve(call: Call) -> Answer:
    """GET or HEAD /{repo}/resolve/{rev}/{path}: the file, or for LFS a redirect to its signed address."""
    repo = with_files(call)
    commit = commit_at(call, repo)
    entry = entry_at(commit, call.params["path"])
    name = quote(call.params["path"].rsplit("/", 1)[-1])
    headers = {
        "X-Repo-Commit": commit.oid,
        "ETag": f'"{entry.sha256 if entry.lfs else entry.oid}"',
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"inline; filename*=UTF-8''{name}; filename=\"{name}\";",
        # Whatever a repo holds, a browser must not run it as ours.
        "Content-Type": "text/plain; charset=utf-8",
        "X-Content-Type-Options": "nosniff",
    }
    if not entry.lfs:
        return send_file(call, call.store.blobs.path(entry.sha256), entry.size, headers)
    headers |= {"X-Linked-Size": str(entry.size), "X-Linked-Etag": f'"{entry.sha256}"'}
    headers |= xet_headers(call, repo, commit, entry)
    headers["Location"] = call.files_base + sign(call.secret, f"/contents/{entry.sha256}")
    return Answer(302, headers, f"Found. Redirecting to {headers['Location']}".encode())


def contents(call: Call) -> Answer:
    """GET or HEAD /contents/{sha256} on the files' own address, signed; takes no token."""
    check_signed(call)
    file = call.store.blobs.path(call.params["sha256"])
    if not file.is_file():
        raise refuse(404, "No such content")
    return send_file(call, file, file.stat().st_size, {"ETag": f'"{call.params["sha256"]}"'})


def tree(call: Call) -> Answer:
    """GET /api/models/{repo}/tree/{rev}[/{path}]?recursive&expand&limit&cursor → files and folders, paged."""
    repo = readable(call)
    commit = commit_at(call, repo)
    folder = call.params.get("path", "").strip("/")
    expand = _is_true(call.one("expand"))
    entries = _below(commit, folder, recursive=_is_true(call.one("recursive")))
    if folder and not entries:
        raise entry_missing(folder, commit.oid)
    most = PAGE_EXPANDED if expand else PAGE
    begin, end = int(call.one("cursor", "0")), int(call.one("cursor", "0")) + int(call.one("limit") or most)
    paths = sorted(entries)
    path = f"/api/models/{repo.id}/tree/{quote(call.params['rev'], safe='')}{'/' if folder else ''}{quote(folder)}"
    headers = next_link(call, path, cursor=str(end)) if end < len(paths) else {}
    rows = [_row(call, commit, path, entries[path], expand=expand) for path in paths[begin:end]]
    return as_json(rows, headers=headers)


def paths_info(call: Call) -> Answer:
    """POST /api/models/{repo}/paths-info/{rev} ``paths, expand`` as a form or as JSON → those that exist."""
    repo = readable(call)
    commit = commit_at(call, repo)
    if call.headers.get("content-type", "").startswith("application/json"):
        body = call.json()
        paths, expand = body.get("paths", []), bool(body.get("expand"))
    else:
        form = parse_qs(call.body.decode())
        paths, expand = form.get("paths", []), _is_true(form.get("expand", [""])[0])
    if len(paths) > PAGE:
        raise refuse(413, "too many parameters")
    if not all(isinstance(path, str) for path in paths):
        raise bad_request('"paths" must be a list of strings')
    entries: dict[str, Entry | None] = {**_below(commit, "", recursive=True), **commit.files}
    rows = [_row(call, commit, path, entries[path], expand=expand, copied=True) for path in paths if path in entries]
    return as_json(rows)


def _is_true(text: str) -> bool:
    return text.lower() in {"1", "true"}


def _below(commit: Commit, folder: str, *, recursive: bool) -> dict[str, Entry | None]:
    """Return what lies in a folder, with all its folders (None) if ``recursive``."""
    prefix = f"{folder}/" if folder else ""
    found: dict[str, Entry | None] = {}
    for path, entry in commit.files.items():
        if not path.startswith(prefix):
            continue
        parts = path[len(prefix) :].split("/")
        for depth in range(1, len(parts) if recursive else min(2, len(parts))):
            found[prefix + "/".join(parts[:depth])] = None
        if recursive or len(parts) == 1:
            found[path] = entry
    return found


def _row(
    call: Call, commit: Commit, path: str, entry: Entry | None, *, expand: bool, copied: bool = False
) -> dict[str, Any]:
    if entry is None:
        row: dict[str, Any] = {"type": "directory", "oid": git.tree_hashes(commit.files)[path], "size": 0, "path": path}
    else:
        row = {"type": "file", "oid": entry.oid, "size": entry.size, "path": path}
        if entry.lfs:
            row["lfs"] = {"oid": entry.sha256, **pointer_sizes(entry)}
            # The client copies a file to another repo only where it has a Xet hash, and hands that back
            # unread. One that did not come through Xet has one only here: elsewhere the client would take it
            # for an invitation to download by it.
            name = call.xet.name(entry.sha256) if call.xet else None
            row |= {"xetHash": name or entry.sha256} if name or copied else {}
    if expand:
        row["lastCommit"] = _last_commit(call, commit, path)
        row["securityFileStatus"] = {"status": "unscanned", "avScan": None, "pickleImportScan": None}
    return row


def _last_commit(call: Call, commit: Commit, path: str) -> dict[str, str]:
    """Return the commit that last changed a path: the oldest from here back with the same content."""
    last = commit
    for older in call.store.history(call.params["repo"], commit.oid):
        if _content(older, path) != _content(commit, path):
            break
        last = older
    return {"id": last.oid, "title": last.title, "date": last.date}


def _content(commit: Commit, path: str) -> list[tuple[str, str]]:
    return [(name, e.oid) for name, e in commit.files.items() if name == path or name.startswith(f"{path}/")]
