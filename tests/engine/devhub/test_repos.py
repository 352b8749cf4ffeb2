from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.utils import get_session

from engine.devhub import Server

Api = Callable[[str | None], HfApi]


def status(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return error.value.response.status_code


def test_whoami(devhub_api: Api) -> None:
    assert devhub_api("alice").whoami()["name"] == "alice"
    with pytest.raises(HfHubHTTPError, match="Invalid user token") as error:
        devhub_api(None).whoami(token="hf_wrong")
    assert status(error) == 401


def test_a_token_that_nobody_has_opens_nothing_not_even_what_is_public(devhub: Server, devhub_api: Api) -> None:
    devhub.store.create_repo("alice/open", "alice")
    with pytest.raises(HfHubHTTPError, match="Invalid credentials in Authorization header") as error:
        devhub_api(None).model_info("alice/open", token="hf_wrong")
    assert status(error) == 401
    assert not isinstance(error.value, RepositoryNotFoundError)


def test_create_twice_is_a_conflict_unless_it_may_exist(devhub: Server, devhub_api: Api) -> None:
    api = devhub_api("alice")
    assert api.create_repo("alice/new", private=True) == f"{devhub.endpoint}/alice/new"
    info = api.model_info("alice/new")
    assert (info.private, info.author, [f.rfilename for f in info.siblings]) == (True, "alice", [".gitattributes"])
    with pytest.raises(HfHubHTTPError, match="You already created this model repo") as error:
        api.create_repo("alice/new")
    assert status(error) == 409
    assert api.create_repo("alice/new", private=False, exist_ok=True) == f"{devhub.endpoint}/alice/new"
    assert api.model_info("alice/new").private is True


def test_a_foreign_namespace_is_forbidden(devhub: Server, devhub_api: Api) -> None:
    with pytest.raises(HfHubHTTPError, match='create a model under the namespace "bob"') as error:
        devhub_api("alice").create_repo("bob/new")
    assert status(error) == 403
    assert devhub.store.repo("bob/new") is None


@pytest.mark.parametrize("name", ["bad name", "a--b", "a..b", "x.git", "-x"])
def test_a_name_that_no_repo_may_have(devhub: Server, name: str) -> None:
    headers = {"Authorization": f"Bearer {devhub.token('alice')}"}
    answer = get_session().post(f"{devhub.endpoint}/api/repos/create", json={"name": name}, headers=headers)
    assert (answer.status_code, answer.json()) == (400, {"error": f"Invalid repo name: alice/{name}"})


def test_other_kinds_of_repo_are_not_here(devhub_api: Api) -> None:
    with pytest.raises(HfHubHTTPError, match="holds models only, not a dataset") as error:
        devhub_api("alice").create_repo("alice/data", repo_type="dataset")
    assert status(error) == 501


def test_a_route_that_is_not_here_names_itself(devhub: Server, devhub_api: Api) -> None:
    with pytest.raises(HfHubHTTPError, match=r"the embedded Hub has no route GET /api/models/a/b/likers") as error:
        list(devhub_api("alice").list_repo_likers("a/b"))
    assert status(error) == 501
    assert devhub.log[-1].route == "unknown"


def test_a_private_repo_is_not_found_by_others_and_401_to_nobody(devhub: Server, devhub_api: Api) -> None:
    devhub.store.create_repo("alice/secret", "alice", private=True)
    assert devhub_api("alice").model_info("alice/secret").private is True
    for user, expected in (("bob", 404), (None, 401)):
        with pytest.raises(RepositoryNotFoundError) as error:
            devhub_api(user).model_info("alice/secret")
        assert status(error) == expected
        assert not isinstance(error.value, GatedRepoError)
    assert [m.id for m in devhub_api("alice").list_models()] == ["alice/secret"]
    assert list(devhub_api("bob").list_models()) == []


def test_settings_make_private_and_public_for_the_owner_only(devhub: Server, devhub_api: Api) -> None:
    devhub.store.create_repo("alice/m", "alice")
    devhub_api("alice").update_repo_settings("alice/m", private=True)
    assert devhub.store.repo("alice/m").private is True
    devhub_api("alice").update_repo_settings("alice/m", private=False)
    assert devhub.store.repo("alice/m").private is False
    with pytest.raises(HfHubHTTPError) as error:
        devhub_api("bob").update_repo_settings("alice/m", private=True)
    assert status(error) == 403
    assert devhub.store.repo("alice/m").private is False


def test_a_gated_repo_describes_itself_to_all_and_gives_files_to_those_let_in(devhub: Server, devhub_api: Api) -> None:
    devhub.store.create_repo("alice/gated", "alice")
    devhub.store.commit_files("alice/gated", {"config.json": b"{}"}, "add")
    devhub_api("alice").update_repo_settings("alice/gated", gated="manual")
    assert devhub_api("bob").model_info("alice/gated").gated == "manual"
    with pytest.raises(GatedRepoError, match="you are not in the authorized list") as error:
        devhub_api("bob").hf_hub_download("alice/gated", "config.json")
    assert status(error) == 403
    with pytest.raises(GatedRepoError, match="be authenticated to access it") as error:
        devhub_api(None).auth_check("alice/gated")
    assert status(error) == 401
    devhub_api("alice").grant_access("alice/gated", "bob")
    devhub_api("bob").auth_check("alice/gated")
    assert Path(devhub_api("bob").hf_hub_download("alice/gated", "config.json")).read_bytes() == b"{}"


def test_auth_check_for_writing(devhub: Server, devhub_api: Api) -> None:
    devhub.store.create_repo("team/m", "alice")
    devhub_api("alice").auth_check("team/m", write=True)
    with pytest.raises(HfHubHTTPError, match="rights to write to team/m") as error:
        devhub_api("bob").auth_check("team/m", write=True)
    assert status(error) == 403


def test_delete(devhub: Server, devhub_api: Api) -> None:
    devhub.store.create_repo("alice/m", "alice")
    with pytest.raises(HfHubHTTPError) as error:
        devhub_api("bob").delete_repo("alice/m")
    assert status(error) == 403
    devhub_api("alice").delete_repo("alice/m")
    assert devhub.store.repo("alice/m") is None
    with pytest.raises(RepositoryNotFoundError):
        devhub_api("alice").delete_repo("alice/m")
    devhub.store.create_repo("alice/m", "alice")
    assert len(devhub.store.history("alice/m", devhub.store.resolve("alice/m", "main") or "")) == 1


def test_every_answer_carries_a_request_id(devhub: Server) -> None:
    ids = {get_session().get(f"{devhub.endpoint}/api/models{path}").headers["X-Request-Id"] for path in ("", "/x/y")}
    assert len(ids) == 2
