"""Reading from the cache that the Hub's own client filled: what is there is not asked for, and nothing is written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants, hf_hub_download, snapshot_download

from engine.devhub import Server
from engine.errors import HubError
from engine.hub_client import Hub, HubModel, ModelMissing, NotCached

WEIGHTS = bytes(i * i % 251 for i in range(3_000_000))
CARD = b"---\nlicense: mit\ndate: 2026-01-02\n---\n# Card\n"
FILES = {"w.safetensors": WEIGHTS, "README.md": CARD, "config.json": b"{}", "sub/more.txt": b"more"}
REPO = "alice/m"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This machine's cache, which is empty."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server(devhub: Server, cache: Path) -> Server:
    devhub.store.create_repo(REPO, "alice")
    devhub.store.commit_files(REPO, FILES, "add")
    return devhub


@pytest.fixture
def hub(server: Server) -> Hub:
    return Hub(endpoint=server.endpoint, token=server.token("alice"), sleep=lambda _seconds: None, warm=True)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Set HF_HUB_OFFLINE, as the client has read it."""
    with monkeypatch.context() as patched:
        yield patched


def go_offline(patched: pytest.MonkeyPatch) -> None:
    patched.setattr(constants, "HF_HUB_OFFLINE", True)


def download(server: Server, **what: object) -> Path:
    """Fill the cache as ``hf download`` does; returns the snapshot's folder."""
    where = {"endpoint": server.endpoint, "token": server.token("alice")}
    return Path(snapshot_download(REPO, **where, **what))  # type: ignore[arg-type]


def head(server: Server) -> str:
    oid = server.store.resolve(REPO, "main")
    assert oid
    return oid


def read(hub: Hub, commit: str, begin: int, size: int) -> bytes:
    out = bytearray(size)
    hub.read(REPO, commit, "w.safetensors", begin, memoryview(out))
    return bytes(out)


def state(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Everything in a folder: when it changed, how large it is, where it points to."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mtime_ns,
            path.lstat().st_size,
            str(path.readlink()) if path.is_symlink() else "",
        )
        for path in sorted(folder.rglob("*"))
    }


# reading


def test_what_the_cache_holds_is_read_there_and_nothing_is_asked_or_written(
    server: Server, hub: Hub, cache: Path, tmp_path: Path
) -> None:
    download(server)
    server.clear_log()
    before = state(cache)
    assert len(before) > 8
    commit = head(server)
    for begin, size in ((0, 1), (1000, 70_000), (2_999_990, 10), (0, 3_000_000), (1_048_575, 1_048_578), (5, 0)):
        assert read(hub, commit, begin, size) == WEIGHTS[begin : begin + size]
    assert hub.read_file(REPO, commit, "README.md") == CARD
    assert hub.read_file(REPO, commit, "sub/more.txt") == b"more"
    hub.download(REPO, commit, "w.safetensors", tmp_path / "w")
    assert (tmp_path / "w").read_bytes() == WEIGHTS
    assert server.log == ()
    assert state(cache) == before


def test_a_single_file_will_do(server: Server, hub: Hub) -> None:
    hf_hub_download(REPO, "w.safetensors", endpoint=server.endpoint, token=server.token("alice"))
    server.clear_log()
    assert read(hub, head(server), 7, 9) == WEIGHTS[7:16]
    assert server.log == ()
    assert hub.read_file(REPO, head(server), "config.json") == b"{}"
    assert [exchange.route for exchange in server.log] == ["resolve"]


def test_another_commit_and_a_branch_are_asked_for(server: Server, hub: Hub) -> None:
    download(server)
    server.store.commit_files(REPO, {"config.json": b'{"new": 1}'}, "change")
    assert hub.read_file(REPO, head(server), "config.json") == b'{"new": 1}'
    assert hub.read_file(REPO, "main", "config.json") == b'{"new": 1}'


def test_a_hub_that_is_not_warm_asks(server: Server) -> None:
    download(server)
    server.clear_log()
    cold = Hub(endpoint=server.endpoint, token=server.token("alice"))
    assert read(cold, head(server), 0, 5) == WEIGHTS[:5]
    assert [exchange.route for exchange in server.log] == ["resolve", "contents"]


def test_what_a_damaged_file_lacks_comes_from_the_hub(server: Server, hub: Hub) -> None:
    blob = (download(server) / "w.safetensors").resolve()
    blob.write_bytes(WEIGHTS[:100])
    server.clear_log()
    assert read(hub, head(server), 90, 20) == WEIGHTS[90:110]
    assert [exchange.range for exchange in server.log if exchange.route == "contents"] == ["bytes=100-109"]


# offline


def test_offline_a_model_is_what_it_is_online(
    server: Server, hub: Hub, offline: pytest.MonkeyPatch, cache: Path
) -> None:
    download(server)
    online, before = hub.model(REPO, None), state(cache)
    server.clear_log()
    go_offline(offline)
    for revision in (None, "main", online.commit):
        found = hub.model(REPO, revision)
        # JSON, in which the Hub answers, has no dates.
        assert found == replace(online, last_modified=None, card=found.card)
        assert found.card["license"] == "mit"
    assert read(hub, online.commit, 3, 4) == WEIGHTS[3:7]
    assert server.log == ()
    assert state(cache) == before


def test_offline_a_branch_is_where_it_was_when_it_was_downloaded(
    server: Server, hub: Hub, offline: pytest.MonkeyPatch
) -> None:
    download(server)
    then = head(server)
    server.store.commit_files(REPO, {"config.json": b"[]"}, "change")
    go_offline(offline)
    assert hub.model(REPO, "main").commit == then


def test_copies_instead_of_links_are_known_by_their_content(
    server: Server, hub: Hub, offline: pytest.MonkeyPatch
) -> None:
    snapshot = download(server)
    online = hub.model(REPO, None)
    for path in snapshot.rglob("*"):
        if path.is_symlink():
            blob = path.resolve()
            path.unlink()
            shutil.copy(blob, path)
    go_offline(offline)
    assert hub.model(REPO, None).files == online.files


def test_files_that_were_left_out_or_cut_short_are_absent(
    server: Server, hub: Hub, offline: pytest.MonkeyPatch
) -> None:
    snapshot = download(server, allow_patterns=["*.json", "sub/*"])
    online = hub.model(REPO, None)
    go_offline(offline)
    model = hub.model(REPO, None)
    assert model.absent == (".gitattributes", "README.md", "w.safetensors")
    assert (model.commit, model.card) == (online.commit, {})
    assert [(f.name, f.size) for f in model.files] == [(f.name, f.size) for f in online.files]
    assert [f.sha256 for f in model.files] == [None] * 5
    (snapshot / "config.json").resolve().write_bytes(b"{")
    assert "config.json" in hub.model(REPO, None).absent


@pytest.mark.parametrize(
    "card", [b"---\nlicense: [\n---\n", b"---\n- a list\n---\n", b"---\n\n---\n", b"no card", b"\xff"]
)
def test_a_card_without_sound_front_matter_says_nothing(
    server: Server, hub: Hub, offline: pytest.MonkeyPatch, card: bytes
) -> None:
    server.store.commit_files(REPO, {"README.md": card}, "change")
    download(server)
    go_offline(offline)
    assert hub.model(REPO, None).card == {}


def refused(hub: Hub, repo: str, revision: str | None) -> str:
    with pytest.raises(NotCached) as error:
        hub.model(repo, revision)
    return str(error.value)


def test_what_is_not_there_is_told_with_what_fetches_it(server: Server, hub: Hub, offline: pytest.MonkeyPatch) -> None:
    commit = head(server)
    hf_hub_download(REPO, "config.json", endpoint=server.endpoint, token=server.token("alice"))
    go_offline(offline)
    says = "HF_HUB_OFFLINE is set, and the Hub's cache on this machine has no list of its files; run"
    for repo, revision, named, command in (
        (REPO, None, REPO, f"hf download {REPO}"),
        (REPO, "v 1", "alice/m@v 1", f"hf download {REPO} --revision 'v 1'"),
        (REPO, commit, f"{REPO}@{commit[:12]}", f"hf download {REPO} --revision {commit}"),
        ("alice/none", None, "alice/none", "hf download alice/none"),
    ):
        assert refused(hub, repo, revision) == (
            f"{named}: {says} `HF_HUB_OFFLINE=0 {command}`, or unset HF_HUB_OFFLINE"
        )
    with pytest.raises(ModelMissing, match=r"^'a/b/c' is not the name of a model on a Hub; expected NAMESPACE/NAME$"):
        hub.model("a/b/c", None)


def test_a_list_without_any_file(server: Server, hub: Hub, offline: pytest.MonkeyPatch) -> None:
    download(server, allow_patterns=["nothing"])
    go_offline(offline)
    assert refused(hub, REPO, head(server)).startswith(
        f"{REPO}@{head(server)[:12]}: HF_HUB_OFFLINE is set, and the Hub's cache on this machine lacks"
        " .gitattributes, README.md, config.json and 2 more; run `HF_HUB_OFFLINE=0 hf download"
    )


def test_offline_a_file_that_is_absent_is_not_asked_for(server: Server, hub: Hub, offline: pytest.MonkeyPatch) -> None:
    download(server, allow_patterns=["*.json"])
    server.clear_log()
    go_offline(offline)
    with pytest.raises(HubError) as error:
        read(hub, head(server), 0, 5)
    assert str(error.value) == (
        f"HF_HUB_OFFLINE is set, so nothing was asked while reading w.safetensors of {REPO}@{head(server)[:12]} at"
        f" {server.endpoint}; unset it to go online"
    )
    assert server.log == ()


def test_a_name_that_leads_out_of_the_cache_is_not_in_it(server: Server, hub: Hub) -> None:
    download(server)
    with pytest.raises(HubError):
        hub.read_file(REPO, head(server), "../../refs/main")


def test_a_model_that_was_asked_for_lacks_nothing(server: Server, hub: Hub) -> None:
    model: HubModel = hub.model(REPO, None)
    assert model.absent == ()
