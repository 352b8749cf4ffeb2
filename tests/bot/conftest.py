"""A GitHub on loopback that records what it is asked, and a runner that starts the Action as the real one does."""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import families
import pytest

from bot.main import action
from engine.hub_client import Hub

REPO = "octocat/merges"
BOT = "github-actions[bot]"
NOW = "2026-08-01T10:00:00Z"
TOKEN = "ghs_" + "a" * 36


def sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def git_blob(data: bytes) -> str:
    return sha1(b"blob " + str(len(data)).encode() + b"\0" + data)


def user(login: str) -> dict[str, Any]:
    return {"login": login, "type": "Bot" if login.endswith("[bot]") else "User"}


@dataclass
class FakeGitHub:
    """State of one repo, in the shapes that GitHub's REST documentation gives."""

    url: str = ""
    commits: dict[str, dict[str, tuple[str, bytes]]] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    issues: list[dict[str, Any]] = field(default_factory=list)
    permissions: dict[str, str] = field(default_factory=dict)
    renames: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    faults: list[dict[str, Any]] = field(default_factory=list)
    read_only: bool = False
    truncated: bool = False
    per_page: int | None = None

    def commit(self, files: Mapping[str, str | bytes], parent: str | None = None, links: Mapping[str, str] = {}) -> str:
        """Make a commit of whole files; ``links`` are symbolic ones. Returns its hash."""
        tree = {p: ("100644", t if isinstance(t, bytes) else t.encode()) for p, t in files.items()}
        tree |= {path: ("120000", target.encode()) for path, target in links.items()}
        sha = sha1(repr((sorted(tree.items()), parent, len(self.commits))).encode())
        self.commits[sha] = tree
        if parent:
            self.parents[sha] = parent
        return sha

    def files(self, sha: str) -> dict[str, str]:
        """Texts of a commit."""
        return {path: data.decode() for path, (_, data) in self.commits[sha].items()}

    def open_pull(self, head: str, base: str, *, repo: str | None = REPO, ref: str = "change") -> int:
        number = len(self.pulls) + 1
        self.pulls[number] = {
            "number": number,
            "state": "open",
            "merged": False,
            "merged_at": None,
            "merge_commit_sha": None,
            "head": {"sha": head, "ref": ref, "repo": {"full_name": repo} if repo else None},
            "base": {"sha": base, "ref": "main", "repo": {"full_name": REPO}},
        }
        self.comments[number] = []
        return number

    def push_to_pull(self, number: int, head: str) -> None:
        self.pulls[number]["head"]["sha"] = head

    def merge_pull(self, number: int, sha: str) -> None:
        self.pulls[number] |= {"merged": True, "merged_at": NOW, "merge_commit_sha": sha, "state": "closed"}

    def say(self, number: int, login: str, body: str, *, edited: bool = False) -> None:
        """Let somebody comment."""
        ident = 1000 + sum(len(c) for c in self.comments.values())
        updated = "2026-08-02T10:00:00Z" if edited else NOW
        self.comments[number].append(
            {"id": ident, "user": user(login), "body": body, "created_at": NOW, "updated_at": updated}
        )

    def fail(self, method: str, path: str, status: int, times: int = 1, **headers: str) -> None:
        """Let the next requests fail."""
        self.faults.append({"method": method, "path": path, "status": status, "times": times, "headers": headers})

    def writes(self) -> list[tuple[str, str]]:
        return [(m, p) for m, p, _ in self.requests if m != "GET" and not p.endswith("/graphql")]

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        for fault in self.faults:
            if fault["times"] and fault["method"] == method and fnmatchcase(path, fault["path"]):
                fault["times"] -= 1
                return fault["status"], fault
        if method == "POST" and path == "/graphql":
            return 200, {"data": {"viewer": {"login": BOT}}}
        below = path.removeprefix(f"/repos/{REPO}/")
        if method != "GET" and self.read_only:
            return 403, {"message": "Resource not accessible by integration"}
        for pattern, handler in ROUTES:
            found = re.fullmatch(pattern, f"{method} {below}")
            if found:
                try:
                    return handler(self, query, body, *found.groups())
                except KeyError:
                    return 404, {"message": "Not Found"}
        return 501, {"message": f"unknown route {method} {path}"}

    def _tree(self, query, _body, sha):
        rows = [
            {"path": path, "mode": mode, "type": "blob", "sha": git_blob(data), "size": len(data)}
            for path, (mode, data) in self.commits[sha].items()
        ]
        folders = {str(Path(path).parent) for path in self.commits[sha]} - {"."}
        rows += [{"path": path, "mode": "040000", "type": "tree", "sha": "0" * 40} for path in folders]
        assert query["recursive"] == "1"
        return 200, {"sha": sha, "tree": rows, "truncated": self.truncated}

    def _blob(self, _query, _body, sha):
        found = {git_blob(data): data for tree in self.commits.values() for _, data in tree.values()}
        return 200, {"sha": sha, "encoding": "base64", "content": base64.encodebytes(found[sha]).decode()}

    def _contents(self, query, _body, path):
        _, data = self.commits[query["ref"]][path]
        return 200, {"type": "file", "encoding": "base64", "content": base64.encodebytes(data).decode()}

    def _compare(self, _query, _body, base, head):
        line = [base]
        while line[-1] in self.parents:
            line.append(self.parents[line[-1]])
        at = head
        while at not in line:
            at = self.parents[at]
        files = [{"filename": n, "status": "renamed", "previous_filename": o} for n, o in self.renames.items()]
        return 200, {"merge_base_commit": {"sha": at}, "files": files}

    def _pull(self, _query, _body, number):
        return 200, self.pulls[int(number)]

    def _commit_pulls(self, _query, _body, sha):
        return 200, [pull for pull in self.pulls.values() if pull["merge_commit_sha"] == sha]

    def _comments(self, query, _body, number):
        return 200, (self.comments[int(number)], query)

    def _comment(self, _query, body, number):
        self.say(int(number), BOT, body["body"])
        return 201, self.comments[int(number)][-1]

    def _edit_comment(self, _query, body, ident):
        for comment in [c for each in self.comments.values() for c in each if c["id"] == int(ident)]:
            comment["body"] = body["body"]
            return 200, comment
        raise KeyError(ident)

    def _issues(self, query, _body):
        return 200, ([i for i in self.issues if i["user"]["login"] == query["creator"]], query)

    def _new_issue(self, _query, body):
        number = 100 + len(self.issues)
        self.issues.append({"number": number, "state": "open", "user": user(BOT), **body})
        return 201, self.issues[-1]

    def _edit_issue(self, _query, body, number):
        issue = next(issue for issue in self.issues if issue["number"] == int(number))
        issue |= body
        return 200, issue

    def _permission(self, _query, _body, login):
        return 200, {"permission": self.permissions[login]}


ROUTES: list[tuple[str, Callable[..., tuple[int, Any]]]] = [
    (r"GET git/trees/(\w+)", FakeGitHub._tree),
    (r"GET git/blobs/(\w+)", FakeGitHub._blob),
    (r"GET contents/(.+)", FakeGitHub._contents),
    (r"GET compare/(\w+)\.\.\.(\w+)", FakeGitHub._compare),
    (r"GET pulls/(\d+)", FakeGitHub._pull),
    (r"GET commits/(\w+)/pulls", FakeGitHub._commit_pulls),
    (r"GET issues/(\d+)/comments", FakeGitHub._comments),
    (r"POST issues/(\d+)/comments", FakeGitHub._comment),
    (r"PATCH issues/comments/(\d+)", FakeGitHub._edit_comment),
    (r"GET issues", FakeGitHub._issues),
    (r"POST issues", FakeGitHub._new_issue),
    (r"PATCH issues/(\d+)", FakeGitHub._edit_issue),
    (r"GET collaborators/(.+)/permission", FakeGitHub._permission),
]


def handler_for(github: FakeGitHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            path, query = unquote(parts.path), {k: v[0] for k, v in parse_qs(parts.query).items()}
            text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.loads(text) if text else None
            github.requests.append((self.command, path, body))
            github.tokens.add(self.headers.get("Authorization"))
            status, answer = github.answer(self.command, path, query, body)
            headers = {}
            if isinstance(answer, dict) and "times" in answer:
                answer, headers = {"message": "a fault"}, answer["headers"]
            if isinstance(answer, tuple):
                answer, headers = self._page(path, *answer)
            data = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(data)

        def _page(self, path, items, query):
            size, page = github.per_page or int(query["per_page"]), int(query.get("page", 1))
            shown, more = items[(page - 1) * size : page * size], len(items) > page * size
            rest = "&".join(f"{k}={v}" for k, v in query.items() if k != "page")
            link = f'<{github.url}{path}?{rest}&page={page + 1}>; rel="next", <{github.url}>; rel="last"'
            return shown, {"Link": link} if more else {}

        do_GET = do_POST = do_PATCH = _serve  # noqa: N815 - the library's names

        def log_message(self, *_args: object) -> None:
            pass

    return Handler


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    """A repo on a recording GitHub."""
    state = FakeGitHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(state))
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


# Event files: the documented payloads, down to the fields around those that matter.


def repository() -> dict[str, Any]:
    return {"id": 186853002, "name": "merges", "full_name": REPO, "private": False, "default_branch": "main"}


def pull_event(github: FakeGitHub, number: int, what: str) -> dict[str, Any]:
    pull = copy.deepcopy(github.pulls[number]) | {"title": "A recipe", "draft": False, "user": user("octocat")}
    return {
        "action": what,
        "number": number,
        "pull_request": pull,
        "repository": repository(),
        "sender": user("octocat"),
    }


def push_event(sha: str, ref: str = "refs/heads/main", before: str = "0" * 40) -> dict[str, Any]:
    return {
        "ref": ref,
        "before": before,
        "after": sha,
        "created": False,
        "deleted": sha == "0" * 40,
        "forced": False,
        "base_ref": None,
        "compare": f"https://github.com/{REPO}/compare/x",
        "commits": [],
        "head_commit": {"id": sha},
        "pusher": {"name": "octocat"},
        "repository": repository(),
        "sender": user("octocat"),
    }


def manual_event(ref: str = "refs/heads/main") -> dict[str, Any]:
    return {
        "inputs": None,
        "ref": ref,
        "repository": repository(),
        "sender": user("octocat"),
        "workflow": ".github/workflows/merge.yml",
    }


def schedule_event() -> dict[str, Any]:
    return {"schedule": "0 6 * * 1", "repository": repository(), "workflow": ".github/workflows/drift.yml"}


def comment_event(number: int, body: str, login: str, *, on_pull: bool = True, what: str = "created") -> dict[str, Any]:
    issue = {"number": number, "state": "open", "title": "A recipe", "user": user("octocat"), "locked": False}
    if on_pull:
        issue["pull_request"] = {"url": f"https://api.github.com/repos/{REPO}/pulls/{number}"}
    comment = {"id": 492700400, "user": user(login), "body": body, "author_association": "OWNER"}
    return {
        "action": what,
        "issue": issue,
        "comment": comment,
        "repository": repository(),
        "sender": user(login),
    }


def merge_group_event(base: str, head: str, what: str = "checks_requested") -> dict[str, Any]:
    group = {
        "head_sha": head,
        "head_ref": f"refs/heads/gh-readonly-queue/main/pr-1-{base}",
        "base_sha": base,
        "base_ref": "refs/heads/main",
    }
    return {"action": what, "merge_group": group, "repository": repository(), "sender": user("octocat")}


@dataclass(frozen=True)
class Ran:
    """What a run left: exit status, log, summary, outputs."""

    status: int
    log: str
    summary: str
    outputs: dict[str, str]

    @property
    def commands(self) -> list[str]:
        """Annotations, as the runner would take them: none of the text between ``stop-commands``."""
        return [c for c in obeyed(self.log) if c.startswith(("::error", "::warning", "::notice"))]


def obeyed(log: str) -> list[str]:
    """Workflow commands that a runner would obey."""
    found, stopped = [], None
    for line in log.splitlines():
        if stopped is not None:
            stopped = None if line == f"::{stopped}::" else stopped
        elif line.startswith("::stop-commands::"):
            stopped = line.removeprefix("::stop-commands::")
        elif line.lstrip().startswith("::") or "##[" in line:
            found.append(line)
    assert stopped is None
    return found


def read_outputs(text: str) -> dict[str, str]:
    """Read a ``GITHUB_OUTPUT`` file as the runner does."""
    lines, outputs = iter(text.split("\n")), {}
    for line in lines:
        if "<<" in line:
            name, _, delimiter = line.partition("<<")
            value = []
            for inner in lines:
                if inner == delimiter:
                    break
                value.append(inner)
            assert name not in outputs
            outputs[name] = "\n".join(value)
    return outputs


@pytest.fixture
def environment(github: FakeGitHub, devhub, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """What the runner's container gets for an event; keywords are inputs."""

    def make(name: str, payload: Mapping[str, Any], sha: str, ref: str = "refs/heads/main", **inputs: str):
        work = tmp_path / "runner"
        work.mkdir(exist_ok=True)
        (work / "event.json").write_text(json.dumps(payload))
        for file in ("output", "summary"):
            (work / file).write_text("")
        (tmp_path / "workspace").mkdir(exist_ok=True)
        given = {"command": "auto", "github-token": TOKEN, "recipes": "", "private": "false", "comment": "true"}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "HF_ENDPOINT": devhub.endpoint,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": github.url,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": REPO,
            "GITHUB_RUN_ID": "42",
            "GITHUB_EVENT_NAME": name,
            "GITHUB_EVENT_PATH": str(work / "event.json"),
            "GITHUB_OUTPUT": str(work / "output"),
            "GITHUB_STEP_SUMMARY": str(work / "summary"),
            "GITHUB_WORKSPACE": str(tmp_path / "workspace"),
            "GITHUB_REF": ref,
            "GITHUB_SHA": sha,
            "RUNNER_ENVIRONMENT": "github-hosted",
            **{f"INPUT_{name.upper()}": value for name, value in given.items()},
        }

    return make


@pytest.fixture
def act(environment, devhub) -> Callable[..., Ran]:
    """Run the Action for an event, in this process; publishing still starts its own."""

    def run(name: str, payload: Mapping[str, Any], sha: str, ref: str = "refs/heads/main", **inputs: str) -> Ran:
        variables = environment(name, payload, sha, ref, **inputs)
        stream = io.StringIO()
        status = action(variables, lambda token: Hub(endpoint=devhub.endpoint, token=token), stream)
        return collect(status, stream.getvalue(), variables)

    return run


def collect(status: int, log: str, variables: Mapping[str, str]) -> Ran:
    summary = Path(variables["GITHUB_STEP_SUMMARY"]).read_text()
    return Ran(status, log, summary, read_outputs(Path(variables["GITHUB_OUTPUT"]).read_text()))


SHAPE = families.Shape()


@pytest.fixture
def seed(devhub, tmp_path: Path) -> Callable[..., str]:
    """Put a random model on the Hub, or a new state of one; returns its commit."""

    def put(name: str, number: int, **card: Any) -> str:
        private = card.pop("private", False)
        shape = card.pop("shape", SHAPE)
        base = families.random_tensors(shape, 1)
        tensors = base if number == 1 else families.tuned(base, number)
        folder = families.write_model(
            tmp_path / "models" / name / str(number), tensors, families.config_of(shape), **card
        )
        if name not in {repo.id for repo in devhub.store.repos()}:
            devhub.store.create_repo(name, name.split("/", maxsplit=1)[0], private=private)
        return devhub.store.commit_files(name, {p.name: p for p in sorted(folder.iterdir())}, "Upload")

    return put


RECIPE = """\
models:
  - model: bob/base
  - model: bob/tune
merge_method: slerp
base_model: bob/base
parameters:
  t:
    - filter: self_attn
      value: [0, 1]
    - value: 0.5
dtype: bfloat16
publish:
  repo: alice/tiny
  license: apache-2.0
"""


@pytest.fixture
def parents(seed) -> dict[str, str]:
    """The two models that RECIPE names."""
    return {"bob/base": seed("bob/base", 1), "bob/tune": seed("bob/tune", 2)}


@pytest.fixture
def events() -> SimpleNamespace:
    """What makes event payloads."""
    return SimpleNamespace(
        pull=pull_event,
        push=push_event,
        manual=manual_event,
        schedule=schedule_event,
        comment=comment_event,
        merge_group=merge_group_event,
    )


@pytest.fixture
def recipe() -> str:
    """A sound recipe of the two parents."""
    return RECIPE


@pytest.fixture
def runner() -> SimpleNamespace:
    """What reads a step's output as the runner does."""
    return SimpleNamespace(obeyed=obeyed, read_outputs=read_outputs, collect=collect, token=TOKEN, bot=BOT, repo=REPO)
