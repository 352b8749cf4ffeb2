from __future__ import annotations

from collections.abc import Callable

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import get_session
from signing import sign_in

from engine.devhub import Counts, Server

Api = Callable[[str | None], HfApi]
CARD = b"""---
license: mit
library_name: transformers
pipeline_tag: text-generation
base_model: [org/a, org/b]
base_model_relation: merge
tags: [merge]
---
"""
CONFIG = b'{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}'


@pytest.fixture
def hub(devhub: Server) -> Server:
    """Four models, made in this order, of which one is private; bob/tiny-c was changed last but one."""
    for name, counts in (
        ("alice/Tiny-a", Counts(downloads=5, likes=1, trending=7)),
        ("alice/tiny-b", Counts(downloads=50, likes=1)),
        ("bob/tiny-c", Counts(downloads=7, likes=30)),
        ("bob/other", Counts()),
    ):
        devhub.store.create_repo(name, name.split("/")[0], private=name == "alice/tiny-b")
        devhub.store.set_counts(name, counts)
    devhub.store.commit_files("bob/tiny-c", {"README.md": CARD}, "card")
    devhub.store.commit_files("alice/Tiny-a", {"config.json": CONFIG}, "config")
    return devhub


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["bob/other", "bob/tiny-c", "alice/Tiny-a"]),
        ({"search": "TINY"}, ["bob/tiny-c", "alice/Tiny-a"]),
        ({"search": "iny-A"}, ["alice/Tiny-a"]),
        ({"search": "tiny bob"}, ["bob/tiny-c"]),
        ({"search": "none"}, []),
        ({"author": "bob"}, ["bob/other", "bob/tiny-c"]),
        ({"filter": "merge"}, ["bob/tiny-c"]),
        ({"filter": ["merge", "license:mit", "base_model:merge:org/b"]}, ["bob/tiny-c"]),
        ({"filter": ["merge", "license:apache-2.0"]}, []),
        ({"filter": "text-generation"}, ["bob/tiny-c", "alice/Tiny-a"]),
        ({"pipeline_tag": "text-generation", "author": "alice"}, ["alice/Tiny-a"]),
        ({"gated": True}, []),
        ({"gated": False, "author": "alice"}, ["alice/Tiny-a"]),
        ({"sort": "downloads"}, ["bob/tiny-c", "alice/Tiny-a", "bob/other"]),
        ({"sort": "likes"}, ["bob/tiny-c", "alice/Tiny-a", "bob/other"]),
        ({"sort": "trending_score"}, ["alice/Tiny-a", "bob/other", "bob/tiny-c"]),
        ({"sort": "created_at"}, ["bob/other", "bob/tiny-c", "alice/Tiny-a"]),
        ({"sort": "last_modified"}, ["alice/Tiny-a", "bob/tiny-c", "bob/other"]),
        ({"sort": "downloads", "limit": 2}, ["bob/tiny-c", "alice/Tiny-a"]),
    ],
)
def test_models_are_filtered_and_sorted(
    hub: Server, devhub_api: Api, query: dict[str, object], expected: list[str]
) -> None:
    assert [model.id for model in devhub_api(None).list_models(**query)] == expected
    assert [exchange.route for exchange in hub.log] == ["list-models"]


def test_a_private_model_is_in_its_owners_list_only(hub: Server, devhub_api: Api) -> None:
    def found(token: str | bool) -> list[str]:
        return [model.id for model in devhub_api(None).list_models(search="tiny-b", token=token)]

    assert found(hub.token("alice")) == ["alice/tiny-b"]
    assert found(hub.token("bob")) == []
    assert found(False) == []


def test_what_is_told_of_a_model(hub: Server, devhub_api: Api) -> None:
    model = next(iter(devhub_api(None).list_models(search="tiny-c")))
    assert (model.id, model.author, model.private, model.gated) == ("bob/tiny-c", "bob", False, False)
    assert (model.downloads, model.likes, model.trending_score) == (7, 30, 0)
    assert (model.pipeline_tag, model.library_name) == ("text-generation", "transformers")
    assert model.tags == [
        "transformers", "merge", "text-generation", "base_model:org/a", "base_model:merge:org/a",
        "base_model:org/b", "base_model:merge:org/b", "license:mit",
    ]  # fmt: skip
    assert model.last_modified is not None
    assert (model.siblings, model.card_data) == (None, None)


def test_more_or_less_is_told_where_asked_for(hub: Server, devhub_api: Api) -> None:
    api = devhub_api(None)
    full = next(iter(api.list_models(search="tiny-c", full=True)))
    assert [file.rfilename for file in full.siblings] == [".gitattributes", "README.md"]
    assert full.card_data.license == "mit"
    assert next(iter(api.list_models(search="tiny-a", fetch_config=True))).config == {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
    }
    little = get_session().get(f"{hub.endpoint}/api/models?search=tiny-c&expand=likes&expand=gated&sort=downloads")
    assert little.json() == [
        {"_id": "bob/tiny-c", "id": "bob/tiny-c", "modelId": "bob/tiny-c", "likes": 30, "gated": False}
    ]


def test_a_list_goes_on_where_a_page_ends(hub: Server) -> None:
    url, seen, pages = f"{hub.endpoint}/api/models?limit=2&sort=downloads", [], 0
    while url:
        answer = get_session().get(url)
        seen += [row["id"] for row in answer.json()]
        url, pages = answer.links.get("next", {}).get("url"), pages + 1
    assert (seen, pages) == (["bob/tiny-c", "alice/Tiny-a", "bob/other"], 2)
    assert "Link" not in get_session().get(f"{hub.endpoint}/api/models?limit=3").headers


def test_what_this_hub_cannot_search_by_is_refused(hub: Server, devhub_api: Api) -> None:
    with pytest.raises(HfHubHTTPError, match="the embedded Hub cannot search by apps, num_parameters") as error:
        next(iter(devhub_api(None).list_models(apps="ollama", num_parameters="min:6B")))
    assert error.value.response.status_code == 501
    for query, message in (
        ("sort=name", "sort must be one of createdAt, downloads, lastModified, likes, trendingScore, not name"),
        ("limit=many", "limit must be a number, not many"),
        ("cursor=-1", "cursor must be a number, not -1"),
        ("expand=gguf", "the embedded Hub cannot expand gguf"),
    ):
        answer = get_session().get(f"{hub.endpoint}/api/models?{query}")
        assert (answer.status_code, answer.json()) == (400, {"error": message})


def test_an_apps_list_holds_what_its_scopes_let_it_see(signing_hub: Server) -> None:
    signing_hub.store.create_repo("alice/hidden", "alice", private=True)
    for scopes, expected in (("openid profile", []), ("openid read-repos", ["alice/hidden"])):
        api = HfApi(endpoint=signing_hub.endpoint, token=sign_in(signing_hub.endpoint, "alice", scopes))
        assert [model.id for model in api.list_models()] == expected
