"""Pages for people: a repo in a browser. Whatever comes from a repo is shown as text, never as HTML."""

from __future__ import annotations

import hashlib
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from engine.devhub.access import commit_at, readable, sees
from engine.devhub.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.devhub.answers import Call

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 1rem; border: 1px solid #8886; border-radius: .5rem }
table { border-collapse: collapse; width: 100% }
td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8883; overflow-wrap: anywhere }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
_SHOWN = 50
"""Commits on a page."""


def home(call: Call) -> Answer:
    """GET /: the repos that the caller may see."""
    return html_page("Embedded Hub", f"<h1>Embedded Hub</h1>{_repos(call)}")


def profile(call: Call) -> Answer:
    """GET /{user}: the user's or organisation's repos that the caller may see."""
    name = call.params["user"]
    if name not in call.store.users() and not call.store.members(name):
        return html_page("Not found", "<h1>No such user</h1>", 404)
    return html_page(name, f'<h1>{escape(name)}</h1>{_repos(call, name)}<p><a href="/">all repos</a></p>')


def avatar(call: Call) -> Answer:
    """GET /avatars/{user}.svg: the name's first letter on a colour of its own."""
    name = call.params["user"]
    hue = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 360
    letter = (
        f'<text x="32" y="43" text-anchor="middle" font-family="sans-serif" font-size="32">{escape(name[0])}</text>'
    )
    square = f'<rect width="64" height="64" fill="hsl({hue} 60% 75%)"/>'
    text = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">{square}{letter}</svg>'
    return Answer(200, {"Content-Type": "image/svg+xml", "Content-Security-Policy": _POLICY}, text.encode())


def repo_page(call: Call) -> Answer:
    """GET /{repo}, /{repo}/tree/{rev} and /{repo}/commit/{rev}: the card's text, the files and the history."""
    repo = readable(call)
    commit = commit_at(call, repo)
    readme = commit.files.get("README.md")
    card = call.store.blobs.path(readme.sha256).read_text("utf-8", "replace") if readme else "No model card."
    here = f"/{quote(repo.id)}"
    files = [
        [f'<a href="{here}/resolve/{commit.oid}/{quote(name)}">{escape(name)}</a>', _size(entry.size)]
        for name, entry in commit.files.items()
    ]
    history = [
        [f'<a href="{here}/commit/{c.oid}"><code>{c.oid[:7]}</code></a>', escape(c.title), escape(c.date[:16])]
        for c in call.store.history(repo.id, commit.oid)[:_SHOWN]
    ]
    state = ", ".join(["private" if repo.private else "public", *(["gated"] if repo.gated else [])])
    return html_page(
        repo.id,
        f'<h1>{escape(repo.id)}</h1><p>{state}, at <code>{commit.oid}</code> · <a href="/">all repos</a></p>'
        f"<pre>{escape(card)}</pre><h2>Files</h2>{_table(files)}<h2>History</h2>{_table(history)}",
    )


def discussion_page(call: Call) -> Answer:
    """GET /{repo}/discussions/{num}: a discussion or a pull request, as text."""
    repo = readable(call)
    found = [row for row in call.store.discussions(repo.id) if str(row["num"]) == call.params["num"]]
    if not found:
        return html_page("Not found", "<h1>No such discussion</h1>", 404)
    title = f"{found[0]['title']} #{found[0]['num']}"
    texts = [
        f"<pre>{escape(event['data']['latest']['raw'])}</pre>"
        if event["type"] == "comment"
        else f"<p>{escape(event['type'])}: <code>{escape(', '.join(map(str, event['data'].values())))}</code></p>"
        for event in found[0]["events"]
    ]
    back = f'<p>{escape(found[0]["status"])} in <a href="/{quote(repo.id)}">{escape(repo.id)}</a></p>'
    return html_page(title, f"<h1>{escape(title)}</h1>{back}{''.join(texts)}")


def html_page(title: str, content: str, status: int = 200, *, style: str = "", forms_to: str = "'none'") -> Answer:
    """Return a page around ``content``, which is HTML already; its forms may lead to ``forms_to`` only."""
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
    view = '<meta name="viewport" content="width=device-width">'
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": f"{_POLICY}; form-action {forms_to}",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    body = f"{head}{view}<style>{_STYLE}{style}</style><main>{content}</main></html>"
    return Answer(status, headers, body.encode())


def _repos(call: Call, namespace: str | None = None) -> str:
    seen = [repo for repo in call.store.repos() if sees(call, repo) and namespace in {None, repo.namespace}]
    return _table([f'<a href="/{quote(repo.id)}">{escape(repo.id)}</a>', escape(repo.created[:10])] for repo in seen)


def _table(rows: Iterable[list[str]]) -> str:
    """Return a table of cells that are HTML already."""
    cells = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
