from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import folders
import pytest
import targets

from engine.devhub import Server
from engine.errors import HubError, RecipeError
from engine.hub_cache import CachedHub, HubCache
from engine.hub_client import FileMissing, Hub, ModelGated, ModelMissing, RevisionMissing
from engine.plan.build import build
from engine.plan.plan import Options, Plan

MiB = 1 << 20
WEIGHTS = bytes(i * i % 251 for i in range(100_000))


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


@pytest.fixture
def cache(now: list[float]) -> HubCache:
    return HubCache(64 * MiB, clock=lambda: now[0])


@pytest.fixture
def open_as(devhub: Server, cache: HubCache) -> Callable[[str | None], CachedHub]:
    """A new client each time, as for each event of a page."""
    return lambda user: CachedHub(
        cache, endpoint=devhub.endpoint, token=devhub.token(user) if user else False, sleep=lambda _seconds: None
    )


@pytest.fixture
def commit(devhub: Server) -> str:
    devhub.store.create_repo("alice/m", "alice")
    return devhub.store.commit_files("alice/m", {"w.safetensors": WEIGHTS, "config.json": b"{}"}, "add")


def asked(server: Server) -> list[tuple[str, str]]:
    """Routes and repos of the requests since the last call."""
    seen = [(e.route, "/".join(e.path.split("/")[-2:])) for e in server.log if e.route != "contents"]
    server.clear_log()
    return seen


def routes(server: Server) -> list[str]:
    return [route for route, _ in asked(server)]


def read(hub: Hub, commit: str, begin: int, size: int) -> bytes:
    out = bytearray(size)
    hub.read("alice/m", commit, "w.safetensors", begin, memoryview(out))
    return bytes(out)


# planning as somebody types


@pytest.fixture
def plan(devhub: Server, open_as: Callable[[str | None], CachedHub], tmp_path: Path) -> Callable[..., Plan]:
    targets.seed_parents(devhub, folders.write_home(tmp_path / "home"))

    def make(text: str = folders.TIES, user: str | None = "alice") -> Plan:
        return build("recipe.yaml", text, lambda: open_as(user), Options(local=False, endpoint=devhub.endpoint))[0]

    return make


MODELS = {("model-info", "alice/base"), ("model-info", "alice/one"), ("model-info", "alice/two")}


def test_a_second_plan_asks_nothing(devhub: Server, plan: Callable[..., Plan]) -> None:
    first = plan()
    assert {entry for entry in asked(devhub) if entry[0] == "model-info"} == MODELS
    assert plan().digest == first.digest
    assert asked(devhub) == []


def test_a_plan_is_what_it_is_without_a_cache(devhub: Server, plan: Callable[..., Plan]) -> None:
    plain = Hub(endpoint=devhub.endpoint, token=devhub.token("alice"))
    options = Options(local=False, endpoint=devhub.endpoint)
    expected = build("recipe.yaml", folders.TIES, lambda: plain, options)[0]
    assert (plan(), plan()) == (expected, expected)


def test_a_keystroke_that_changes_a_weight_asks_nothing(devhub: Server, plan: Callable[..., Plan]) -> None:
    first = plan()
    asked(devhub)
    for weight in ("0.6", "0.65", "0.655"):
        assert plan(folders.TIES.replace("weight: 0.7", f"weight: {weight}")).digest != first.digest
    assert asked(devhub) == []


def test_a_model_more_asks_for_that_one(devhub: Server, plan: Callable[..., Plan]) -> None:
    plan(folders.TIES.replace("  - {model: alice/two, parameters: {weight: 0.5, density: 0.8}}\n", ""))
    asked(devhub)
    plan()
    seen = asked(devhub)
    assert ("model-info", "alice/two") in seen
    assert {repo for route, repo in seen if route == "model-info"} == {"alice/two"}


def test_after_a_minute_the_heads_are_asked_for_again_and_nothing_else(
    devhub: Server, now: list[float], plan: Callable[..., Plan]
) -> None:
    first = plan()
    asked(devhub)
    now[0] += 59.9
    assert plan() == first
    assert asked(devhub) == []
    now[0] += 0.1
    assert plan() == first
    assert set(asked(devhub)) == MODELS


def test_a_parent_that_moved_is_seen_after_a_minute(
    devhub: Server, now: list[float], plan: Callable[..., Plan]
) -> None:
    first = plan()
    moved = devhub.store.commit_files("alice/one", {"notes.txt": b"n"}, "move")
    assert plan().digest == first.digest
    now[0] += 60
    again = plan()
    assert again.digest != first.digest
    assert moved in {pin.commit for pin in again.models}


def test_nobody_is_shown_what_another_token_may_see(devhub: Server, plan: Callable[..., Plan]) -> None:
    devhub.store.set_repo("alice/one", private=True)
    plan()
    asked(devhub)
    for user in ("bob", None):
        with pytest.raises(RecipeError, match="alice/one: no such model at "):
            plan(user=user)
        assert set(asked(devhub)) >= MODELS


# models


def test_a_model_is_remembered_for_a_minute(
    devhub: Server, now: list[float], open_as: Callable[[str | None], CachedHub], commit: str
) -> None:
    assert open_as("alice").model("alice/m", None).commit == commit
    moved = devhub.store.commit_files("alice/m", {"a": b"a"}, "move")
    now[0] += 59
    assert open_as("alice").model("alice/m", None).commit == commit
    assert open_as("alice").model("alice/m", "main").commit == moved
    assert routes(devhub) == ["model-info", "model-info"]
    now[0] += 1
    assert open_as("alice").model("alice/m", None).commit == moved
    assert routes(devhub) == ["model-info"]


@pytest.mark.parametrize(
    ("ask", "error", "text"),
    [
        (lambda hub, _: hub.model("alice/none", None), ModelMissing, "alice/none: no such model at "),
        (lambda hub, _: hub.model("alice/m", "dev"), RevisionMissing, "alice/m: no branch, tag or commit dev at "),
        (lambda hub, at: hub.read_file("alice/m", at, "none"), FileMissing, "not found while reading none of alice/m"),
        (lambda hub, at: hub.read_file("alice/gated", at, "x"), ModelGated, "alice/gated: gated at "),
    ],
)
def test_that_something_is_missing_is_remembered_for_a_quarter_of_a_minute(
    devhub: Server, now: list[float], open_as: Callable[[str | None], CachedHub], commit: str,
    ask: Callable[[Hub, str], object], error: type[Exception], text: str,
) -> None:  # fmt: skip
    devhub.store.create_repo("alice/gated", "alice", gated=True)
    for later, requests in ((0.0, 1), (14.9, 0), (0.1, 1)):
        now[0] += later
        with pytest.raises(error, match=f"^{text}"):
            ask(open_as("bob"), commit)
        assert len(routes(devhub)) == requests


def test_a_model_that_appears(devhub: Server, now: list[float], open_as: Callable[[str | None], CachedHub]) -> None:
    with pytest.raises(ModelMissing):
        open_as("bob").model("alice/new", None)
    made = devhub.store.create_repo("alice/new", "alice")
    now[0] += 15
    assert open_as("bob").model("alice/new", None).commit == made.oid


def test_a_failure_is_not_remembered(devhub: Server, open_as: Callable[[str | None], CachedHub], commit: str) -> None:
    devhub.inject("model-info", status=403)
    devhub.inject("resolve", status=403)
    with pytest.raises(HubError, match=r"^not allowed \(403\)"):
        open_as("alice").model("alice/m", None)
    with pytest.raises(HubError, match=r"^not allowed \(403\)"):
        read(open_as("alice"), commit, 0, 8)
    assert open_as("alice").model("alice/m", None).commit == commit
    assert read(open_as("alice"), commit, 0, 8) == WEIGHTS[:8]


# bytes


def test_bytes_at_a_commit_are_read_once(
    devhub: Server, now: list[float], open_as: Callable[[str | None], CachedHub], commit: str
) -> None:
    for _ in range(2):
        assert read(open_as("alice"), commit, 5, 10) == WEIGHTS[5:15]
        assert read(open_as("alice"), commit, 5, 11) == WEIGHTS[5:16]
        assert read(open_as("alice"), commit, 6, 10) == WEIGHTS[6:16]
        assert open_as("alice").read_file("alice/m", commit, "config.json") == b"{}"
        now[0] += 1_000_000
    assert routes(devhub) == ["resolve"] * 4


def test_the_hash_of_a_small_file_is_made_of_what_was_read(
    devhub: Server, open_as: Callable[[str | None], CachedHub], commit: str
) -> None:
    for _ in range(2):
        hub = open_as("alice")
        model = hub.model("alice/m", commit)
        files = {file.name: file for file in model.files}
        # sha256 of "{}", as sha256sum prints it
        assert hub.sha256(model, files["config.json"]) == (
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        )
    assert routes(devhub) == ["model-info", "resolve"]


def test_bytes_at_a_branch_are_read_each_time(
    devhub: Server, open_as: Callable[[str | None], CachedHub], commit: str
) -> None:
    assert open_as("alice").read_file("alice/m", "main", "config.json") == b"{}"
    devhub.store.commit_files("alice/m", {"config.json": b'{"x": 1}'}, "change")
    assert open_as("alice").read_file("alice/m", "main", "config.json") == b'{"x": 1}'
    devhub.store.commit_files("alice/m", {"w.safetensors": b"new!"}, "change")
    assert read(open_as("alice"), "main", 0, 4) == b"new!"
    devhub.store.commit_files("alice/m", {"w.safetensors": b"newer"}, "change")
    assert read(open_as("alice"), "main", 1, 4) == b"ewer"
    assert read(open_as("alice"), "main", 0, 4) == b"newe"
    assert routes(devhub) == ["resolve"] * 5


def test_what_is_read_belongs_to_the_token_that_read_it(
    devhub: Server, open_as: Callable[[str | None], CachedHub], commit: str
) -> None:
    open_as("alice").read_file("alice/m", commit, "config.json")
    read(open_as("alice"), commit, 0, 8)
    devhub.store.set_repo("alice/m", private=True)
    for user in ("bob", None):
        with pytest.raises(ModelMissing):
            open_as(user).read_file("alice/m", commit, "config.json")
        with pytest.raises(ModelMissing):
            read(open_as(user), commit, 0, 8)
    assert open_as("alice").read_file("alice/m", commit, "config.json") == b"{}"
    assert read(open_as("alice"), commit, 0, 8) == WEIGHTS[:8]
    assert routes(devhub) == ["resolve"] * 6


# searches and accounts


def test_a_search_and_an_account_are_remembered_for_a_minute(
    devhub: Server, now: list[float], open_as: Callable[[str | None], CachedHub], commit: str
) -> None:
    devhub.store.create_repo("alice/m2", "alice")
    devhub.store.commit_files("alice/m2", {"w.safetensors": WEIGHTS}, "add")
    for _ in range(2):
        assert [found.repo for found in open_as("alice").search("m")] == ["alice/m2", "alice/m"]
        assert [found.repo for found in open_as("alice").search("m", limit=1)] == ["alice/m2"]
        assert open_as("alice").namespaces() == ("alice",)
        assert open_as("bob").whoami() == "bob"
    assert sorted(routes(devhub)) == ["list-models", "list-models", "whoami", "whoami"]
    now[0] += 60
    open_as("alice").search("m")
    open_as("alice").whoami()
    assert sorted(routes(devhub)) == ["list-models", "whoami"]


# the cache itself


def test_who_asks_at_the_same_time_waits_for_one_answer(
    devhub: Server, open_as: Callable[[str | None], CachedHub], commit: str
) -> None:
    devhub.inject("resolve", delay=0.5)
    barrier = threading.Barrier(8)

    def ask(number: int) -> bytes:
        barrier.wait()
        return read(open_as("alice"), commit, 0, 10)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [WEIGHTS[:10]] * 8
    assert routes(devhub) == ["resolve"]


def test_who_waits_is_told_of_a_failure_too_and_the_next_asks_again(cache: HubCache) -> None:
    started, go = threading.Event(), threading.Event()
    calls: list[int] = []

    def fail() -> str:
        calls.append(1)
        started.set()
        assert go.wait(30)
        raise HubError("broken")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "key", fail, len, 60.0)
        assert started.wait(30)
        second = pool.submit(cache.get, "key", lambda: pytest.fail("asked twice"), len, 60.0)
        time.sleep(0.2)  # until it waits; were it not to, it would fail by itself
        go.set()
        for waiting in (first, second):
            assert str(waiting.exception(timeout=30)) == "broken"
    assert (cache.get("key", lambda: "fine", len, 60.0), calls) == ("fine", [1])


def test_other_questions_do_not_wait(cache: HubCache) -> None:
    assert cache.get("outer", lambda: cache.get("inner", lambda: "a", len, 60.0) + "b", len, 60.0) == "ab"


def kept(cache: HubCache, *keys: str) -> list[str]:
    """Those keys that are still there, asked for in that order."""
    there = []
    for key in keys:
        with_miss: list[str] = []
        cache.get(key, lambda with_miss=with_miss: with_miss.append("miss") or "", lambda _: 10**9, 60.0)
        there += [] if with_miss else [key]
    return there


def put(cache: HubCache, key: str, cost: int) -> None:
    cache.get(key, lambda: key, lambda _: cost, 60.0)


def test_what_was_used_last_stays(now: list[float]) -> None:
    # Each costs 600 bytes more than it says: 1000 each, so that three fit.
    cache = HubCache(3000, clock=lambda: now[0])
    for key in "abc":
        put(cache, key, 400)
    put(cache, "a", 400)
    put(cache, "d", 400)
    assert kept(cache, "a", "b", "c", "d") == ["a", "c", "d"]


def test_what_is_asked_for_again_is_counted_once(now: list[float]) -> None:
    cache = HubCache(3000, clock=lambda: now[0])
    for _ in range(5):
        put(cache, "a", 400)
        now[0] += 60
    for key in "bc":
        put(cache, key, 400)
    assert kept(cache, "b", "c") == ["b", "c"]
    put(cache, "d", 400)
    assert kept(cache, "b", "c", "d") == ["b", "c", "d"]


def test_what_is_too_large_is_not_kept_and_drives_nothing_out(now: list[float]) -> None:
    cache = HubCache(3000, clock=lambda: now[0])
    put(cache, "a", 400)
    put(cache, "half", 900)
    put(cache, "more", 901)
    assert kept(cache, "a", "half", "more") == ["a", "half"]


def test_a_token_is_kept_nowhere(
    devhub: Server, cache: HubCache, open_as: Callable[[str | None], CachedHub], commit: str
) -> None:
    hub = open_as("alice")
    hub.model("alice/m", None)
    assert devhub.token("alice") not in repr(cache._kept)
    assert devhub.token("alice") not in repr(hub)
    assert hub.identity == Hub(endpoint=devhub.endpoint, token=devhub.token("alice")).identity
    others = {
        Hub(endpoint=devhub.endpoint, token=devhub.token("bob")).identity,
        Hub(endpoint=devhub.endpoint, token=False).identity,
        Hub(endpoint="http://127.0.0.1:9", token=devhub.token("alice")).identity,
    }
    assert len(others - {hub.identity}) == 3
