from __future__ import annotations

from collections.abc import Callable

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import BadRequestError, HfHubHTTPError

from engine.devhub import Server

Api = Callable[[str | None], HfApi]


@pytest.fixture
def api(devhub: Server, devhub_api: Api) -> HfApi:
    devhub.store.create_repo("alice/m", "alice")
    return devhub_api("alice")


def propose(api: HfApi, name: str, content: bytes, parent: str | None = None) -> int:
    addition = CommitOperationAdd(name, content)
    info = api.create_commit("alice/m", [addition], commit_message="propose", create_pr=True, parent_commit=parent)
    assert info.pr_num is not None
    return info.pr_num


def test_anybody_may_propose_and_the_owner_merges(devhub: Server, api: HfApi, devhub_api: Api) -> None:
    bob = devhub_api("bob")
    before = devhub.store.resolve("alice/m", "main")
    operations = [CommitOperationAdd("w.safetensors", b"weights"), CommitOperationAdd("a.txt", b"1")]
    info = bob.create_commit(
        "alice/m", operations, commit_message="Add weights", commit_description="Because.", create_pr=True
    )
    assert (info.pr_url, info.pr_revision) == (f"{devhub.endpoint}/alice/m/discussions/1", "refs/pr/1")
    assert devhub.store.resolve("alice/m", "main") == before
    assert bob.model_info("alice/m", revision="refs/pr/1").sha == info.oid
    assert [r.ref for r in bob.list_repo_refs("alice/m", include_pull_requests=True).pull_requests] == ["refs/pr/1"]
    details = bob.get_discussion_details("alice/m", 1)
    assert (details.title, details.author, details.status, details.is_pull_request) == (
        "Add weights", "bob", "open", True,
    )  # fmt: skip
    assert [event.type for event in details.events] == ["comment", "commit"]
    assert (details.events[0].content, details.events[1].oid) == ("Because.", info.oid)
    assert (details.target_branch, details.conflicting_files, details.merge_commit_oid) == (
        "refs/heads/main", [], None,
    )  # fmt: skip
    with pytest.raises(HfHubHTTPError) as error:
        bob.merge_pull_request("alice/m", 1)
    assert error.value.response.status_code == 403
    api.merge_pull_request("alice/m", 1)
    merged = devhub.store.commit("alice/m", devhub.store.resolve("alice/m", "main") or "")
    assert (merged.parent, merged.title, list(merged.files)) == (
        before, "Add weights (#1)", [".gitattributes", "a.txt", "w.safetensors"],
    )  # fmt: skip
    details = api.get_discussion_details("alice/m", 1)
    assert (details.status, details.merge_commit_oid) == ("merged", merged.oid)
    with pytest.raises(BadRequestError, match="Only an open pull request can be merged"):
        api.merge_pull_request("alice/m", 1)


def test_a_merge_keeps_what_happened_on_main_meanwhile(devhub: Server, api: HfApi) -> None:
    num = propose(api, "a.txt", b"theirs")
    devhub.store.commit_files("alice/m", {"b.txt": b"ours"}, "meanwhile")
    api.merge_pull_request("alice/m", num)
    assert sorted(api.list_repo_files("alice/m")) == [".gitattributes", "a.txt", "b.txt"]


def test_a_conflict_is_told_and_not_merged(devhub: Server, api: HfApi) -> None:
    num = propose(api, "a.txt", b"theirs")
    head = devhub.store.commit_files("alice/m", {"a.txt": b"ours"}, "meanwhile")
    assert api.get_discussion_details("alice/m", num).conflicting_files == ["a.txt"]
    with pytest.raises(HfHubHTTPError, match=r"has conflicts: a\.txt") as error:
        api.merge_pull_request("alice/m", num)
    assert error.value.response.status_code == 409
    assert devhub.store.resolve("alice/m", "main") == head


def test_a_pull_request_may_start_from_an_older_commit(devhub: Server, api: HfApi) -> None:
    old = devhub.store.commit_files("alice/m", {"a.txt": b"1"}, "old")
    devhub.store.commit_files("alice/m", {"b.txt": b"2"}, "new")
    num = propose(api, "c.txt", b"3", parent=old)
    assert devhub.store.commit("alice/m", devhub.store.resolve("alice/m", f"refs/pr/{num}") or "").parent == old


def test_a_second_commit_to_a_pull_request(devhub: Server, api: HfApi) -> None:
    num = propose(api, "a.txt", b"1")
    api.upload_file(path_or_fileobj=b"2", path_in_repo="b.txt", repo_id="alice/m", revision=f"refs/pr/{num}")
    assert [e.type for e in api.get_discussion_details("alice/m", num).events] == ["comment", "commit", "commit"]


def test_talking(devhub: Server, api: HfApi, devhub_api: Api) -> None:
    bob = devhub_api("bob")
    opened = bob.create_discussion("alice/m", title=" A question ", description="Why?")
    assert (opened.num, opened.title, opened.status, opened.is_pull_request) == (1, "A question", "open", False)
    said = api.comment_discussion("alice/m", 1, "Because.")
    assert (said.content, said.edited, said.author) == ("Because.", False, "alice")
    edited = api.edit_discussion_comment("alice/m", 1, said.id, "Therefore.")
    assert (edited.content, edited.edited) == ("Therefore.", True)
    with pytest.raises(HfHubHTTPError) as error:
        bob.edit_discussion_comment("alice/m", 1, said.id, "Nonsense.")
    assert error.value.response.status_code == 403
    api.rename_discussion("alice/m", 1, "An answer")
    api.change_discussion_status("alice/m", 1, "closed")
    details = bob.get_discussion_details("alice/m", 1)
    assert (details.title, details.status) == ("An answer", "closed")
    assert [e.type for e in details.events] == ["comment", "comment", "title-change", "status-change"]


def test_a_pull_request_without_a_commit_is_a_draft(devhub: Server, api: HfApi) -> None:
    pull_request = api.create_pull_request("alice/m", title="Later")
    assert (pull_request.status, pull_request.git_reference) == ("draft", "refs/pr/1")
    assert devhub.store.resolve("alice/m", "refs/pr/1") == devhub.store.resolve("alice/m", "main")


def test_lists_come_in_pages_and_can_be_filtered(devhub: Server, api: HfApi, devhub_api: Api) -> None:
    for i in range(12):
        api.create_discussion("alice/m", title=f"Question {i}")
    propose(devhub_api("bob"), "a.txt", b"1")
    assert [d.num for d in api.get_repo_discussions("alice/m")] == list(range(13, 0, -1))
    pulls = api.get_repo_discussions("alice/m", discussion_type="pull_request", author="bob")
    assert [d.num for d in pulls] == [13]
    api.change_discussion_status("alice/m", 3, "closed")
    assert [d.num for d in api.get_repo_discussions("alice/m", discussion_status="closed")] == [3]
    with pytest.raises(HfHubHTTPError) as error:
        api.get_discussion_details("alice/m", 99)
    assert error.value.response.status_code == 404


def test_the_author_of_a_pull_request_may_commit_to_it_and_open_it(devhub: Server, api: HfApi, devhub_api: Api) -> None:
    bob = devhub_api("bob")
    pull = bob.create_pull_request("alice/m", "Add weights")
    assert (pull.num, pull.status, pull.git_reference) == (1, "draft", "refs/pr/1")
    operations = [CommitOperationAdd("w.safetensors", b"weights"), CommitOperationAdd("a.txt", b"1")]
    made = bob.create_commit("alice/m", operations, commit_message="Add them", revision="refs/pr/1")
    assert devhub.store.resolve("alice/m", "refs/pr/1") == made.oid
    assert bob.change_discussion_status("alice/m", 1, "open").new_status == "open"
    assert bob.get_discussion_details("alice/m", 1).status == "open"
    api.merge_pull_request("alice/m", 1)
    assert sorted(api.list_repo_files("alice/m")) == [".gitattributes", "a.txt", "w.safetensors"]


def test_nobody_else_may_commit_to_a_pull_request_but_the_owner(devhub: Server, api: HfApi, devhub_api: Api) -> None:
    bob = devhub_api("bob")
    propose(api, "a.txt", b"hers")
    for revision in ("refs/pr/1", "refs/pr/2", "main", "1"):
        for name in ("b.txt", "b.safetensors"):
            with pytest.raises(HfHubHTTPError) as error:
                bob.create_commit(
                    "alice/m", [CommitOperationAdd(name, b"his")], commit_message="Meddle", revision=revision
                )
            assert error.value.response.status_code == 403
    with pytest.raises(HfHubHTTPError) as error:
        bob.change_discussion_status("alice/m", 1, "closed")
    assert error.value.response.status_code == 403
    num = bob.create_pull_request("alice/m", "Something").num
    api.create_commit("alice/m", [CommitOperationAdd("c", b"c")], commit_message="Help", revision=f"refs/pr/{num}")


def test_a_discussion_that_somebody_opened_gives_no_right_to_write(devhub: Server, api: HfApi, devhub_api: Api) -> None:
    bob = devhub_api("bob")
    num = bob.create_discussion("alice/m", "A question").num
    devhub.store.set_ref("alice/m", f"refs/pr/{num}", devhub.store.resolve("alice/m", "main") or "")
    with pytest.raises(HfHubHTTPError) as error:
        bob.create_commit(
            "alice/m", [CommitOperationAdd("a", b"a")], commit_message="Meddle", revision=f"refs/pr/{num}"
        )
    assert error.value.response.status_code == 403
