"""What is left to do at a target: finishing an interrupted end, and staging branches of other plans."""

from __future__ import annotations

import pytest
from targets import TARGET, expected, held, history, plan_of, send, staging, stop_after

from engine.errors import HubError
from engine.events import Said
from engine.publish.staging import staging_name


def where(server) -> str:
    return f"{server.endpoint}/{TARGET}"


def finished(server) -> Said:
    return Said(f"{where(server)} carries this very plan already: only what an interrupted publish left to do was done")


def test_a_repo_that_could_not_be_made_public_is_by_the_next_run(server):
    server.inject("settings", status=500, times=10)
    with pytest.raises(HubError):
        send(server)
    assert len(staging(server)) == 1
    server.clear_faults()
    events = []
    assert send(server, report=events.append) == where(server)
    assert events[-1] == finished(server)
    assert server.store.repo(TARGET).private is False
    assert staging(server) == []
    assert history(server) == ["Merge merged with mergesmith", "initial commit"]


def test_a_repo_that_is_to_be_private_is_left_so_by_the_next_run(server):
    server.inject("delete-branch", status=500, times=10)
    send(server, private=True)
    server.clear_faults()
    events = []
    send(server, private=True, report=events.append)
    assert events[1:] == [finished(server)]
    assert server.store.repo(TARGET).private is True
    assert staging(server) == []


def test_a_staging_branch_that_cannot_be_removed_is_told_and_the_model_is_there(server, tmp_path):
    server.inject("delete-branch", status=403, times=10)
    events = []
    send(server, report=events.append)
    name = staging_name(plan_of(server))
    assert staging(server) == [name]
    assert events[-2] == Said(
        f"warning: the staging branch {name} is left in {where(server)}: not allowed (403) while removing the branch "
        f"{name} of {TARGET} at {server.endpoint}: injected by a test; use a token that may do this"
    )
    assert held(server) == expected(server, "ties.yaml", tmp_path)


def others(server) -> list[str]:
    """Leave two unfinished publishes of other plans at the target; returns their branches."""
    stop_after(server, 1, max_shard_size=4_000)
    stop_after(server, 1, "linear.yaml")
    return staging(server)


def test_staging_branches_of_other_plans_are_listed_and_kept(server):
    names = others(server)
    assert len(names) == 2
    events = []
    send(server, report=events.append)
    assert events[0] == Said(
        f"{where(server)} keeps what unfinished publishes of other plans, or with another --max-shard-size, left, "
        f"on {', '.join(names)}; "
        "remove it with --clean-staging"
    )
    assert staging(server) == names


def test_staging_branches_of_other_plans_are_removed_on_request_and_no_other_branch(server):
    names = others(server)
    head = server.store.resolve(TARGET, "main")
    for branch in ("dev", "mergesmith"):
        server.store.set_ref(TARGET, f"refs/heads/{branch}", head)
    events = []
    send(server, report=events.append, clean_staging=True)
    assert events[:2] == [Said(f"removed the staging branch {name} of {where(server)}") for name in names]
    branches = [ref for ref in server.store.refs(TARGET) if ref.startswith("refs/heads/")]
    assert branches == ["refs/heads/dev", "refs/heads/main", "refs/heads/mergesmith"]


def test_they_are_removed_where_the_model_is_there_already(server):
    send(server)
    stop_after(server, 1, "linear.yaml")
    send(server, clean_staging=True)
    assert staging(server) == []


def test_what_cannot_be_removed_is_not_said_to_be(server):
    send(server)
    stop_after(server, 1, "linear.yaml")
    name = staging(server)[0]
    server.inject("delete-branch", status=403, times=10)
    events = []
    send(server, report=events.append, clean_staging=True)
    assert [event.text.split(":")[0] for event in events] == [
        "warning",
        where(server).partition(":")[0],
    ]
    assert events[0].text.startswith(f"warning: the staging branch {name} is left in {where(server)}: ")
