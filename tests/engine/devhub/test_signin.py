from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from huggingface_hub.utils import get_session
from signing import CALLBACK, authorize_address

from engine import devhub as embedded
from engine.devhub import App, Server

HOSTILE = "<script>alert(1)</script>\"'"


class Form(HTMLParser):
    """What a browser makes of the page: its elements, its form, the buttons with their texts, and all its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, dict[str, str | None]] = {}
        self.buttons: list[list[str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes[tag] = dict(attrs)
        if tag == "button":
            self.buttons.append([dict(attrs)["name"], dict(attrs)["value"], ""])

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.tags and self.tags[-1] == "button" and self.buttons and self.buttons[-1][2] == "":
            self.buttons[-1][2] = data


def test_the_page_says_who_asks_for_what_and_who_may_sign_in(signing_hub: Server) -> None:
    address = authorize_address(signing_hub.endpoint, scope="openid profile contribute-repos")
    answer = get_session().get(address)
    page = Form(answer.text)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.attributes["html"] == {"lang": "en"}
    assert "<title>Sign in to Merger</title>" in answer.text
    assert "Merger at http://127.0.0.1:7861 asks to:" in page.text
    items = re.findall("<li>(.*?)</li>", answer.text)
    assert items == [
        "Know who you are <code>openid</code>",
        "See your name and your picture <code>profile</code>",
        "Create repos, and change those that it created <code>contribute-repos</code>",
    ]
    assert page.buttons == [
        ["user", "alice", "Sign in as alice"],
        ["user", "bob", "Sign in as bob"],
        ["user", "", "Cancel"],
    ]
    assert page.attributes["form"] == {"method": "post", "action": address.removeprefix(signing_hub.endpoint)}
    assert "It asks for no password: whoever sees this page may sign in as anybody." in page.text


def test_the_page_runs_nothing_and_leads_back_to_the_app_only(signing_hub: Server) -> None:
    headers = get_session().get(authorize_address(signing_hub.endpoint)).headers
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; "
        "form-action 'self' http://127.0.0.1:7861"
    )
    assert headers["Referrer-Policy"] == "no-referrer"


def test_names_are_text(tmp_path: Path) -> None:
    apps = {"x": App(HOSTILE, "secret", (CALLBACK,))}
    with embedded.serve(tmp_path, users={HOSTILE: "hf_x"}, apps=apps) as server:
        address = authorize_address(server.endpoint, client_id="x", state=HOSTILE)
        page = Form(get_session().get(address).text)
        wrong = Form(get_session().get(f"{server.endpoint}/oauth/authorize?client_id={HOSTILE}").text)
    assert "script" not in page.tags + wrong.tags
    assert page.buttons[0] == ["user", HOSTILE, f"Sign in as {HOSTILE}"]
    assert f"This Hub knows no app {HOSTILE}." in wrong.text


def test_a_profile_and_its_picture(signing_hub: Server) -> None:
    at = signing_hub.endpoint
    signing_hub.store.create_repo("alice/m", "alice")
    signing_hub.store.create_repo("bob/n", "bob")
    signing_hub.store.create_repo("alice/hidden", "alice", private=True)
    page = get_session().get(f"{at}/alice")
    assert (page.status_code, re.findall('href="(/[^"]+)"', page.text)) == (200, ["/alice/m"])
    assert "<title>alice</title>" in page.text
    assert get_session().get(f"{at}/nobody").status_code == 404
    picture = get_session().get(f"{at}/avatars/alice.svg")
    assert (picture.status_code, picture.headers["Content-Type"]) == (200, "image/svg+xml")
    assert re.fullmatch(r'<svg xmlns="http://www.w3.org/2000/svg" [^>]+>.*>a</text></svg>', picture.text)
    assert "<script" not in get_session().get(f"{at}/avatars/%3Cscript.svg").text
