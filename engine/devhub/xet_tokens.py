"""Who may use the Xet storage, and for which repo: tokens that the Hub gives out and the storage checks.

Source: the Xet protocol specification, "Authentication and Authorization".
"""

from __future__ import annotations

import hmac
import re
import time
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, unquote

from engine.devhub.access import commit_at, open_to, with_files
from engine.devhub.answers import Answer, as_json, refuse
from engine.devhub.signed import LIFETIME, signature

if TYPE_CHECKING:
    from engine.devhub.answers import Call
    from engine.devhub.schema import Commit, Entry, Repo

    Scope = Literal["read", "write"]


_TOKEN = re.compile(
    r"(?i:bearer) (?P<text>xet_(?P<scope>read|write)\.(?P<repo>[^/~]+)\.(?P<expires>\d+))~(?P<proof>[0-9a-f]{64})"
)


def read_token(call: Call) -> Answer:
    """GET /api/models/{repo}/xet-read-token/{rev}: a token for those who may take the repo's files."""
    repo = with_files(call)
    commit_at(call, repo)
    return _answer(call, repo, "read")


def write_token(call: Call) -> Answer:
    """GET /api/models/{repo}/xet-write-token/{rev}[?create_pr=1]: a token for those who may commit there."""
    to_pr = call.one("create_pr") == "1"
    repo = open_to(call, None if to_pr else call.params["rev"])
    if not to_pr:
        commit_at(call, repo)
    return _answer(call, repo, "write")


def xet_headers(call: Call, repo: Repo, commit: Commit, entry: Entry) -> dict[str, str]:
    """Return what tells a client that it may fetch a file through Xet; {} for one that did not come so."""
    name = call.xet.name(entry.sha256) if call.xet else None
    if name is None:
        return {}
    address = f"{call.base}/api/models/{quote(repo.id)}/xet-read-token/{commit.oid}"
    return {"X-Xet-Hash": name, "Link": f'<{address}>; rel="xet-auth"'}


def new_token(secret: bytes, scope: Scope, repo: str, expires: int) -> str:
    """Return a token for a repo's files, good until ``expires`` (seconds since 1970)."""
    text = f"xet_{scope}.{quote(repo, safe='')}.{expires}"
    return f"{text}~{signature(secret, text)}"


def check_token(call: Call, scope: Scope) -> str:
    """Return the repo that a request's token is for. Raises ``Refusal`` 401 for none, 403 for a lesser scope."""
    found = _TOKEN.fullmatch(call.headers.get("authorization", ""))
    if found is None or not hmac.compare_digest(found["proof"], signature(call.secret, found["text"])):
        raise refuse(401, "A Xet token is needed here: the Hub gives them out at xet-read-token and xet-write-token")
    if int(found["expires"]) <= time.time():
        raise refuse(401, "This Xet token has expired")
    if found["scope"] not in {scope, "write"}:
        raise refuse(403, f"This Xet token is for {found['scope']}, not for {scope}")
    return unquote(found["repo"])


def _answer(call: Call, repo: Repo, scope: Scope) -> Answer:
    expires = int(time.time()) + LIFETIME
    token = new_token(call.secret, scope, repo.id, expires)
    # The client's Rust half reads the body, its Python half the headers.
    headers = {
        "X-Xet-Cas-Url": call.files_base,
        "X-Xet-Access-Token": token,
        "X-Xet-Token-Expiration": str(expires),
    }
    return as_json({"casUrl": call.files_base, "accessToken": token, "exp": expires}, headers=headers)
