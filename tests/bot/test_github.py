"""GitHub's API over real HTTP: patience, pages, redirects, and where the token goes."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from bot.failures import SettingsError
from bot.github import GitHub, GitHubError

REPO = "octocat/merges"


@pytest.fixture
def naps() -> list[float]:
    return []


@pytest.fixture
def client(github, naps):
    return GitHub(github.url, REPO, "ghs_t", sleep=naps.append)


def test_asks_for_its_repo_with_its_token(github, client):
    sha = github.commit({"a": "x"})
    assert client.get(f"git/trees/{sha}", recursive=1)["sha"] == sha
    assert github.requests == [("GET", f"/repos/{REPO}/git/trees/{sha}", None)]
    assert github.tokens == {"Bearer ghs_t"}
    assert "ghs_t" not in repr(client)


def test_without_a_token_it_is_nobody(github, naps):
    sha = github.commit({"a": "x"})
    GitHub(github.url, REPO, "", sleep=naps.append).get(f"git/trees/{sha}", recursive=1)
    assert github.tokens == {None}


def test_pages(github, client):
    github.comments[1] = [{"id": i} for i in range(5)]
    github.per_page = 2
    assert [item["id"] for item in client.pages("issues/1/comments")] == [0, 1, 2, 3, 4]
    assert len(github.requests) == 3


def test_what_failed_is_asked_again(github, client, naps):
    sha = github.commit({"a": "x"})
    github.fail("GET", "*", 502, times=3)
    assert client.get(f"git/trees/{sha}", recursive=1)["sha"] == sha
    assert naps == [1.0, 2.0, 4.0]


def test_patience_ends(github, client, naps):
    github.fail("GET", "*", 503, times=9)
    with pytest.raises(GitHubError, match=r"GitHub answered 503: a fault$") as refusal:
        client.get("pulls/1")
    assert (refusal.value.status, refusal.value.reason, naps) == (503, "network", [1.0, 2.0, 4.0, 8.0])


def test_creating_is_tried_again_only_if_it_was_surely_refused(github, client, naps):
    github.comments[1] = []
    github.fail("POST", "*", 502)
    with pytest.raises(GitHubError):
        client.post("issues/1/comments", {"body": "x"})
    assert naps == []
    github.fail("POST", "*", 429, Retry_After="7")
    client.post("issues/1/comments", {"body": "x"})
    assert (naps, len(github.comments[1])) == ([7.0], 1)


def test_a_limit_names_its_end(github, client, naps):
    github.permissions["octocat"] = "write"
    github.fail("GET", "*", 403, X_RateLimit_Remaining="0", X_RateLimit_Reset=str(int(time.time()) + 30))
    client.get("collaborators/octocat/permission")
    assert 29 <= naps[0] <= 31


def test_a_limit_that_ends_too_late_is_told(github, client, naps):
    github.fail("GET", "*", 403, X_RateLimit_Remaining="0", X_RateLimit_Reset=str(int(time.time()) + 3600))
    with pytest.raises(GitHubError):
        client.get("pulls/1")
    assert naps == []


def test_a_limit_without_an_end_waits_longer(github, client, naps):
    github.permissions["octocat"] = "write"
    github.fail("GET", "*", 429, times=2)
    client.get("collaborators/octocat/permission")
    assert naps == [15.0, 30.0]


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "permission"), (403, "permission"), (404, "permission"), (422, "internal")]
)
def test_a_refusal_is_told_at_once(github, client, naps, status, reason):
    github.fail("GET", "*", status)
    with pytest.raises(GitHubError) as refusal:
        client.get("pulls/1")
    assert str(refusal.value) == f"GET {github.url}/repos/{REPO}/pulls/1: GitHub answered {status}: a fault"
    assert (refusal.value.reason, naps) == (reason, [])


def test_nobody_answers(naps):
    client = GitHub("http://127.0.0.1:9", REPO, "", sleep=naps.append)
    with pytest.raises(GitHubError, match=r"no answer from http://127\.0\.0\.1:9/repos") as refusal:
        client.get("pulls/1")
    assert (refusal.value.status, refusal.value.reason, len(naps)) == (0, "network", 4)


@pytest.mark.parametrize("url", ["http://github.example", "file:///etc/passwd", "ftp://127.0.0.1"])
def test_a_token_goes_nowhere_unencrypted(url):
    with pytest.raises(SettingsError, match="expected an https address"):
        GitHub(url, REPO, "ghs_t")


def test_a_redirect_to_another_host_is_not_followed(github):
    """The token would go along."""

    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self):
            where = "/repos/moved" if self.path.endswith("/near") else f"{github.url}/stolen"
            if self.path == "/repos/moved":
                self.send_response(200)
                self.send_header("Content-Length", "1")
                self.end_headers()
                self.wfile.write(b"7")
                return
            self.send_response(301)
            self.send_header("Location", where)
            self.end_headers()

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Redirect)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        client = GitHub(f"http://127.0.0.1:{server.server_address[1]}", REPO, "ghs_t")
        assert client.get("near") == 7
        with pytest.raises(GitHubError, match="GitHub answered 301"):
            client.get("far")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert github.requests == []


def test_paths_are_quoted(github, client):
    with pytest.raises(GitHubError, match="501"):
        client.get("x?y=1#z/../é")
    assert github.requests[0][1] == f"/repos/{REPO}/x?y=1#z/../é"


def test_graphql_is_beside_the_api_of_an_enterprise(github, naps):
    assert GitHub(github.url, REPO, "t").graphql("query")["viewer"]["login"] == "github-actions[bot]"
    with pytest.raises(GitHubError, match=r"POST http://127.0.0.1:\d+/api/graphql: GitHub answered 501"):
        GitHub(f"{github.url}/api/v3", REPO, "t").graphql("query")
