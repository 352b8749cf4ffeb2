"""Routes that write: preupload, the LFS transfer, and the commit."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from engine.devhub import discussions
from engine.devhub.access import commit_at, entry_at, open_to, owns, readable, signed_in
from engine.devhub.answers import Answer, as_json, bad_request, refuse, revision_missing
from engine.devhub.blobs import LARGE, wants_lfs
from engine.devhub.cards import problems
from engine.devhub.signed import check_signed, sign

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.devhub.answers import Call
    from engine.devhub.schema import Commit, Entry, Repo


def preupload(call: Call) -> Answer:
    """POST /api/models/{repo}/preupload/{rev} ``{files: [{path, size, sample}]}`` → how each is to be sent.

    ``oid`` is the hash that the file has now (git's, or its content's for LFS), so that an unchanged one is skipped.
    """
    repo = open_to(call, None if call.one("create_pr") else call.params["rev"])
    commit = commit_at(call, repo)
    rows = []
    for file in call.json().get("files", []):
        entry = commit.files.get(file["path"])
        oid = None if entry is None else entry.sha256 if entry.lfs else entry.oid
        mode = "lfs" if wants_lfs(file["path"], file["size"]) else "regular"
        rows.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
    return as_json({"files": rows, "commitOid": commit.oid})


def lfs_batch(call: Call) -> Answer:
    """POST /{repo}.git/info/lfs/objects/batch: the git-lfs batch API, uploads by the basic transfer.

    A request for a ref needs the right to write there; without one (for a new pull request), to read.
    """
    body = call.json()
    repo = open_to(call, str(body["ref"]["name"]) if "ref" in body else None)
    if body.get("operation") != "upload" or "basic" not in body.get("transfers", ["basic"]):
        raise refuse(501, "the embedded Hub takes LFS uploads by the basic transfer only")
    if body.get("hash_algo", "sha256") != "sha256":
        raise refuse(409, "hash_algo must be sha256")
    objects = [_batch_row(call, repo, row["oid"], row["size"]) for row in body["objects"]]
    return as_json({"transfer": "basic", "objects": objects})


def _batch_row(call: Call, repo: Repo, oid: str, size: int) -> dict[str, Any]:
    row = {"oid": oid, "size": size}
    if call.store.has_large(repo.id, oid):
        return row  # no actions: it is here already
    path = f"/uploads/{quote(repo.id)}/{oid}"
    actions = {
        "upload": {"href": call.files_base + sign(call.secret, path, f"size={size}"), "header": {}},
        "verify": {"href": f"{call.base}/{quote(repo.id)}.git/info/lfs/objects/verify", "header": {}},
    }
    return row | {"authenticated": True, "actions": actions}


def lfs_put(call: Call) -> Answer:
    """PUT /uploads/{repo}/{sha256}?size on the files' own address, signed; takes no token."""
    check_signed(call)
    upload, sha256 = call.upload, call.params["sha256"]
    if upload is None or upload.sha256 != sha256 or str(upload.size) != call.one("size"):
        raise bad_request(f"what was sent is not the {call.one('size')} bytes with the SHA-256 {sha256}")
    call.store.blobs.keep(sha256, upload.file)
    call.store.link(call.params["repo"], sha256)
    return Answer(200, {"ETag": f'"{sha256}"'})


def lfs_verify(call: Call) -> Answer:
    """POST /{repo}.git/info/lfs/objects/verify ``{oid, size}``: has the object arrived in this repo?"""
    repo, body = readable(call), call.json()
    signed_in(call)
    sha256 = str(body.get("oid"))
    if not call.store.has_large(repo.id, sha256) or call.store.blobs.path(sha256).stat().st_size != body.get("size"):
        raise refuse(404, "No such object")
    return as_json({})


def lfs_duplicate(call: Call) -> Answer:
    """POST /api/models/{repo}/lfs-files/duplicate ``{target: {type, name}, files: [{sha256, …}]}``.

    Lets the target repo name the source's LFS objects, for those whom the source lets read them.
    """
    source, body = readable(call), call.json()
    target = call.store.repo(str(body["target"]["name"]))
    signed_in(call)
    if target is None or not owns(call, target):
        raise refuse(403, "You don't have the rights to write to the target")
    failed = []
    for file in body["files"]:
        if call.store.has_large(source.id, file["sha256"]):
            call.store.link(target.id, file["sha256"])
        else:
            failed.append({"sha256": file["sha256"], "error": "no such LFS file"})
    return as_json({"failed": failed})


def commit(call: Call) -> Answer:
    """POST /api/models/{repo}/commit/{rev}[?create_pr=1]: ndjson, a header and then one line for each change.

    ``parentCommit`` (or its first 7 digits or more) must be where the branch is, else 412; with ``create_pr``
    the pull request starts from there instead. All of it happens, or nothing.
    """
    to_pr = call.one("create_pr") == "1"
    repo, user = open_to(call, None if to_pr else call.params["rev"]), signed_in(call)
    header, *changes = _lines(call.body)
    with call.store.transaction():
        head = commit_at(call, repo)
        ref = _branch(call, repo)
        base = _base(call, repo, head, header.get("parentCommit"), to_pr=to_pr)
        files = _changed(call, repo, base, changes)
        title, body = str(header.get("summary") or ""), str(header.get("description") or "")
        if not title:
            raise bad_request("a commit needs a summary")
        pull_request = None
        if to_pr:
            pull_request = discussions.open_pull_request(call, repo, base, title, body, "open")
            ref = f"refs/pr/{pull_request}"
        made = call.store.add_commit(repo.id, ref, files, user, title, body, parent=base.oid)
        discussions.note_commit(call, repo, ref, made)
    answer = {"success": True, "commitOid": made.oid, "commitUrl": f"{call.base}/{repo.id}/commit/{made.oid}"}
    if pull_request:
        answer["pullRequestUrl"] = f"{call.base}/{repo.id}/discussions/{pull_request}"
    return as_json(answer | {"hookOutput": ""})


def _lines(body: bytes) -> list[dict[str, Any]]:
    try:
        lines = [json.loads(line) for line in body.splitlines() if line.strip()]
    except ValueError as error:
        raise bad_request(f"the body is not ndjson: {error}") from error
    keys = [line.get("key") for line in lines]
    if keys[:1] != ["header"] or "header" in keys[1:]:
        raise bad_request("a commit starts with one header")
    return [lines[0]["value"], *lines[1:]]


def _branch(call: Call, repo: Repo) -> str:
    revision = call.params["rev"]
    for ref in (revision, f"refs/heads/{revision}"):
        if ref.startswith(("refs/heads/", "refs/pr/")) and call.store.ref(repo.id, ref):
            return ref
    raise bad_request(f"{revision} is not a branch: commit to a branch or to refs/pr/N")


def _base(call: Call, repo: Repo, head: Commit, parent: str | None, *, to_pr: bool) -> Commit:
    if parent is None or (len(parent) >= 7 and head.oid.startswith(parent)):
        return head
    if not to_pr:
        raise refuse(412, "A commit has happened since. Please refresh and try again.")
    for older in call.store.history(repo.id, head.oid):
        if len(parent) >= 7 and older.oid.startswith(parent):
            return older
    raise revision_missing(parent)


def _changed(call: Call, repo: Repo, base: Commit, changes: list[dict[str, Any]]) -> Mapping[str, Entry]:
    files = dict(base.files)
    for change in changes:
        value = change.get("value") or {}
        path = _checked_path(value.get("path"))
        match change.get("key"):
            case "file":
                files[path] = _regular(call, path, value)
            case "lfsFile":
                files[path] = _large(call, repo, value)
            case "copyFile":
                source = commit_at(call, repo, value.get("srcRevision") or base.oid)
                files[path] = entry_at(source, str(value.get("srcPath")))
            case "deletedFile" | "deletedFolder" as key:
                for name in _deleted(files, path, is_folder=key == "deletedFolder"):
                    del files[name]
            case key:
                raise refuse(501, f"the embedded Hub knows no change {key}")
    for parent in {parent for name in files for parent in _parents(name)} & files.keys():
        raise bad_request(f"{parent} cannot be a file and a folder")
    return files


def _deleted(files: Mapping[str, Entry], path: str, *, is_folder: bool) -> list[str]:
    found = [name for name in files if (name.startswith(f"{path}/") if is_folder else name == path)]
    if not found:
        kind = "folder" if is_folder else "file"
        raise refuse(404, f"A {kind} with this name doesn't exist: {path}", "EntryNotFound")
    return found


def _parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))


def _checked_path(path: object) -> str:
    if not isinstance(path, str) or "\\" in path or "\0" in path:
        raise bad_request(f"Invalid path: {path!r}")
    path = path.rstrip("/")
    if any(part in {"", ".", "..", ".git"} for part in path.split("/")):
        raise bad_request(f"Invalid path: {path!r}")
    return path


def _regular(call: Call, path: str, value: Mapping[str, Any]) -> Entry:
    if value.get("encoding") != "base64":
        raise bad_request("content must be encoded as base64")
    try:
        content = base64.b64decode(value["content"], validate=True)
    except (binascii.Error, KeyError, TypeError) as error:
        raise bad_request(f"{path}: content is not base64") from error
    if len(content) > LARGE:
        raise bad_request(f"{path} is larger than 10 MB: upload it as an LFS file")
    if path == "README.md" and (errors := problems(content.decode("utf-8", "replace"))[0]):
        raise bad_request("Invalid metadata in README.md: " + "; ".join(errors))
    return call.store.blobs.regular_entry(call.store.blobs.add(content))


def _large(call: Call, repo: Repo, value: Mapping[str, Any]) -> Entry:
    sha256 = str(value.get("oid"))
    if value.get("algo") != "sha256" or not call.store.has_large(repo.id, sha256):
        raise bad_request(f"an LFS pointer pointed to a file that does not exist: {value.get('path')} {sha256}")
    entry = call.store.blobs.large_entry(sha256)
    if value.get("size", entry.size) != entry.size:
        raise bad_request(f"{value.get('path')} has {entry.size} bytes, not {value['size']}")
    return entry
