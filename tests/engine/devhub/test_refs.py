from __future__ import annotations

from collections.abc import Callable

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RevisionNotFoundError

from engine.devhub import Server

Api = Callable[[str | None], HfApi]


@pytest.fixture
def api(devhub: Server, devhub_api: Api) -> HfApi:
    devhub.store.create_repo("alice/m", "alice")
    return devhub_api("alice")


def test_branches_come_and_go(devhub: Server, api: HfApi) -> None:
    first = devhub.store.resolve("alice/m", "main")
    second = devhub.store.commit_files("alice/m", {"a": b"1"}, "a")
    api.create_branch("alice/m", branch="dev")
    api.create_branch("alice/m", branch="mergesmith/stage-1", revision=first)
    branches = {b.name: (b.ref, b.target_commit) for b in api.list_repo_refs("alice/m").branches}
    assert branches == {
        "main": ("refs/heads/main", second),
        "dev": ("refs/heads/dev", second),
        "mergesmith/stage-1": ("refs/heads/mergesmith/stage-1", first),
    }
    with pytest.raises(HfHubHTTPError, match="Reference already exists: refs/heads/dev") as error:
        api.create_branch("alice/m", branch="dev")
    assert error.value.response.status_code == 409
    api.create_branch("alice/m", branch="dev", exist_ok=True)
    assert api.model_info("alice/m", revision="mergesmith/stage-1").sha == first
    api.delete_branch("alice/m", branch="mergesmith/stage-1")
    with pytest.raises(RevisionNotFoundError):
        api.model_info("alice/m", revision="mergesmith/stage-1")
    with pytest.raises(RevisionNotFoundError):
        api.delete_branch("alice/m", branch="mergesmith/stage-1")
    with pytest.raises(BadRequestError, match="main cannot be deleted"):
        api.delete_branch("alice/m", branch="main")


@pytest.mark.parametrize("name", ["refs/pr/5", "refs/foo/bar", "a..b", "a b", "a:b", "/a", "a.lock", "-a"])
def test_a_name_that_no_branch_may_have(api: HfApi, name: str) -> None:
    with pytest.raises(BadRequestError, match="Invalid reference name"):
        api.create_branch("alice/m", branch=name)


def test_branches_start_from_what_is_there(api: HfApi) -> None:
    with pytest.raises(RevisionNotFoundError):
        api.create_branch("alice/m", branch="dev", revision="none")


def test_tags(devhub: Server, api: HfApi, devhub_api: Api) -> None:
    first = devhub.store.resolve("alice/m", "main")
    api.create_tag("alice/m", tag="v1.0", tag_message="first")
    devhub.store.commit_files("alice/m", {"a": b"1"}, "a")
    assert api.model_info("alice/m", revision="v1.0").sha == first
    assert [(t.name, t.ref, t.target_commit) for t in api.list_repo_refs("alice/m").tags] == [
        ("v1.0", "refs/tags/v1.0", first)
    ]
    with pytest.raises(HfHubHTTPError) as error:
        api.create_tag("alice/m", tag="v1.0")
    assert error.value.response.status_code == 409
    with pytest.raises(HfHubHTTPError) as error:
        devhub_api("bob").delete_tag("alice/m", tag="v1.0")
    assert error.value.response.status_code == 403
    api.delete_tag("alice/m", tag="v1.0")
    with pytest.raises(RevisionNotFoundError):
        api.delete_tag("alice/m", tag="v1.0")


def test_history_comes_in_pages_the_newest_first(devhub: Server, api: HfApi) -> None:
    oids = [devhub.store.commit_files("alice/m", {"a": bytes([i])}, f"commit {i}") for i in range(60)]
    devhub.clear_log()
    found = api.list_repo_commits("alice/m")
    assert [c.commit_id for c in found[:-1]] == oids[::-1]
    assert (found[0].title, found[0].authors, found[-1].title) == ("commit 59", ["alice"], "initial commit")
    assert len(devhub.log) == 2
    assert [c.commit_id for c in api.list_repo_commits("alice/m", revision=oids[1])][:2] == [oids[1], oids[0]]
