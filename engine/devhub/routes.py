"""Every route of the embedded Hub: its name, and which handler answers it. Paths are matched as they are quoted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from engine.devhub import cards, cas, commits, discussions, files, models, openid, page, refs, repos, search, xet_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.devhub.answers import Answer, Call

UNKNOWN = "unknown"
"""The name under which a request that no route takes is logged."""


@dataclass(frozen=True)
class Route:
    """A method and a path pattern: ``{name}`` is one part, ``{path}`` any number, ``{model}`` two.

    ``{repo}`` is one part or two: old repos have no namespace, so a client may ask for one, which is not here.
    On the files' own address only routes with ``on_files`` answer, and those nowhere else. With ``keeps_body``
    the body goes to a file. Without ``takes_token`` the handler reads the Authorization header itself. Those with
    ``xet`` are there only on a Hub that speaks Xet.
    """

    name: str
    method: str
    pattern: str
    handler: Callable[[Call], Answer]
    on_files: bool = False
    keeps_body: bool = False
    takes_token: bool = True
    xet: bool = False

    def match(self, path: str) -> dict[str, str] | None:
        """Return the parts of a quoted path, unquoted; None if this is another route's."""
        found = _expression(self.pattern).fullmatch(path)
        return {name: unquote(value) for name, value in found.groupdict().items()} if found else None


_PARTS = {"{repo}": r"(?P<repo>[^/]+(?:/[^/]+)?)", "{model}": r"(?P<repo>[^/]+/[^/]+)", "{path}": r"(?P<path>.+)"}
_cache: dict[str, re.Pattern[str]] = {}


def _expression(pattern: str) -> re.Pattern[str]:
    if pattern not in _cache:
        pieces = re.split(r"(\{\w+\})", pattern)
        text = "".join(_PARTS.get(p, rf"(?P<{p[1:-1]}>[^/]+)") if p.startswith("{") else re.escape(p) for p in pieces)
        _cache[pattern] = re.compile(text)
    return _cache[pattern]


_M = "/api/models/{repo}"
ROUTES = (
    Route("whoami", "GET", "/api/whoami-v2", repos.whoami),
    Route("validate-yaml", "POST", "/api/validate-yaml", cards.validate),
    Route("create-repo", "POST", "/api/repos/create", repos.create),
    Route("delete-repo", "DELETE", "/api/repos/delete", repos.delete),
    Route("list-models", "GET", "/api/models", search.list_models),
    Route("settings", "PUT", f"{_M}/settings", repos.settings),
    Route("auth-check", "GET", f"{_M}/auth-check", repos.auth_check),
    Route("auth-check-write", "GET", f"{_M}/auth-check/write", repos.auth_check_write),
    Route("grant-access", "POST", f"{_M}/user-access-request/grant", repos.grant),
    Route("refs", "GET", f"{_M}/refs", refs.refs),
    Route("commits", "GET", f"{_M}/commits/{{rev}}", refs.commits),
    Route("create-branch", "POST", f"{_M}/branch/{{rev}}", refs.create_branch),
    Route("delete-branch", "DELETE", f"{_M}/branch/{{rev}}", refs.delete_branch),
    Route("create-tag", "POST", f"{_M}/tag/{{rev}}", refs.create_tag),
    Route("delete-tag", "DELETE", f"{_M}/tag/{{rev}}", refs.delete_tag),
    Route("tree", "GET", f"{_M}/tree/{{rev}}", files.tree),
    Route("tree", "GET", f"{_M}/tree/{{rev}}/{{path}}", files.tree),
    Route("paths-info", "POST", f"{_M}/paths-info/{{rev}}", files.paths_info),
    Route("preupload", "POST", f"{_M}/preupload/{{rev}}", commits.preupload),
    Route("commit", "POST", f"{_M}/commit/{{rev}}", commits.commit),
    Route("lfs-duplicate", "POST", f"{_M}/lfs-files/duplicate", commits.lfs_duplicate),
    Route("list-discussions", "GET", f"{_M}/discussions", discussions.list_discussions),
    Route("create-discussion", "POST", f"{_M}/discussions", discussions.create),
    Route("discussion", "GET", f"{_M}/discussions/{{num}}", discussions.details),
    Route("comment", "POST", f"{_M}/discussions/{{num}}/comment", discussions.comment),
    Route("edit-comment", "POST", f"{_M}/discussions/{{num}}/comment/{{id}}/edit", discussions.edit_comment),
    Route("rename-discussion", "POST", f"{_M}/discussions/{{num}}/title", discussions.rename),
    Route("set-status", "POST", f"{_M}/discussions/{{num}}/status", discussions.set_status),
    Route("merge", "POST", f"{_M}/discussions/{{num}}/merge", discussions.merge),
    Route("model-info", "GET", f"{_M}/revision/{{rev}}", models.model_info),
    Route("model-info", "GET", _M, models.model_info),
    Route("lfs-batch", "POST", "/{repo}.git/info/lfs/objects/batch", commits.lfs_batch),
    Route("lfs-verify", "POST", "/{repo}.git/info/lfs/objects/verify", commits.lfs_verify),
    Route("resolve", "GET", "/{repo}/resolve/{rev}/{path}", files.resolve),
    Route("resolve", "HEAD", "/{repo}/resolve/{rev}/{path}", files.resolve),
    Route("contents", "GET", "/contents/{sha256}", files.contents, on_files=True),
    Route("contents", "HEAD", "/contents/{sha256}", files.contents, on_files=True),
    Route("lfs-put", "PUT", "/uploads/{repo}/{sha256}", commits.lfs_put, on_files=True, keeps_body=True),
    Route("xet-read-token", "GET", f"{_M}/xet-read-token/{{rev}}", xet_tokens.read_token, xet=True),
    Route("xet-write-token", "GET", f"{_M}/xet-write-token/{{rev}}", xet_tokens.write_token, xet=True),
    Route("add-xorb", "POST", "/v1/xorbs/default/{hash}", cas.add_xorb, on_files=True, keeps_body=True, xet=True),
    Route("xorb-grant", "POST", "/v1/xorb-grants/default/{hash}", cas.xorb_grant, on_files=True, xet=True),
    Route("add-shard", "POST", "/v1/shards", cas.add_shard, on_files=True, xet=True),
    Route("reconstruction", "GET", "/v1/reconstructions/{hash}", cas.reconstruction, on_files=True, xet=True),
    Route("chunk", "GET", "/v1/chunks/default/{hash}", cas.chunk, on_files=True, xet=True),
    Route("xorb", "GET", "/xorbs/{hash}", cas.xorb, on_files=True, xet=True),
    Route("openid-configuration", "GET", "/.well-known/openid-configuration", openid.configuration),
    Route("oauth-keys", "GET", "/oauth/jwks", openid.keys),
    Route("authorize", "GET", "/oauth/authorize", openid.authorize),
    Route("decide", "POST", "/oauth/authorize", openid.decide),
    Route("token", "POST", "/oauth/token", openid.token, takes_token=False),
    Route("userinfo", "GET", "/oauth/userinfo", openid.userinfo),
    Route("userinfo", "POST", "/oauth/userinfo", openid.userinfo),
    Route("avatar", "GET", "/avatars/{user}.svg", page.avatar),
    Route("home", "GET", "/", page.home),
    Route("discussion-page", "GET", "/{model}/discussions/{num}", page.discussion_page),
    Route("tree-page", "GET", "/{model}/tree/{rev}", page.repo_page),
    Route("commit-page", "GET", "/{model}/commit/{rev}", page.repo_page),
    Route("repo-page", "GET", "/{model}", page.repo_page),
    Route("profile", "GET", "/{user}", page.profile),
)
"""Tried in this order: what is longer stands before what is shorter."""


def find(method: str, path: str, *, on_files: bool, xet: bool) -> tuple[Route, Mapping[str, str]] | None:
    """Return the route that takes a request, with the path's parts; None if none does."""
    for route in ROUTES:
        if route.method == method and route.on_files == on_files and (xet or not route.xet):
            parts = route.match(path)
            if parts is not None:
                return route, parts
    return None
