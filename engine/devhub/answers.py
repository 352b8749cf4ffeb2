"""Calls and answers as values, and the answers that the Hub's client reads meaning into."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from engine.devhub.grants import Grant, Grants
    from engine.devhub.store import Store
    from engine.devhub.xet.store import Xet


@dataclass(frozen=True)
class Call:
    """One request. ``params`` are the address's parts, unquoted; header names are in lower case.

    ``target`` is the path and the query as they came; ``base`` and ``files_base`` are this Hub's two addresses.
    ``user`` is whom the token belongs to, None without one; ``grant`` what it may do where an app was given it, None
    for a user's own. ``grants`` are the apps' sign-ins; ``xet`` is None where this Hub speaks LFS alone. ``upload``
    holds the body, and ``body`` nothing, where the route takes whole files; the file is the handler's to move, and
    deleted if it is left.
    """

    store: Store
    secret: bytes
    base: str
    files_base: str
    method: str
    target: str
    params: Mapping[str, str]
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    user: str | None
    grants: Grants
    xet: Xet | None = None
    grant: Grant | None = None
    body: bytes = b""
    upload: Upload | None = None

    def one(self, name: str, default: str = "") -> str:
        """Return a query parameter, the first if there are several."""
        return self.query.get(name, [default])[0]

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object. Raises ``Refusal`` 400 if it is none."""
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise bad_request(f"the body is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise bad_request("the body is not a JSON object")
        return value


@dataclass(frozen=True)
class Upload:
    """A body that was written to a file while it came."""

    file: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class Slice:
    """``size`` bytes of a file, from ``begin`` on."""

    file: Path
    begin: int
    size: int


@dataclass(frozen=True)
class Answer:
    """A response, before it meets the wire."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Slice = b""

    @property
    def size(self) -> int:
        """Bytes in the body."""
        return self.body.size if isinstance(self.body, Slice) else len(self.body)


class Refusal(Exception):  # noqa: N818
    """An answer that ends the call."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def as_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with JSON."""
    body = json.dumps(value).encode()
    return Answer(status, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, body)


def refuse(status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None) -> Refusal:
    """Refuse as the Hub does: the message in the body and in X-Error-Message, ``code`` in X-Error-Code."""
    told = {"X-Error-Message": message.encode("ascii", "replace").decode().replace("\n", " ")}
    if code:
        told["X-Error-Code"] = code
    return Refusal(as_json({"error": message}, status, {**told, **(headers or {})}))


def bad_request(message: str) -> Refusal:
    """Refuse what is malformed."""
    return refuse(400, message)


def repo_missing(call: Call) -> Refusal:
    """Refuse a repo that is absent, or private to others: 404, and 401 where nobody is signed in."""
    if call.user is None:
        return refuse(401, "Invalid username or password.", "RepoNotFound")
    return refuse(404, "Repository not found", "RepoNotFound")


def revision_missing(revision: str) -> Refusal:
    """Refuse a revision that the repo lacks."""
    return refuse(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def entry_missing(path: str, commit: str) -> Refusal:
    """Refuse a path that the commit lacks, and name the commit: the client notes that the file is not there."""
    return refuse(404, f"{path} does not exist", "EntryNotFound", {"X-Repo-Commit": commit})


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the half-open byte range that a Range header asks for; None for the whole file.

    Malformed or several ranges count as none, as RFC 9110 has it. Raises ``Refusal`` 416 for one that
    starts at the end or later.
    """
    match = re.fullmatch(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", header or "")
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    begin = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if begin >= size:
        raise refuse(416, "The requested range is not satisfiable", headers={"Content-Range": f"bytes */{size}"})
    return begin, end


def send_file(call: Call, file: Path, size: int, headers: Mapping[str, str]) -> Answer:
    """Answer with a file or the range of it that is asked for."""
    headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **headers}
    span = parse_range(call.headers.get("range"), size)
    if span is None:
        return Answer(200, headers, Slice(file, 0, size))
    begin, end = span
    headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
    return Answer(206, headers, Slice(file, begin, end - begin))


def next_link(call: Call, path: str, **parameters: str) -> dict[str, str]:
    """Return the Link header that leads to the next page: this query with ``parameters`` set."""
    query = {**call.query, **{name: [value] for name, value in parameters.items()}}
    text = "&".join(f"{quote(name)}={quote(value)}" for name, values in query.items() for value in values)
    return {"Link": f'<{call.base}{path}?{text}>; rel="next"'}
