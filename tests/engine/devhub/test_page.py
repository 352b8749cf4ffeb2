from __future__ import annotations

from html.parser import HTMLParser

from huggingface_hub.utils import get_session

from engine.devhub import Server

HOSTILE = "<script>alert(1)</script>"


class Elements(HTMLParser):
    """Every element that a browser would make, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_repo_in_a_browser(devhub: Server) -> None:
    devhub.store.create_repo("alice/m", "alice")
    card = f'---\nlicense: mit\n---\n# Hi {HOSTILE} <img src=x onerror="y">'
    name = f'{HOSTILE.replace("/", "")}".txt'
    files = {"README.md": card.encode(), name: b"x", "w.safetensors": b"x" * 1_234_567}
    sha = devhub.store.commit_files("alice/m", files, f"Add {HOSTILE}")
    answer = get_session().get(f"{devhub.endpoint}/alice/m")
    page = Elements(answer.text)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert not {"script", "img"} & set(page.tags)
    for text in (card, name, f"Add {HOSTILE}", "1.23 MB", sha, "public"):
        assert text in page.text
    files_links = [link for link in page.links if "/resolve/" in link]
    assert len(files_links) == 4
    for link in files_links:
        raw = get_session().get(devhub.endpoint + link, follow_redirects=True)
        assert raw.status_code == 200
        assert "html" not in raw.headers["Content-Type"]
    assert get_session().get(f"{devhub.endpoint}/alice/m/commit/{sha}").text == answer.text


def test_a_private_repo_has_no_page_for_nobody(devhub: Server) -> None:
    devhub.store.create_repo("alice/secret", "alice", private=True)
    answer = get_session().get(f"{devhub.endpoint}/alice/secret")
    assert (answer.status_code, answer.json()) == (401, {"error": "Invalid username or password."})
    assert "alice/secret" not in get_session().get(f"{devhub.endpoint}/").text


def test_the_first_page_lists_the_repos(devhub: Server) -> None:
    devhub.store.create_repo("alice/m", "alice")
    page = Elements(get_session().get(f"{devhub.endpoint}/").text)
    assert page.links == ["/alice/m"]


def test_a_discussion_in_a_browser(devhub: Server) -> None:
    devhub.store.create_repo("alice/m", "alice")
    headers = {"Authorization": f"Bearer {devhub.token('bob')}"}
    body = {"title": f"Why {HOSTILE}", "description": f"Text {HOSTILE}"}
    get_session().post(f"{devhub.endpoint}/api/models/alice/m/discussions", json=body, headers=headers)
    page = Elements(get_session().get(f"{devhub.endpoint}/alice/m/discussions/1").text)
    assert "script" not in page.tags
    assert f"Why {HOSTILE} #1" in page.text
    assert f"Text {HOSTILE}" in page.text
    assert get_session().get(f"{devhub.endpoint}/alice/m/discussions/2").status_code == 404
