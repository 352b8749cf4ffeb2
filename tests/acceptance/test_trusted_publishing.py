"""Publishing without a secret, as a workflow does: its tokens expire on the way, and another account reads parents."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from targets import TARGET, expected, held, seed_parents, staging, write_recipes
from trusting import REQUEST_TOKEN, issuing

from engine.devhub import Publisher, serve

USERS = {"alice": "hf_alice_token", "bob": "hf_bob_token"}
RUN = "from engine.cli import main; main()"
COMMAND = ["publish", "ties.yaml", "--repo", TARGET, "--max-shard-size", "8000", "--threads", "1"]
SEE = (
    "; see that the target's settings name this workflow as a trusted publisher, and that its job has `permissions: "
    "id-token: write`; or unset HF_OIDC_RESOURCE, and set HF_TOKEN"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return write_recipes(tmp_path_factory.mktemp("home"))


@pytest.fixture
def issuer():
    with issuing() as running:
        yield running


@pytest.fixture
def server(home, tmp_path, monkeypatch, issuer):
    """A Hub whose trusted publisher gets tokens for two seconds; one parent is gated, and bob has access."""
    publishers = [Publisher(TARGET, issuer.url, issuer.keys, {"repository": "ada-l/recipes"}, lifetime=2)]
    with serve(tmp_path / "devhub", users=USERS, publishers=publishers) as running:
        seed_parents(running, home)
        running.store.create_repo(TARGET, "alice", private=True)
        running.store.set_repo("alice/one", gated="manual")
        running.store.allow("alice/one", "bob")
        (tmp_path / "recipes").mkdir()  # no folder here is named as a model on the Hub is
        (tmp_path / "recipes" / "ties.yaml").write_bytes((home / "ties.yaml").read_bytes())
        monkeypatch.chdir(tmp_path / "recipes")
        yield running


def start(server, tmp_path: Path, *more: str, **variables: str):
    """Start a publish as a job of a workflow; all that it writes to disk lies below ``tmp_path``."""
    for name in ("temporary", "hf"):
        (tmp_path / name).mkdir(exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(tmp_path / "temporary"),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": server.endpoint,
        "HF_HUB_DISABLE_XET": "1",
        "HF_OIDC_RESOURCE": TARGET,
        **variables,
    }
    command = [sys.executable, "-c", RUN, *COMMAND, *more]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **pipes)


def run(server, tmp_path: Path, *more: str, **variables: str) -> tuple[int, str]:
    process = start(server, tmp_path, *more, **variables)
    out, said = process.communicate(timeout=120)
    assert secrets_in(out + said) == set()
    return process.returncode, said


def secrets_in(text: str) -> set[str]:
    """Tokens in a text: the two users', the job's, JSON web tokens, and those that the Hub exchanges for them."""
    known = {token for token in (*USERS.values(), REQUEST_TOKEN) if token in text}
    return known | set(re.findall(r"hf_oauth_[\w-]{8,}|eyJ[\w-]{8,}", text))


def on_disk(*places: Path) -> set[str]:
    """Tokens in the files below some folders."""
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    return {token for path in files for token in secrets_in(path.read_bytes().decode(errors="replace"))}


def published_text(server) -> str:
    """Every small file and message that any commit of the target has."""
    texts = []
    for ref in server.store.refs(TARGET).values():
        for commit in server.store.history(TARGET, ref):
            texts += [commit.title, commit.body, *commit.files]
            texts += [
                server.store.blobs.path(e.sha256).read_bytes().decode(errors="replace") for e in commit.files.values()
            ]
    return "\n".join(texts)


def test_a_token_that_expires_on_the_way_is_renewed(server, issuer, tmp_path):
    # The client sends one token with all requests of an upload: here it has expired when the bytes are there.
    server.inject("lfs-put", delay=2.2)
    wanted = expected(server, "ties.yaml", tmp_path)
    server.clear_log()
    status, said = run(server, tmp_path, "--events", "json", HF_TOKEN=USERS["bob"], **issuer.environment())
    assert (status, said) == (0, "")
    assert held(server) == wanted
    assert staging(server) == []
    verified = [e.status for e in server.log if e.route == "lfs-verify"]
    assert verified == [401, 200, 200]  # the second try finds the bytes there, and need not verify them
    assert on_disk(tmp_path / "temporary", tmp_path / "hf", tmp_path / "recipes") == set()
    assert secrets_in(published_text(server)) == set()


def test_one_reads_and_another_writes(server, issuer, tmp_path):
    server.clear_log()
    assert run(server, tmp_path, "--quiet", HF_TOKEN=USERS["bob"], **issuer.environment()) == (0, "")
    # The last is what the client asks of any Hub first: /api/agent-harnesses.
    anonymous = {"token", "contents", "lfs-put", "validate-yaml", "repo-page"}
    on_hub = [e for e in server.log if e.route not in anonymous]
    of_target = {e.user for e in on_hub if TARGET in e.path}
    of_parents = {e.user for e in on_hub if TARGET not in e.path}
    assert (of_parents, of_target) == ({"bob"}, {"alice"})


def test_without_a_token_to_read_with_the_gated_parent_is_a_finding(server, issuer, tmp_path):
    status, said = run(server, tmp_path, **issuer.environment())
    assert status == 2
    assert said == (
        f"ties.yaml:4:13: alice/one: gated at {server.endpoint}, and this token has no access; ask for access at "
        f"{server.endpoint}/alice/one, and set HF_TOKEN to a token of that account\n"
    )


FAILED = "trusted publishing failed: "
FAILURES = {
    "claims": f"{FAILED}127.0.0.1 answered 403: No trusted publisher of {TARGET} has the claims of this id token{SEE}",
    "runner": f"{FAILED}127.0.0.1 answered 403{SEE}",
    "no id token": (
        "Cannot request an OIDC id token from GitHub Actions. Make sure the workflow job sets `permissions: id-token: "
        "write`. See https://docs.github.com/en/actions/deployment/security-hardening-your-deployments/"
        "about-security-hardening-with-openid-connect"
    ),
    "elsewhere": (
        "HF_OIDC_RESOURCE is set but no OIDC id token is available: not running in a supported CI provider (github) "
        "and HF_OIDC_ID_TOKEN is not set. Set HF_OIDC_ID_TOKEN to the id token minted by your CI provider, or unset "
        "HF_OIDC_RESOURCE"
    ),
    "unlike one": f"{FAILED}the answer has no token in it (KeyError){SEE}",
}


@pytest.mark.parametrize("kind", FAILURES)
def test_an_exchange_that_fails_is_told_and_nothing_is_written(server, issuer, tmp_path, kind):
    variables = issuer.environment()
    if kind == "claims":
        variables["HF_OIDC_ID_TOKEN"] = issuer.id_token(server.endpoint, repository="mallory/recipes")
    elif kind == "runner":
        issuer.status = 403
    elif kind == "no id token":
        variables = {"GITHUB_ACTIONS": "true"}
    elif kind == "elsewhere":
        variables = {}
    else:
        server.inject("token", status=200, times=100)
    status, said = run(server, tmp_path, "--debug", HF_TOKEN=USERS["bob"], **variables)
    assert status == 1
    doing = f"mergesmith: no token while listing the branches of {TARGET} at {server.endpoint}: "
    assert said.endswith(f"{doing}{FAILURES[kind]}\n")
    assert not any(TARGET in e.path for e in server.log)


def test_an_exchange_that_fails_for_a_moment_does_not_matter(server, issuer, tmp_path):
    server.inject("token", status=503, times=2)
    server.inject("token", drop="before")
    assert run(server, tmp_path, "--quiet", HF_TOKEN=USERS["bob"], **issuer.environment()) == (0, "")
    assert staging(server) == []


def test_killed_it_leaves_no_token_and_the_next_run_goes_on(server, issuer, tmp_path):
    server.inject("lfs-put", delay=3, skip=1)
    process = start(server, tmp_path, HF_TOKEN=USERS["bob"], **issuer.environment())
    while sum(e.route == "lfs-put" for e in server.log) < 2 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert secrets_in(said) == set()
    assert list((tmp_path / "temporary").rglob("*.partial"))
    assert on_disk(tmp_path / "temporary", tmp_path / "hf", tmp_path / "recipes") == set()
    assert len(staging(server)) == 1
    status, said = run(server, tmp_path, HF_TOKEN=USERS["bob"], **issuer.environment())
    assert status == 0
    assert "going on with the unfinished publish" in said
    assert staging(server) == []
