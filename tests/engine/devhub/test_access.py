from __future__ import annotations

from collections.abc import Callable

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError
from signing import ask, exchange, sign_in

from engine.devhub import Server


def commit(api: HfApi, repo: str, **more: object) -> str:
    return api.create_commit(repo, [CommitOperationAdd("notes.txt", b"n")], commit_message="m", **more).oid


ACTIONS: dict[str, Callable[[HfApi], object]] = {
    "create": lambda api: api.create_repo("alice/new"),
    "see private": lambda api: api.model_info("alice/hidden"),
    "commit": lambda api: commit(api, "alice/open"),
    "upload": lambda api: api.upload_file(path_or_fileobj=b"w", path_in_repo="w.safetensors", repo_id="alice/open"),
    "branch": lambda api: api.create_branch("alice/open", branch="dev"),
    "hide": lambda api: api.update_repo_settings("alice/open", private=True),
    "take gated": lambda api: api.auth_check("bob/gated"),
    "discuss": lambda api: api.create_discussion("bob/open", title="Question"),
    "comment": lambda api: api.comment_discussion("bob/open", 1, comment="c"),
    "propose": lambda api: commit(api, "bob/open", create_pr=True),
    "push to proposal": lambda api: commit(api, "bob/open", revision="refs/pr/2"),
    "delete": lambda api: api.delete_repo("alice/open"),
}


@pytest.fixture
def hub(signing_hub: Server) -> Server:
    """Repos of alice and bob; alice may take bob/gated, and has a pull request, number 2, in bob/open."""
    for repo, kind in (
        ("alice/open", {}),
        ("alice/hidden", {"private": True}),
        ("bob/gated", {"gated": True}),
        ("bob/open", {}),
    ):
        signing_hub.store.create_repo(repo, repo.split("/")[0], **kind)
    signing_hub.store.allow("bob/gated", "alice")
    api = HfApi(endpoint=signing_hub.endpoint, token=signing_hub.token("alice"))
    api.create_discussion("bob/open", title="First")
    api.create_pull_request("bob/open", title="Second")
    return signing_hub


def status(call: Callable[[], object]) -> int:
    """What the Hub answers: 200 unless the client raises."""
    try:
        call()
    except HfHubHTTPError as error:
        return error.response.status_code
    return 200


def refused(action: str) -> int:
    return 404 if action == "see private" else 403


OWNER = {"commit", "upload", "branch", "hide"}


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ("openid profile", set()),
        ("read-repos", {"see private"}),
        ("gated-repos", {"take gated"}),
        ("contribute-repos", {"create"}),
        ("write-repos", {"see private", *OWNER}),
        ("manage-repos", {"see private", "create", "delete", *OWNER}),
        ("write-discussions", {"discuss", "comment", "propose", "push to proposal"}),
    ],
)
def test_what_a_scope_lets_an_app_do(hub: Server, scopes: str, expected: set[str]) -> None:
    api = HfApi(endpoint=hub.endpoint, token=sign_in(hub.endpoint, "alice", scopes))
    answers = {action: status(lambda call=call: call(api)) for action, call in ACTIONS.items()}
    assert answers == {action: 200 if action in expected else refused(action) for action in ACTIONS}


def test_a_users_own_token_may_do_it_all(hub: Server) -> None:
    api = HfApi(endpoint=hub.endpoint, token=hub.token("alice"))
    assert [status(lambda call=call: call(api)) for call in ACTIONS.values()] == [200] * len(ACTIONS)


def test_a_contributing_app_has_every_right_to_what_it_created(hub: Server) -> None:
    at = hub.endpoint
    api = HfApi(endpoint=at, token=sign_in(at, "alice", "openid contribute-repos"))
    api.create_repo("alice/made", private=True)
    assert commit(api, "alice/made") == hub.store.resolve("alice/made", "main")
    assert api.model_info("alice/made").private is True
    api.update_repo_settings("alice/made", private=False)
    api.create_discussion("alice/made", title="Question")
    again = HfApi(endpoint=at, token=sign_in(at, "alice", "contribute-repos"))
    assert again.create_repo("alice/made", exist_ok=True) == f"{at}/alice/made"
    again.delete_repo("alice/made")
    assert hub.store.repo("alice/made") is None


def test_what_one_app_created_is_foreign_to_another(hub: Server) -> None:
    at = hub.endpoint
    HfApi(endpoint=at, token=sign_in(at, "alice", "contribute-repos")).create_repo("alice/made")
    code = ask_as_other(at)
    _, tokens = exchange(
        at, code, client_id="other", client_secret="other-secret", redirect_uri="http://127.0.0.1:7862/back"
    )
    other = HfApi(endpoint=at, token=str(tokens["access_token"]))
    with pytest.raises(HfHubHTTPError, match="You don't have the rights to write to alice/made") as error:
        commit(other, "alice/made")
    assert error.value.response.status_code == 403


def ask_as_other(endpoint: str) -> str:
    redirect = "http://127.0.0.1:7862/back"
    return ask(endpoint, "alice", client_id="other", redirect_uri=redirect, scope="contribute-repos")["code"][0]


@pytest.mark.parametrize(
    ("scopes", "action", "message"),
    [
        (
            "openid",
            "create",
            "This app may not create repos: it was given neither contribute-repos nor manage-repos",
        ),
        ("openid", "commit", "You don't have the rights to write to alice/open"),
        ("write-repos", "delete", "You don't have the rights to delete alice/open"),
        ("read-repos", "discuss", "This app may not take part in discussions of bob/open: it lacks write-discussions"),
        ("read-repos", "take gated", "Access to model bob/gated is restricted and this app was not given gated-repos."),
    ],
)
def test_a_refusal_says_what_is_lacking(hub: Server, scopes: str, action: str, message: str) -> None:
    api = HfApi(endpoint=hub.endpoint, token=sign_in(hub.endpoint, "alice", scopes))
    with pytest.raises(HfHubHTTPError) as error:
        ACTIONS[action](api)
    assert error.value.server_message == message


@pytest.mark.parametrize(
    ("role", "creates", "writes", "sees"),
    [
        ("admin", True, True, True),
        ("write", True, True, True),
        ("contributor", True, False, True),
        ("read", False, False, True),
        (None, False, False, False),
    ],
)
def test_what_an_organisations_members_may_do(
    hub: Server, role: str | None, creates: bool, writes: bool, sees: bool
) -> None:
    hub.store.add_org("acme", {"bob": "admin", **({"alice": role} if role else {})})
    hub.store.create_repo("acme/hidden", "bob", private=True)
    hub.store.create_repo("acme/open", "bob")
    api = HfApi(endpoint=hub.endpoint, token=hub.token("alice"))

    assert status(lambda: api.model_info("acme/hidden")) == (200 if sees else 404)
    assert status(lambda: commit(api, "acme/open")) == (200 if writes else 403)
    assert status(lambda: api.create_repo("acme/new")) == (200 if creates else 403)
    assert not creates or status(lambda: commit(api, "acme/new")) == 200
    orgs = [{"type": "org", "id": "acme", "name": "acme", "fullname": "acme", "roleInOrg": role}] if role else []
    assert api.whoami()["orgs"] == orgs
