"""Each fault at each kind of request that a publish makes: what is said, and that the next run makes up for it."""

from __future__ import annotations

import pytest
from targets import NAMES, TARGET, expected, held, plan_of, send, staging

from engine.errors import HubError
from engine.events import Said
from engine.publish.staging import staging_name

FAULTS = {
    "401": {"status": 401},
    "403": {"status": 403},
    "404": {"status": 404},
    "429": {"status": 429},
    "500": {"status": 500},
    "gone": {"drop": "before"},
    "cut": {"truncate": 1},
}
SAID = {
    "401": ("the token was not accepted (401)", ": injected by a test; set HF_TOKEN to a valid token"),
    "403": ("not allowed (403)", ": injected by a test; use a token that may do this"),
    "404": ("not found (404)", ": injected by a test; check the name, and that the token may see it"),
    "429": ("too many requests (429)", ": injected by a test; wait five minutes and run again"),
    "500": ("the Hub failed (500)", ": injected by a test; run again later"),
    "gone": ("no answer", ": "),
    "cut": ("no answer", ": peer closed connection without sending complete message body (received 1 bytes, expected "),
}
"""How each is told, before and after what was being done."""
NETWORK = "; check the network and HF_ENDPOINT"
"""Where no whole answer came, that is the end; in between stands what the client's HTTP library calls it."""
TO_STAGING = "committing to alice/merged@{branch}"
TO_MAIN = "committing to alice/merged@main"
SENDING = f"uploading {NAMES[0]} to alice/merged"
REQUESTS = {
    ("refs", "*"): "listing the branches of alice/merged",
    ("model-info", "*/alice/merged"): "looking up alice/merged",
    ("whoami", "*"): "asking whose token this is",
    ("create-repo", "*"): "creating alice/merged",
    ("create-branch", "*"): "creating the branch {branch} of alice/merged",
    ("preupload", "*/mergesmith*"): TO_STAGING,
    ("commit", "*/mergesmith*"): TO_STAGING,
    ("lfs-batch", "*"): SENDING,
    ("lfs-put", "*"): SENDING,
    ("lfs-verify", "*"): SENDING,
    ("validate-yaml", "*"): TO_MAIN,
    ("preupload", "*/main"): TO_MAIN,
    ("paths-info", "*"): TO_MAIN,
    ("commit", "*/main"): TO_MAIN,
}
"""Each kind of request, and what it is called in an error."""
UNREAD = (("lfs-put", "*"), ("commit", "*/mergesmith*"), ("commit", "*/main"))
"""Of these answers the status is enough, or what they led to is looked at: cut short, they are no fault."""
QUIET = {"401", "429"}
"""The client keeps to itself what the Hub says to ``whoami`` here."""


def told(server, kind: str, doing: str) -> str:
    """What is said of a fault, or the beginning of that where no whole answer came."""
    before, after = SAID[kind]
    doing = doing.format(branch=staging_name(plan_of(server)))
    if doing == REQUESTS["whoami", "*"] and kind in QUIET:
        after = after.removeprefix(": injected by a test")
    return f"{before} while {doing} at {server.endpoint}{after}"


def message(server, kind: str, route: str, path: str) -> str:
    """Publish while every such request meets a fault, and return what was said."""
    server.inject(route, path=path, times=10_000, **FAULTS[kind])
    with pytest.raises(HubError) as caught:
        send(server)
    server.clear_faults()
    return str(caught.value)


@pytest.mark.parametrize(("route", "path"), REQUESTS, ids=lambda value: value.strip("*/") or "any")
def test_a_fault_that_stays(server, tmp_path, route, path):
    for kind in FAULTS:
        if kind == "cut" and (route, path) in UNREAD:
            continue
        server.store.delete_repo(TARGET)
        if route == "refs":
            server.store.create_repo(TARGET, "alice")
        said, wanted = message(server, kind, route, path), told(server, kind, REQUESTS[route, path])
        assert said.startswith(wanted)
        assert said.removeprefix(wanted) == "" or (kind in {"gone", "cut"} and said.endswith(NETWORK))
        if server.store.repo(TARGET) is not None:
            assert set(held(server)) == {".gitattributes"}
            assert server.store.repo(TARGET).private is (route != "refs")
    send(server)
    assert held(server) == expected(server, "ties.yaml", tmp_path)
    assert staging(server) == []


def test_at_asking_for_the_right_to_write(server):
    server.store.create_repo(TARGET, "alice")
    where = f"{server.endpoint}/{TARGET}"
    for kind in FAULTS:
        said = message(server, kind, "auth-check-write", "*")
        if kind in {"401", "403"}:
            assert said.startswith(f"this token may not write to {where}; use one that may, ")
        else:
            assert said.startswith(told(server, kind, "asking for write access to alice/merged"))


def test_at_making_the_repo_public(server):
    where = f"{server.endpoint}/{TARGET}"
    for kind in FAULTS:
        said = message(server, kind, "settings", "*")
        beginning = f"{where} holds the whole model, but is still private: "
        assert said.startswith(beginning + told(server, kind, "making alice/merged public"))
        assert said.endswith(f"; the same command makes it public, or do so in {where}/settings")


def test_at_removing_the_staging_branch(server):
    where, name = f"{server.endpoint}/{TARGET}", staging_name(plan_of(server))
    for kind, fault in FAULTS.items():
        server.inject("delete-branch", times=10_000, **fault)
        events = []
        send(server, report=events.append)
        server.clear_faults()
        said = f"warning: the staging branch {name} is left in {where}: "
        said += told(server, kind, f"removing the branch {name} of alice/merged")
        assert any(isinstance(event, Said) and event.text.startswith(said) for event in events)
    assert staging(server) == []  # the answer was cut short, not what it answered


@pytest.mark.parametrize(("route", "path"), UNREAD, ids=lambda value: value.strip("*/") or "any")
def test_an_answer_that_is_cut_short_after_the_work_was_done(server, tmp_path, route, path):
    server.inject(route, path=path, times=10_000, truncate=1)
    send(server)
    assert held(server) == expected(server, "ties.yaml", tmp_path)
