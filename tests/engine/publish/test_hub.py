"""Publishing to the embedded Hub: one commit, and readers see the old model or the new one at every moment."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path

import families
import folders
import pytest

from engine.commands import merge, plan_locked, publish
from engine.errors import HubError, MergeError, ModelError, RecipeError, TensorError
from engine.events import Published, Said, ShardDone, ShardUploaded, silent
from engine.hub_client import Hub, Moved
from engine.methods.contract import CUTS_SWEEPS
from engine.plan.plan import Options
from engine.publish.hub import HubSink, Target
from engine.run.shard import FinishedShard

TARGET = "alice/merged"
NAMES = [f"model-0000{k}-of-00003.safetensors" for k in (1, 2, 3)]
LINEAR = (
    "merge_method: linear\nmodels:\n"
    "  - {model: alice/one, parameters: {weight: 1}}\n  - {model: alice/two, parameters: {weight: 1}}\n"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    root = folders.write_home(tmp_path_factory.mktemp("home"))
    (root / "linear.yaml").write_text(LINEAR)
    return root


@pytest.fixture(autouse=True)
def _at_home(home, monkeypatch, tmp_path):
    monkeypatch.chdir(home)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _seconds: None)  # between its own tries


@pytest.fixture
def server(devhub, home):
    for model in ("base", "one", "two"):
        seed(devhub, f"alice/{model}", home / "alice" / model)
    return devhub


def seed(devhub, repo: str, folder: Path, **kind) -> None:
    devhub.store.create_repo(repo, repo.split("/", maxsplit=1)[0], **kind)
    devhub.store.commit_files(repo, {path.name: path for path in sorted(folder.iterdir())}, "Upload")


def options(server, **more) -> Options:
    return Options(**{"local": False, "repo": TARGET, "endpoint": server.endpoint, "max_shard_size": 8_000, **more})


def send(server, recipe: str = "ties.yaml", *, user: str = "alice", report=silent, force: bool = False, **more) -> str:
    def open_hub() -> Hub:
        return Hub(endpoint=server.endpoint, token=server.token(user), sleep=lambda _seconds: None)

    return publish(Path(recipe), open_hub, options(server, **more), report, force=force)


def history(server) -> list[str]:
    """Titles of the target's commits on main, the newest first."""
    head = server.store.resolve(TARGET, "main")
    return [commit.title for commit in server.store.history(TARGET, head)]


def held(server) -> dict[str, str]:
    """What readers of main see: sha256 by name."""
    head = server.store.resolve(TARGET, "main")
    return {name: entry.sha256 for name, entry in server.store.commit(TARGET, head).files.items()}


def expected(server, recipe: str, tmp_path: Path, **more) -> dict[str, str]:
    """The same model, made in a folder from the same Hub."""

    def open_hub() -> Hub:
        return Hub(endpoint=server.endpoint, token=server.token("alice"))

    out = tmp_path / f"expected-{recipe}"
    merge(Path(recipe), out, open_hub, options(server, **more), silent)
    made = {name: hashlib.sha256(data).hexdigest() for name, data in folders.contents(out).items()}
    return {**made, ".gitattributes": held_attributes(server)}


def held_attributes(server) -> str:
    return server.store.commit("alice/base", server.store.resolve("alice/base", "main")).files[".gitattributes"].sha256


WRITES = {"create-repo", "preupload", "lfs-batch", "lfs-put", "lfs-verify", "commit", "settings"}


def writes(server) -> list[str]:
    return [exchange.route for exchange in server.log if exchange.route in WRITES]


def test_one_commit_with_everything(server, tmp_path):
    events = []
    server.clear_log()
    address = send(server, report=events.append)
    assert address == f"{server.endpoint}/{TARGET}"
    assert history(server) == ["Merge merged with mergesmith", "initial commit"]
    assert held(server) == expected(server, "ties.yaml", tmp_path)
    nbytes = sum(e.size for n, e in files_of(server).items() if n != ".gitattributes")
    assert events[-1] == Published(address, len(held(server)) - 1, nbytes)


def files_of(server):
    return server.store.commit(TARGET, server.store.resolve(TARGET, "main")).files


def test_the_commit_tells_the_digests(server):
    send(server)
    commit = server.store.history(TARGET, server.store.resolve(TARGET, "main"))[0]
    hub = Hub(endpoint=server.endpoint, token=server.token("alice"))
    plan = plan_locked(Path("ties.yaml"), lambda: hub, options(server)).plan
    assert commit.body == f"weights digest {plan.weights_digest}\nplan digest {plan.digest}"
    assert commit.author == "alice"


def test_a_new_repo_is_private_and_empty_until_the_end(server):
    seen = []

    def look(event):
        repo = server.store.repo(TARGET)
        seen.append((type(event).__name__, None if repo is None else (repo.private, len(held(server)))))

    send(server, report=look)
    # The first shard is whole before there is a repo at all; then it holds its .gitattributes alone.
    uploads = [state for name, state in seen if name == "ShardUploaded"]
    assert next(state for name, state in seen if name == "ShardDone") is None
    assert uploads == [(True, 1)] * 3
    assert server.store.repo(TARGET).private is False
    assert writes(server)[0] == "create-repo"
    assert writes(server)[-2:] == ["commit", "settings"]


def test_a_private_target_stays_private(server):
    send(server, private=True)
    assert server.store.repo(TARGET).private is True
    assert "settings" not in writes(server)


def test_the_same_plan_again_does_nothing(server):
    send(server)
    before = held(server)
    server.clear_log()
    events = []
    assert send(server, report=events.append) == f"{server.endpoint}/{TARGET}"
    assert events == [Said(f"{server.endpoint}/{TARGET} carries this very plan already: nothing to do")]
    assert writes(server) == []
    assert len(history(server)) == 2
    assert held(server) == before


def test_an_earlier_model_is_replaced_in_one_commit(server, tmp_path):
    send(server, "linear.yaml", max_shard_size=4_000)
    assert sum(name.endswith(".safetensors") for name in held(server)) == 5
    send(server)
    assert history(server) == ["Merge merged with mergesmith", "Merge merged with mergesmith", "initial commit"]
    assert held(server) == expected(server, "ties.yaml", tmp_path)


def test_files_of_others_stay(server):
    send(server, "linear.yaml")
    server.store.commit_files(TARGET, {"sample.png": b"png", "notes/a.txt": b"a"}, "Add a picture")
    send(server)
    assert {"sample.png", "notes/a.txt"} <= set(held(server))


def in_the_way(server, *names: str) -> str:
    return (
        f"{server.endpoint}/{TARGET} already holds files that no merge recorded there, or that were changed since: "
        f"{', '.join(names)}; choose another place, remove them, or pass --force to replace them"
    )


@pytest.mark.parametrize(
    ("name", "data"),
    [("README.md", b"---\nlicense: mit\n---\nmine\n"), ("model-00009-of-00009.safetensors", b"w"), ("q4.gguf", b"g")],
)
def test_what_others_put_there_is_refused_before_any_weight_is_read(server, tmp_path, name, data):
    send(server, "linear.yaml")
    server.store.commit_files(TARGET, {name: data}, "By hand")
    before = held(server)
    server.clear_log()
    with pytest.raises(MergeError) as caught:
        send(server)
    assert str(caught.value) == in_the_way(server, name)
    assert writes(server) == []
    assert held(server) == before
    send(server, force=True)
    assert held(server) == expected(server, "ties.yaml", tmp_path)


def test_a_record_that_is_none_is_refused_and_forced(server, tmp_path):
    send(server, "linear.yaml")
    server.store.commit_files(TARGET, {"merge.record.json": b"{}"}, "Spoil")
    with pytest.raises(MergeError) as caught:
        send(server)
    message = f"{TARGET}/merge.record.json is not a record of a merge; remove it, or pass --force to replace it"
    assert str(caught.value) == message
    send(server, force=True)
    assert held(server) == expected(server, "ties.yaml", tmp_path)


def test_a_foreign_model_is_refused(server, home):
    seed(server, TARGET, home / "alice" / "base")
    with pytest.raises(MergeError) as caught:
        send(server)
    assert "README.md, config.json, model-00001-of-00002.safetensors, " in str(caught.value)
    assert writes(server) == []


def test_a_target_that_moved_meanwhile_is_left_alone(server):
    send(server, "linear.yaml")

    def move(event):
        if isinstance(event, ShardUploaded) and event.file == NAMES[1]:
            server.store.commit_files(TARGET, {"sample.png": b"png"}, "Add a picture")

    with pytest.raises(Moved) as caught:
        send(server, report=move)
    assert str(caught.value).startswith(f"{TARGET}@main moved (412) while committing to {TARGET}@main at ")
    assert str(caught.value).endswith("; look at its head, then run again")
    assert history(server)[0] == "Add a picture"
    send(server)
    assert history(server)[:2] == ["Merge merged with mergesmith", "Add a picture"]


def test_a_merge_that_fails_before_its_first_shard_creates_nothing(server, home, tmp_path):
    tensors = families.random_tensors(folders.SHAPE, 8)
    tensors["model.embed_tokens.weight"][0, 0] = float("nan")
    folder = families.write_model(tmp_path / "damaged", tensors, families.config_of(folders.SHAPE))
    seed(server, "alice/damaged", folder)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(LINEAR.replace("alice/two", "alice/damaged"))
    with pytest.raises(TensorError):
        send(server, str(recipe))
    assert server.store.repo(TARGET) is None
    assert writes(server) == []


FAULTS = [
    *(("500", route, {"status": 500}) for route in ("create-repo", "preupload", "lfs-batch", "lfs-put", "lfs-verify")),
    *(("403", route, {"status": 403}) for route in ("preupload", "lfs-put", "commit")),
    ("500", "commit", {"status": 500}),
    ("500", "resolve", {"status": 500, "skip": 20}),
    ("404", "resolve", {"status": 404, "skip": 20}),
    ("cut", "contents", {"truncate": 100, "skip": 9}),
    ("gone", "commit", {"drop": "before"}),
    ("gone", "lfs-put", {"drop": "before", "skip": 1}),
]


@pytest.mark.parametrize("earlier", [False, True], ids=["new", "over an earlier model"])
@pytest.mark.parametrize(("kind", "route", "fault"), FAULTS, ids=[f"{kind}-{route}" for kind, route, _ in FAULTS])
def test_readers_see_the_old_model_or_the_new_one(server, tmp_path, kind, route, fault, earlier):
    if earlier:
        send(server, "linear.yaml")
        if route == "create-repo":
            return
    before = held(server) if earlier else None
    server.inject(route, times=10_000, **fault)
    with pytest.raises((HubError, ModelError)) as caught:
        send(server)
    assert caught.value.args[0]
    repo = server.store.repo(TARGET)
    if earlier:
        assert held(server) == before
        assert repo.private is False
    elif repo is not None:
        assert repo.private is True
        assert set(held(server)) == {".gitattributes"}
    assert not list((tmp_path / "temporary").iterdir())
    server.clear_faults()
    send(server)
    assert held(server) == expected(server, "ties.yaml", tmp_path)
    assert server.store.repo(TARGET).private is (repo is not None and repo.private)


@pytest.mark.parametrize("route", ["preupload", "lfs-batch", "lfs-put", "lfs-verify", "commit", "settings", "resolve"])
def test_a_passing_fault_does_not_matter(server, tmp_path, route):
    server.inject(route, status=503, times=2)
    send(server)
    assert held(server) == expected(server, "ties.yaml", tmp_path)
    assert server.store.repo(TARGET).private is False


def test_a_commit_whose_answer_is_lost_is_found(server, tmp_path):
    server.inject("commit", drop="after")
    send(server)
    assert history(server) == ["Merge merged with mergesmith", "initial commit"]
    assert held(server) == expected(server, "ties.yaml", tmp_path)
    assert server.store.repo(TARGET).private is False


def test_a_created_repo_whose_answer_is_lost_is_still_this_runs(server):
    server.inject("create-repo", drop="after")
    send(server)
    assert server.store.repo(TARGET).private is False


def test_a_repo_that_somebody_else_creates_meanwhile_is_left_alone(server):
    def create(event):
        if isinstance(event, ShardDone) and event.file == NAMES[0]:
            server.store.create_repo(TARGET, "alice")

    with pytest.raises(MergeError) as caught:
        send(server, report=create)
    assert str(caught.value) == f"{server.endpoint}/{TARGET} was created by somebody else meanwhile; run again"
    assert set(held(server)) == {".gitattributes"}


def test_where_it_cannot_be_made_public_that_is_said(server):
    server.inject("settings", status=500, times=10)
    where = f"{server.endpoint}/{TARGET}"
    with pytest.raises(HubError) as caught:
        send(server)
    assert str(caught.value).startswith(f"{where} holds the whole model, but is still private: the Hub failed (500) ")
    assert str(caught.value).endswith(f"; make it public in {where}/settings")
    assert server.store.repo(TARGET).private is True


def test_a_repo_that_was_private_stays_so_and_that_is_said(server):
    server.store.create_repo(TARGET, "alice", private=True)
    events = []
    send(server, report=events.append)
    where = f"{server.endpoint}/{TARGET}"
    assert Said(f"{where} was private before and stays so; change that in {where}/settings") in events
    assert server.store.repo(TARGET).private is True


def test_a_public_repo_is_never_made_private(server):
    server.store.create_repo(TARGET, "alice")
    send(server, private=True)
    assert server.store.repo(TARGET).private is False


def test_who_may_not_write_learns_it_before_any_weight_is_read(server):
    server.store.create_repo(TARGET, "alice")
    server.clear_log()
    with pytest.raises(HubError) as caught:
        send(server, user="bob")
    assert str(caught.value) == (
        f"this token may not write to {server.endpoint}/{TARGET}; use one that may, or name another target with --repo"
    )
    assert server.log[-1].route == "auth-check-write"


def test_a_namespace_of_others(server):
    with pytest.raises(HubError, match=r"^not allowed \(403\) while creating alice/merged at "):
        send(server, user="bob")


def test_local_models_are_not_published(home, server):
    with pytest.raises(RecipeError) as caught:
        send(server, local=True)
    assert "alice/base is a local folder, which nobody else could check; expected models on the Hub; " in str(
        caught.value
    )
    assert server.store.repo(TARGET) is None


def test_no_more_than_one_shard_is_on_this_disk(server, tmp_path):
    seen = []

    def look(event):
        if isinstance(event, ShardDone | ShardUploaded):
            files = [path for path in (tmp_path / "temporary").rglob("*") if path.is_file()]
            seen.append((type(event).__name__, [path.name for path in files]))

    send(server, report=look)
    assert seen == [step for name in NAMES for step in (("ShardDone", [f"{name}.partial"]), ("ShardUploaded", []))]
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize(("memory", "disk", "reading"), [(10**8, None, "hold"), (0, None, "spool"), (0, 0, "again")])
def test_what_is_read_is_what_the_plan_says(server, memory, disk, reading):
    hub = Hub(endpoint=server.endpoint, token=server.token("alice"))
    chosen = options(server, memory=memory, disk=disk)
    plan = plan_locked(Path("ties.yaml"), lambda: hub, chosen).plan
    assert {tensor.reading for tensor in plan.tensors} == {reading}
    server.clear_log()
    send(server, memory=memory, disk=disk)
    weights = sum(e.sent for e in server.log if e.route == "contents")
    small = sum(
        e.sent
        for e in server.log
        if e.route == "resolve" and e.path.endswith(("config.json", "index.json")) and "tokenizer" not in e.path
    )
    read, stored = weights + small - plan.cost.header_bytes_read, 3 * 17_696
    if reading == "again":
        # The plan counts as many sweeps as the cuts may take; a small tensor needs but one before it is blended.
        assert (read, plan.cost.bytes_read) == (2 * stored, (1 + CUTS_SWEEPS) * stored)
    else:
        assert read == plan.cost.bytes_read == stored


def test_gated_and_private_parents_need_the_token(server, home):
    server.store.set_repo("alice/one", gated="manual")
    server.store.set_repo("alice/two", private=True)
    with pytest.raises(RecipeError) as caught:
        send(server, user="bob", repo="bob/merged")
    said = str(caught.value).splitlines()
    assert "alice/one: gated at" in said[0]
    assert "alice/two: no such model at" in said[1]
    send(server)
    assert history(server)[0] == "Merge merged with mergesmith"


class Forgetful(Hub):
    """A Hub that answers for the commit with one file changed."""

    spoil = ""

    def model(self, repo, revision):
        found = super().model(repo, revision)
        if repo != TARGET or not self.spoil:
            return found
        wrong = {"sha256": "0" * 64} if self.spoil.endswith(".safetensors") else {"blob_id": "0" * 40}
        files = tuple(replace(f, **wrong) if f.name == self.spoil else f for f in found.files)
        return replace(found, files=files)


@pytest.mark.parametrize("name", [NAMES[2], "config.json"])
def test_what_the_hub_holds_is_compared_with_what_was_sent(server, name, monkeypatch):
    hub = Forgetful(endpoint=server.endpoint, token=server.token("alice"))
    monkeypatch.setattr(Forgetful, "spoil", name)
    with pytest.raises(HubError) as caught:
        publish(Path("ties.yaml"), lambda: hub, options(server), silent)
    assert str(caught.value) == (
        f"{server.endpoint}/{TARGET} does not hold what was sent: {name}; publish again with --force"
    )
    assert server.store.repo(TARGET).private is True


def test_a_shard_that_changes_before_it_is_sent_is_an_error(server, tmp_path):
    hub = Hub(endpoint=server.endpoint, token=server.token("alice"))
    plan = plan_locked(Path("ties.yaml"), lambda: hub, options(server)).plan
    sink = HubSink(hub, Target(TARGET, None, (), published=False), plan, tmp_path, silent)
    path = tmp_path / "model.safetensors.partial"
    path.write_bytes(b"other bytes")
    with pytest.raises(MergeError) as caught:
        sink.accept(path, FinishedShard(NAMES[0], 11, "0" * 64, {}))
    assert str(caught.value) == f"{path} changed between writing and uploading; check the disk, then run again"
