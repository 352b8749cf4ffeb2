"""``--create-pr``: the model as a pull request, from a staging branch or, without write access, from its own draft."""

from __future__ import annotations

import pytest
from huggingface_hub import HfApi
from targets import (
    LINEAR,
    NAMES,
    TARGET,
    entries,
    expected,
    held,
    history,
    plan_of,
    resume,
    send,
    staging,
    stop_after,
)

from engine.errors import HubError
from engine.events import Published, Said, ShardUploaded
from engine.hub_client import Moved
from engine.publish.staging import staging_name

PR = "refs/pr/1"


def title(server) -> str:
    return f"Merge merged with mergesmith ({staging_name(plan_of(server)).removeprefix('mergesmith/')})"


def pulls(server) -> list[tuple[str, str, str]]:
    rows = server.store.discussions(TARGET)
    return [(row["title"], row["status"], row["author"]["name"]) for row in rows]


def address(server, num: int = 1) -> str:
    return f"{server.endpoint}/{TARGET}/discussions/{num}"


def api(server) -> HfApi:
    return HfApi(endpoint=server.endpoint, token=server.token("alice"))


@pytest.fixture
def target(server):
    """A target of alice's with an earlier model."""
    send(server, "linear.yaml")
    return server


def propose(server, user: str = "bob", **more) -> str:
    return send(server, user=user, create_pr=True, **more)


def test_with_write_access_the_last_commit_is_a_pull_request(target, tmp_path):
    before = held(target)
    events = []
    assert propose(target, "alice", report=events.append) == address(target)
    assert pulls(target) == [(title(target), "open", "alice")]
    assert held(target) == before
    assert held(target, PR) == expected(target, "ties.yaml", tmp_path)
    assert history(target, PR)[:2] == [title(target), history(target)[0]]
    assert staging(target) == []
    nbytes = sum(e.size for name, e in entries(target, PR).items() if name != ".gitattributes")
    assert events[-1] == Published(address(target), len(held(target, PR)) - 1, nbytes)
    api(target).merge_pull_request(TARGET, 1)
    assert held(target) == held(target, PR)


def test_without_write_access_the_draft_is_the_staging_place(target, tmp_path):
    before = held(target)
    seen = []

    def look(event):
        if isinstance(event, ShardUploaded):
            shards = {name for name in NAMES if held(target, PR)[name] != before[name]}
            seen.append((pulls(target)[0][1], sorted(shards)))

    assert propose(target, report=look) == address(target)
    assert seen == [("draft", NAMES[: count + 1]) for count in range(3)]
    assert pulls(target) == [(title(target), "open", "bob")]
    assert held(target) == before
    assert held(target, PR) == expected(target, "ties.yaml", tmp_path)
    assert history(target, PR)[:3] == ["Merge merged with mergesmith", f"Stage {NAMES[2]}", f"Stage {NAMES[1]}"]
    assert staging(target) == []
    api(target).merge_pull_request(TARGET, 1)
    assert held(target) == held(target, PR)


def test_a_draft_is_gone_on_with(target, tmp_path):
    stop_after(target, 2, user="bob", create_pr=True)
    assert pulls(target) == [(title(target), "draft", "bob")]
    assert resume(target, user="bob", create_pr=True) == (NAMES[2:], NAMES[:2])
    assert pulls(target) == [(title(target), "open", "bob")]
    assert held(target, PR) == expected(target, "ties.yaml", tmp_path)


def test_a_staging_branch_of_those_who_may_write_is_left_to_them(target, tmp_path):
    stop_after(target, 2)
    before = staging(target)
    assert resume(target, user="bob", create_pr=True) == (NAMES, [])
    assert held(target, PR) == expected(target, "ties.yaml", tmp_path)
    assert staging(target) == before


def test_a_draft_keeps_the_commits_that_it_began_with(target, tmp_path):
    undisturbed = expected(target, "ties.yaml", tmp_path)
    stop_after(target, 2, user="bob", create_pr=True)
    target.store.commit_files("alice/one", {"generation_config.json": b"{}"}, "Change something that is pinned")
    events = []
    propose(target, report=events.append)
    assert events[0].text.startswith("going on with the unfinished publish of this recipe at ")
    assert held(target, PR) == undisturbed


def test_somebody_elses_pull_request_is_never_trusted(target, tmp_path):
    stop_after(target, 2, user="bob", create_pr=True)
    target.store.add_user("carol", "hf_carol_token")
    # The embedded Hub reads its users when it starts, so carol's run is bob's here and the draft is made hers.
    (row,) = target.store.discussions(TARGET)
    target.store.put_discussion(TARGET, 1, row | {"author": {"name": "carol"}})
    assert resume(target, user="bob", create_pr=True) == (NAMES, [])
    assert pulls(target) == [(title(target), "open", "bob"), (title(target), "draft", "carol")]
    assert held(target, "refs/pr/2") == expected(target, "ties.yaml", tmp_path)


@pytest.mark.parametrize("user", ["alice", "bob"])
def test_the_same_proposal_again_does_nothing(target, user):
    propose(target, user)
    target.clear_log()
    events = []
    assert propose(target, user, report=events.append) == address(target)
    assert events == [Said(f"{address(target)} carries this very plan already: nothing to do")]
    assert not {"commit", "preupload", "lfs-batch", "create-branch"} & {e.route for e in target.log}
    assert len(pulls(target)) == 1


def test_a_closed_proposal_is_made_again(target):
    propose(target)
    api(target).change_discussion_status(TARGET, 1, "closed")
    assert propose(target) == address(target, 2)


def test_a_draft_that_is_whole_is_opened(target):
    target.inject("set-status", status=500, times=10)
    with pytest.raises(
        HubError, match=r"^the Hub failed \(500\) while opening the pull request 1 of alice/merged for "
    ):
        propose(target)
    assert pulls(target) == [(title(target), "draft", "bob")]
    target.clear_faults()
    assert propose(target) == address(target)
    assert pulls(target) == [(title(target), "open", "bob")]


def test_a_proposal_whose_answer_is_lost_is_found_by_the_next_run(target):
    target.inject("commit", path="*/main", drop="after")
    with pytest.raises(HubError, match=r"^no answer while committing to alice/merged@main at "):
        propose(target, "alice")
    assert len(staging(target)) == 1
    assert propose(target, "alice") == address(target)
    assert len(pulls(target)) == 1
    assert staging(target) == []


def test_who_writes_to_the_draft_meanwhile_stops_it(target):
    def meddle(event):
        if isinstance(event, ShardUploaded) and event.file == NAMES[2]:
            target.store.add_commit(TARGET, PR, entries(target, PR), "alice", "Meddle")

    with pytest.raises(Moved) as caught:
        propose(target, report=meddle)
    assert str(caught.value) == (
        f"somebody else committed to {address(target)} meanwhile; look at what changed, then run again"
    )
    propose(target)
    assert pulls(target) == [(title(target), "open", "bob")]


def test_a_new_repo_is_proposed_to_as_well(server, tmp_path):
    assert propose(server, "alice") == address(server)
    assert set(held(server)) == {".gitattributes"}
    assert held(server, PR) == expected(server, "ties.yaml", tmp_path)
    assert server.store.repo(TARGET).private is False


def test_a_published_plan_is_not_proposed(target):
    send(target)
    assert propose(target) == f"{target.endpoint}/{TARGET}"
    assert pulls(target) == []


def test_files_that_only_main_has_by_now_are_no_error(target, tmp_path):
    """Main was replaced by a model of more files after the draft began."""
    stop_after(target, 1, user="bob", create_pr=True)
    (tmp_path / "wide.yaml").write_text(LINEAR + "dtype: float32\n")
    send(target, str(tmp_path / "wide.yaml"))
    assert NAMES[0] not in held(target)
    assert resume(target, user="bob", create_pr=True) == (NAMES[1:], NAMES[:1])
    assert held(target, PR) == expected(target, "ties.yaml", tmp_path)
