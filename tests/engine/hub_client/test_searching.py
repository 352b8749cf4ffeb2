from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.devhub import Counts, Server
from engine.errors import HubError
from engine.hub_client import Found, Hub
from engine.hub_client.searching import namespaces_of, parents_in

CAUSAL = b'{"architectures": ["LlamaForCausalLM"]}'
WEIGHTS = (2).to_bytes(8, "little") + b"{}"


def seed(server: Server, repo: str, files: dict[str, bytes], counts: Counts | None = None, **kind: bool) -> None:
    server.store.create_repo(repo, repo.partition("/")[0], **kind)
    server.store.commit_files(repo, files, "files")
    server.store.set_counts(repo, counts or Counts())


def merge(*parents: str, relation: str | None = "merge") -> dict[str, bytes]:
    told = f"base_model_relation: {relation}\n" if relation else ""
    return {"README.md": f"---\ntags: [merge]\nbase_model: [{', '.join(parents)}]\n{told}---\n".encode()}


@pytest.fixture
def hub_of(devhub: Server) -> Callable[[str | None], Hub]:
    return lambda user: Hub(endpoint=devhub.endpoint, token=devhub.token(user) if user else False)


@pytest.fixture
def models(devhub: Server) -> None:
    weights, config = {"model.safetensors": WEIGHTS}, {"config.json": CAUSAL}
    seed(devhub, "alice/tiny-a", weights | config, Counts(downloads=3, likes=4))
    seed(devhub, "alice/tiny-b", weights | config, Counts(downloads=9), private=True)
    seed(devhub, "bob/TINY-c", weights, Counts(downloads=70, likes=1), gated=True)
    seed(devhub, "bob/tiny-pickled", config, Counts(downloads=99))
    seed(devhub, "bob/other", weights | config, Counts(downloads=5))


@pytest.mark.usefixtures("models")
def test_models_are_found_by_their_names(devhub: Server, hub_of: Callable[[str | None], Hub]) -> None:
    assert hub_of("bob").search(" tiny ") == (
        Found("bob/TINY-c", 70, 1, private=False, gated=True),
        Found("alice/tiny-a", 3, 4, private=False, gated=False),
    )
    assert [found.repo for found in hub_of("alice").search("tiny")] == ["bob/TINY-c", "alice/tiny-b", "alice/tiny-a"]
    assert hub_of("alice").search("Tiny-B") == (Found("alice/tiny-b", 9, 0, private=True, gated=False),)
    assert [found.repo for found in hub_of(None).search("tiny", limit=1)] == ["bob/TINY-c"]
    assert hub_of(None).search("none") == ()
    assert {exchange.route for exchange in devhub.log} == {"list-models"}
    assert len(devhub.log) == 5


@pytest.mark.usefixtures("models")
def test_for_no_text_it_is_what_generates_text(hub_of: Callable[[str | None], Hub]) -> None:
    assert [found.repo for found in hub_of(None).search("")] == ["bob/other", "alice/tiny-a"]


def test_what_people_merge(devhub: Server, hub_of: Callable[[str | None], Hub]) -> None:
    seed(devhub, "alice/one", merge("org/b", "org/a"), Counts(trending=9))
    seed(devhub, "alice/two", merge("org/c", "org/b"), Counts(trending=1))
    seed(devhub, "bob/three", merge("org/d", "org/c", relation=None), Counts(trending=5))
    seed(devhub, "bob/plain", {"README.md": b"---\nbase_model: org/e\n---\n"})
    seed(devhub, "bob/small", merge("bob/three", relation="quantized"))
    seed(devhub, "bob/hidden", merge("org/f"), private=True)
    devhub.clear_log()
    assert hub_of(None).parents_of_merges(10) == ("org/b", "org/c", "org/a", "org/d")
    assert hub_of(None).parents_of_merges(2) == ("org/b", "org/c")
    assert [exchange.route for exchange in devhub.log] == ["list-models"] * 2


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], ()),
        (["merge", "license:mit"], ()),
        (["base_model:a/b", "base_model:merge:a/b", "base_model:c/d", "base_model:merge:c/d"], ("a/b", "c/d")),
        (["base_model:a/b", "base_model:c/d", "base_model:a/b"], ("a/b", "c/d")),
        (["base_model:a/b", "base_model:finetune:a/b"], ()),
        (["base_model:quantized:a/b", "base_model:a/b", "base_model:merge:c/d"], ("c/d",)),
    ],
)
def test_the_parents_that_tags_name(tags: list[str], expected: tuple[str, ...]) -> None:
    assert parents_in(tags) == expected


def test_where_an_account_may_make_repos(devhub: Server, hub_of: Callable[[str | None], Hub]) -> None:
    for org, role in (("acme", "write"), ("club", "read"), ("guild", "contributor"), ("inc", "admin")):
        devhub.store.add_org(org, {"alice": role})
    hub = hub_of("alice")
    assert hub.namespaces() == ("alice", "acme", "guild", "inc")
    assert hub.namespaces() == ("alice", "acme", "guild", "inc")
    assert hub.whoami() == "alice"
    assert [exchange.route for exchange in devhub.log] == ["whoami"]
    assert hub_of("bob").namespaces() == ("bob",)


def test_an_organisation_that_tells_no_role_may_be_one_of_them() -> None:
    account = {
        "name": "alice",
        "orgs": [{"name": "acme"}, {"name": "lab", "roleInOrg": None}, {"name": "club", "roleInOrg": "read"}],
    }
    assert namespaces_of(account) == ("alice", "acme", "lab")
    assert namespaces_of({"name": "alice"}) == ("alice",)


def test_nobody_has_no_account(devhub: Server, hub_of: Callable[[str | None], Hub]) -> None:
    for ask in (hub_of(None).namespaces, hub_of(None).whoami):
        with pytest.raises(HubError) as error:
            ask()
        assert str(error.value) == f"no token while asking whose token this is at {devhub.endpoint}; set HF_TOKEN"
    assert devhub.log == ()


def test_nobody_stays_nobody_where_the_machine_has_a_token(
    devhub: Server, hub_of: Callable[[str | None], Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", devhub.token("alice"))
    seed(devhub, "alice/m", {"config.json": b"{}"})
    hub = hub_of(None)
    hub.search("")
    hub.read_file("alice/m", hub.model("alice/m", None).commit, "config.json")
    assert [(exchange.route, exchange.user) for exchange in devhub.log] == [
        ("list-models", None),
        ("model-info", None),
        ("resolve", None),
    ]


def test_a_search_that_fails(devhub: Server, hub_of: Callable[[str | None], Hub]) -> None:
    devhub.inject("list-models", status=403, times=2)
    with pytest.raises(HubError) as error:
        hub_of(None).search("tiny")
    assert str(error.value) == (
        f"not allowed (403) while searching for tiny at {devhub.endpoint}: injected by a test;"
        " use a token that may do this"
    )
    with pytest.raises(HubError, match=r"^not allowed \(403\) while looking at recent merges at "):
        hub_of(None).parents_of_merges(3)
