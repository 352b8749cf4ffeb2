"""The page on which somebody signs in to an app. There is no password: this Hub is on one machine, and says so."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine.devhub.grants import SCOPES
from engine.devhub.page import html_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.devhub.answers import Answer
    from engine.devhub.grants import App, Request

_STYLE = """
main { max-width: 26rem; margin: 10vh auto 2rem }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere }
ul { padding-left: 1.25rem }
form { display: grid; gap: .5rem; margin: 1.5rem 0 }
button { font: inherit; font-weight: 600; padding: .65rem 1rem; border-radius: .5rem; cursor: pointer;
  border: 1px solid #1d4ed8; background: #1d4ed8; color: #fff; overflow-wrap: anywhere }
button:hover { background: #1e40af }
button:focus-visible { outline: 3px solid #f59e0b; outline-offset: 2px }
button[value=""] { border-color: #888; background: none; color: inherit; font-weight: 400 }
small { display: block; border-top: 1px solid #8886; padding-top: 1rem }
"""


def page(app: App, request: Request, users: Sequence[str], address: str) -> Answer:
    """Ask who signs in to ``app``, and show what it may do then; the choice is posted to this page's ``address``."""
    site = _site(request.redirect)
    asks = "".join(f"<li>{escape(SCOPES[scope])} <code>{escape(scope)}</code></li>" for scope in request.scopes)
    buttons = "".join(
        f'<button name="user" value="{escape(user)}">Sign in as {escape(user)}</button>' for user in users
    )
    return html_page(
        f"Sign in to {app.name}",
        f"<h1>Sign in to {escape(app.name)}</h1><p>{escape(app.name)} at <code>{escape(site)}</code> asks to:</p>"
        f'<ul>{asks}</ul><form method="post" action="{escape(address)}">{buttons}'
        '<button name="user" value="">Cancel</button></form>'
        "<small>This is a Hub on one machine, for tests and demos. It asks for no password: whoever sees this page "
        "may sign in as anybody.</small>",
        style=_STYLE,
        # A browser holds what a form's answer leads to against this, too.
        forms_to=f"'self' {site}",
    )


def failure(message: str) -> Answer:
    """Tell somebody that an app's request cannot be trusted; they are sent nowhere."""
    text = f"<h1>Nobody can sign in here</h1><p>{escape(message)}</p><p>Look at the app's settings.</p>"
    return html_page("Nobody can sign in here", text, 400, style=_STYLE)


def _site(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
