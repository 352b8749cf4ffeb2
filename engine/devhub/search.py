"""Searching: the list of models, filtered, sorted, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.devhub.access import commit_at, sees
from engine.devhub.answers import Answer, as_json, bad_request, next_link, refuse
from engine.devhub.models import MORE, PLAIN, described, is_true

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.devhub.answers import Call
    from engine.devhub.schema import Repo

MOST = 1000
"""Models in a page."""
_SORTS = ("createdAt", "downloads", "lastModified", "likes", "trendingScore")
_READ = {"author", "cardData", "config", "cursor", "expand", "filter", "full", "gated", "limit", "pipeline_tag"}
_KNOWN = _READ | {"search", "sort"}


def list_models(call: Call) -> Answer:
    """GET /api/models → the models that the caller may see, the highest first, page by page.

    Every word of ``search`` must be in the id, whatever its case; every ``filter`` must be a tag. ``sort`` is by
    createdAt unless it says something else, ``limit`` is of one page. ``expand`` says what is told of each,
    and ``full``, ``cardData`` and ``config`` that more is. What else the Hub can filter by, this one refuses.
    """
    if unknown := sorted(set(call.query) - _KNOWN):
        raise refuse(501, f"the embedded Hub cannot search by {', '.join(unknown)}")
    sort, begin, size = call.one("sort") or "createdAt", _number(call, "cursor", 0), _number(call, "limit", MOST)
    if sort not in _SORTS:
        raise bad_request(f"sort must be one of {', '.join(_SORTS)}, not {sort}")
    names = _names(call)
    asked = {*names, "tags", "pipeline_tag", "gated", sort}
    found = [(repo, commit_at(call, repo, "main")) for repo in call.store.repos() if _is_named(call, repo)]
    rows = [row for row in (described(call, *pair, asked) for pair in found) if _is_wanted(call, row)]
    rows.sort(key=lambda row: row[sort], reverse=True)  # a stable sort: of equals, the newest stays first
    end = begin + min(size, MOST)
    headers = next_link(call, "/api/models", cursor=str(end)) if end < len(rows) else {}
    told = {"_id", "id", "modelId", *names}
    return as_json([{k: v for k, v in row.items() if k in told} for row in rows[begin:end]], headers=headers)


def _names(call: Call) -> list[str]:
    more = [("siblings", ("full",)), ("cardData", ("full", "cardData")), ("config", ("config",))]
    wanted = [name for name, flags in more if any(is_true(call, flag) for flag in flags)]
    return call.query.get("expand") or [*PLAIN, *MORE, "trendingScore", *wanted]


def _number(call: Call, name: str, default: int) -> int:
    text = call.one(name) or str(default)
    if not text.isdigit():
        raise bad_request(f"{name} must be a number, not {text}")
    return int(text)


def _is_named(call: Call, repo: Repo) -> bool:
    words = call.one("search").lower().split()
    author = call.one("author").lower()
    named = all(word in repo.id.lower() for word in words) and author in {"", repo.namespace.lower()}
    return named and sees(call, repo)


def _is_wanted(call: Call, row: Mapping[str, Any]) -> bool:
    """Tell whether a model has every tag that is asked for, is for the task, and is gated or not as is asked."""
    checks: Mapping[str, Callable[[str], bool]] = {
        "filter": lambda tag: tag in row["tags"],
        "pipeline_tag": lambda task: task == row.get("pipeline_tag"),
        "gated": lambda flag: (flag.lower() in {"1", "true"}) == bool(row["gated"]),
    }
    return all(check(value) for name, check in checks.items() for value in call.query.get(name, []))
