"""The commands where HF_HUB_OFFLINE is set: plans, locks and merges from the cache alone are those made online."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import folders
import pytest
from huggingface_hub import constants, snapshot_download
from targets import seed_parents, write_recipes

from engine import commands
from engine.errors import HubError, LockError, RecipeError
from engine.events import silent
from engine.hub_client import Hub
from engine.plan.plan import Options

PARENTS = ("base", "one", "two")
RECIPE = Path("ties.yaml")
ROOT = Path(__file__).parents[2]


class Desk:
    """Recipes whose parents are at the embedded Hub, in a folder without these, and a cache that is empty."""

    def __init__(self, server, cache: Path, monkeypatch) -> None:
        self.server, self.cache, self._monkeypatch = server, cache, monkeypatch
        self.options = Options(local=False, endpoint=server.endpoint, repo="alice/merged", max_shard_size=8_000)

    def open_hub(self) -> Hub:
        return Hub(endpoint=self.server.endpoint, token=self.server.token("alice"), warm=True)

    def download(self, *names: str, **what) -> None:
        for name in names:
            snapshot_download(f"alice/{name}", endpoint=self.server.endpoint, token=self.server.token("alice"), **what)

    def go_offline(self) -> None:
        """From now on every request is a failure."""
        self.server.clear_log()
        self._monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def plan(self):
        return commands.plan_locked(RECIPE, self.open_hub, self.options).plan

    def merge(self, out: Path) -> dict[str, bytes]:
        commands.merge(RECIPE, out, self.open_hub, self.options, silent)
        return folders.contents(out)

    def head(self, name: str) -> str:
        return self.server.store.resolve(f"alice/{name}", "main")


@pytest.fixture
def desk(devhub, tmp_path, monkeypatch) -> Desk:
    home = write_recipes(tmp_path / "home")
    seed_parents(devhub, home)
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / RECIPE).write_text((home / RECIPE).read_text())
    monkeypatch.chdir(tmp_path / "desk")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return Desk(devhub, tmp_path / "cache", monkeypatch)


def test_with_a_warm_cache_a_merge_asks_for_no_file(desk, tmp_path):
    expected = desk.merge(tmp_path / "cold")
    desk.download(*PARENTS)
    desk.server.clear_log()
    assert desk.merge(tmp_path / "warm") == expected
    assert {exchange.route for exchange in desk.server.log} == {"model-info"}


def test_what_a_half_warm_cache_lacks_is_asked_for(desk, tmp_path):
    expected = desk.merge(tmp_path / "cold")
    desk.download("base", "one")
    desk.server.clear_log()
    assert desk.merge(tmp_path / "warm") == expected
    files = [exchange.path for exchange in desk.server.log if exchange.route in {"resolve", "contents"}]
    assert files
    assert not [path for path in files if "alice/base" in path or "alice/one" in path]


def test_offline_a_plan_has_the_digests_that_it_has_online(desk):
    online = desk.plan()
    desk.download(*PARENTS)
    desk.go_offline()
    offline = desk.plan()
    assert (offline.weights_digest, offline.digest) == (online.weights_digest, online.digest)
    assert offline.models == online.models
    assert offline.cost == online.cost
    assert desk.server.log == ()


def test_a_locked_merge_needs_no_branch_and_makes_the_same_bytes(desk, tmp_path):
    """A gated parent too, though the cache does not tell that it is: the lock in the result says so."""
    desk.server.store.set_repo("alice/one", gated="manual")
    _, online = commands.write_lock(RECIPE, desk.open_hub, desk.options)
    expected = desk.merge(tmp_path / "online")
    assert [pin["gated"] for pin in json.loads(expected["merge.lock.json"])["models"]] == [True, False, False]
    for name in PARENTS:
        desk.download(name, revision=desk.head(name))
    assert not list(desk.cache.rglob("refs/main"))
    desk.go_offline()
    checked = commands.check_lock(RECIPE, desk.open_hub, desk.options)
    assert (checked.plan.weights_digest, checked.plan.digest) == (online.weights_digest, online.digest)
    assert desk.merge(tmp_path / "offline") == expected
    assert desk.server.log == ()


def test_a_lock_that_does_not_fit_is_refused_offline_too(desk):
    commands.write_lock(RECIPE, desk.open_hub, desk.options)
    desk.download(*PARENTS)
    path = Path("ties.lock.json")
    lock = json.loads(path.read_text())
    lock["models"][1]["files"][0]["hash"] = "git:" + "0" * 40
    path.write_text(json.dumps(lock))
    desk.go_offline()
    with pytest.raises(LockError, match=r"alice/two does not hold what was locked: config\.json differs"):
        commands.check_lock(RECIPE, desk.open_hub, desk.options)


def test_each_model_says_what_the_cache_lacks_of_it(desk):
    desk.download("base", ignore_patterns=["*.safetensors", "*.index.json"])
    desk.download("one", ignore_patterns=["model-00002*", "README.md"])
    desk.go_offline()
    with pytest.raises(RecipeError) as error:
        desk.plan()
    base, one = desk.head("base"), desk.head("one")
    says = "HF_HUB_OFFLINE is set, and the Hub's cache on this machine"
    assert [(f.line, f.message) for f in error.value.findings] == [
        (2, f"alice/base@{base[:12]}: {says} lacks model-00001-of-00002.safetensors, model-00002-of-00002.safetensors,"
            f" model.safetensors.index.json; run `HF_HUB_OFFLINE=0 hf download alice/base --revision {base}`, or unset"
            " HF_HUB_OFFLINE"),
        (4, f"alice/one@{one[:12]}: {says} lacks README.md, model-00002-of-00002.safetensors; run"
            f" `HF_HUB_OFFLINE=0 hf download alice/one --revision {one}`, or unset HF_HUB_OFFLINE"),
        (5, f"alice/two: {says} has no list of its files; run `HF_HUB_OFFLINE=0 hf download alice/two`, or unset"
            " HF_HUB_OFFLINE"),
    ]  # fmt: skip
    assert error.value.exit_status == 2
    assert desk.server.log == ()


def test_files_that_no_merge_reads_may_be_absent(desk):
    weights = {"extra.txt": b"x", "consolidated.safetensors": b"\0" * 64, "sub/model.safetensors": b"\0" * 64}
    desk.server.store.commit_files("alice/two", weights, "Add")
    online = desk.plan()
    desk.download(*PARENTS, ignore_patterns=["extra.txt", "consolidated*", "sub/*", ".gitattributes"])
    desk.go_offline()
    assert desk.plan().digest == online.digest


def test_a_publish_is_refused_at_once(desk):
    desk.go_offline()
    with pytest.raises(HubError) as error:
        commands.publish(Path("none.yaml"), desk.open_hub, desk.options, silent)
    assert str(error.value) == (
        "HF_HUB_OFFLINE is set, and to publish is to write to the Hub; unset it, or make the model in a folder with"
        " `mergesmith merge`"
    )


def test_nobody_can_tell_offline_which_models_moved_on(desk):
    commands.write_lock(RECIPE, desk.open_hub, desk.options)
    desk.download(*PARENTS)
    desk.go_offline()
    lock = commands.check_lock(RECIPE, desk.open_hub, desk.options).lock
    with pytest.raises(HubError) as error:
        commands.drifts(lock, desk.open_hub)
    assert str(error.value) == (
        "HF_HUB_OFFLINE is set, so nobody was asked what became of the models; unset it to go online"
    )


def test_the_command_line_with_the_variables_themselves(desk, tmp_path):
    """As people have it: the endpoint of a Hub that is not there, and a home with the cache."""
    expected = desk.plan()
    desk.download(*PARENTS, cache_dir=tmp_path / "home" / "hub")
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1",
        "HF_ENDPOINT": desk.server.endpoint,
    }  # fmt: skip
    desk.server.clear_log()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "engine", *arguments]
        return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)

    planned = run("plan", "ties.yaml", "--format", "json", "--repo", "alice/merged")
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["recipes"][0]["digest"] == expected.digest
    assert run("merge", "ties.yaml", "out", "--quiet").returncode == 0
    refused = run("publish", "ties.yaml", "--repo", "alice/merged")
    assert (refused.returncode, refused.stderr.partition(",")[0]) == (1, "mergesmith: HF_HUB_OFFLINE is set")
    assert desk.server.log == ()
