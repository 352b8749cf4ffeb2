"""The commands as functions: locks that are followed, checked and refused; what may be published."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import families
import pytest

from engine import cli, commands
from engine.errors import HubError, LockError, RecipeError
from engine.events import silent
from engine.hub_client import Hub
from engine.plan import lock as locking
from engine.plan.drift import Drift, drift_of
from engine.plan.plan import Options

SHAPE = families.Shape(layers=2)
TEXT = """\
models:
  - model: alice/a
  - model: alice/b
merge_method: slerp
base_model: alice/a
parameters: {t: 0.5}
"""
AGAIN = "look at what changed, then write the lock again with `mergesmith lock`"


class Team:
    """Alice's Hub with her models ``a`` and ``b``, and a recipe that merges them."""

    def __init__(self, devhub, root: Path) -> None:
        self.hub, self.root = devhub, root
        self.options = Options(endpoint=devhub.endpoint)
        self.recipe = Path("r.yaml")
        self.recipe.write_text(TEXT)
        self.lock = Path("r.lock.json")
        base = families.random_tensors(SHAPE, 1)
        self.tensors = {"a": base, "b": families.tuned(base, 2)}
        for name in self.tensors:
            devhub.store.create_repo(f"alice/{name}", "alice")
            self.upload(name)

    def upload(self, name, **changes):
        folder = families.write_model(self.root / name, self.tensors[name], families.config_of(SHAPE), **changes)
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        return self.hub.store.commit_files(f"alice/{name}", files, "Upload")

    def retrain(self, name, seed=7):
        """Move a model on; returns its new commit."""
        self.tensors[name] = families.tuned(self.tensors[name], seed)
        return self.upload(name)

    def open_hub(self):
        return Hub(endpoint=self.hub.endpoint, token=self.hub.token("alice"))

    def call(self, command, *arguments, **options):
        return command(self.recipe, *arguments, self.open_hub, replace(self.options, **options))

    def merge(self, out):
        commands.merge(self.recipe, Path(out), self.open_hub, self.options, silent)
        return (Path(out) / "model.safetensors").read_bytes()

    def edit_lock(self, edit):
        data = json.loads(self.lock.read_text())
        edit(data)
        self.lock.write_text(json.dumps(data))


@pytest.fixture
def team(devhub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Team(devhub, tmp_path)


def refusal(function, *arguments):
    with pytest.raises(LockError) as caught:
        function(*arguments)
    assert caught.value.exit_status == 2
    return str(caught.value)


def test_a_lock_pins_every_model(team):
    path, plan = team.call(commands.write_lock)
    assert path == team.lock
    data = json.loads(path.read_text())
    heads = {name: team.hub.store.resolve(f"alice/{name}", "main") for name in "ab"}
    assert {model["ref"]: model["commit"] for model in data["models"]} == {
        "alice/a": heads["a"],
        "alice/b": heads["b"],
    }
    assert (data["weights_digest"], data["plan_digest"]) == (plan.weights_digest, plan.digest)
    names = [file["name"] for file in data["models"][0]["files"]]
    assert names == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


def test_a_lock_is_written_whole_or_not_at_all(team, monkeypatch):
    team.call(commands.write_lock)
    before = team.lock.read_text()
    team.retrain("a")

    def full(path, target):
        assert path.parent == target.parent
        assert json.loads(path.read_text())["models"][0]["ref"] == "alice/a"
        assert target.read_text() == before
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        team.call(commands.write_lock)
    assert team.lock.read_text() == before
    assert sorted(path.name for path in Path().iterdir() if path.is_file()) == ["r.lock.json", "r.yaml"]


def test_two_recipes_that_would_share_a_lock(team):
    shared = "r.lock.json: r.yaml and r.yml would share this lock; rename one of them"
    team.call(commands.write_lock)
    Path("r.yml").write_text(TEXT)
    for recipe in (Path("r.yaml"), Path("r.yml")):
        for command in (commands.write_lock, commands.check_lock, commands.plan_locked):
            assert refusal(command, recipe, team.open_hub, team.options) == shared
    team.lock.unlink()
    assert commands.plan_locked(Path("r.yml"), team.open_hub, team.options).lock is None
    assert refusal(commands.write_lock, Path("r.yml"), team.open_hub, team.options) == shared
    assert not team.lock.exists()


def test_a_parent_that_moved_on_changes_nothing_for_a_locked_recipe(team):
    before = team.merge("unlocked")
    team.call(commands.write_lock)
    locked = json.loads(team.lock.read_text())["models"][1]["commit"]
    assert team.retrain("b") != locked
    planned = team.call(commands.plan_for_review)
    assert planned.plan.findings == ()
    assert planned.plan.models[1].commit == locked
    assert team.merge("locked") == before
    team.call(commands.check_lock)
    team.lock.unlink()
    assert team.merge("moved") != before


def test_what_became_of_locked_parents_is_told_by_the_commits_title(team):
    team.call(commands.write_lock)
    lock = team.call(commands.check_lock).lock
    assert commands.drifts(lock, team.open_hub) == []
    old = lock.models[1].commit
    new = team.hub.store.commit_files("alice/b", {"notes.txt": b"x"}, "Fix the tokenizer")
    team.hub.store.set_repo("alice/a", gated="auto")
    assert commands.drifts(lock, team.open_hub) == [
        Drift("alice/a", "access is given on request only now"),
        Drift("alice/b", f"it moved from {old[:8]} to {new[:8]}: Fix the tokenizer"),
    ]
    team.hub.store.delete_repo("alice/b")
    gone = Drift("alice/b", "it is gone, or private now; what is locked can no longer be merged", gone=True)
    assert commands.drifts(lock, team.open_hub)[1] == gone


def test_a_locked_commit_or_revision_that_is_gone_is_told(team):
    team.call(commands.write_lock)
    lock = team.call(commands.check_lock).lock
    head = team.open_hub().model("alice/b", None).commit
    pin = replace(lock.models[1], commit="0" * 40)
    told = f"its locked commit is gone; the head is {head[:8]} now"
    assert drift_of(team.open_hub(), pin) == Drift("alice/b", told, gone=True)
    tagged = replace(lock.models[1], revision="v1")
    assert drift_of(team.open_hub(), tagged) == Drift("alice/b", "its revision `v1` is gone", gone=False)


def test_the_command_line_reports_drift_and_does_not_stop(team, capsys, monkeypatch):
    monkeypatch.setattr(cli, "open_hub", team.open_hub)
    monkeypatch.setenv("HF_ENDPOINT", team.hub.endpoint)
    assert cli.run(["lock", "r.yaml"]) == 0
    old = json.loads(team.lock.read_text())["models"][1]["commit"]
    capsys.readouterr()
    assert cli.run(["lock", "--check", "--fresh", "r.yaml"]) == 0
    assert capsys.readouterr().out == "r.yaml: its lock fits, and no model changed since\n"
    new = team.hub.store.commit_files("alice/b", {"notes.txt": b"x"}, "Tidy \x1b[31mup")
    capsys.readouterr()
    assert cli.run(["lock", "--check", "r.yaml"]) == 0
    assert capsys.readouterr().out == "r.yaml: its lock fits\n"
    assert cli.run(["lock", "--check", "--fresh", "r.yaml"]) == 0
    assert capsys.readouterr().out == (
        f"r.yaml: its lock fits\nr.yaml: alice/b: it moved from {old[:8]} to {new[:8]}: Tidy \\x1b[31mup\n"
        "r.yaml: what is locked is what is merged; to take what there is now, write the lock again with "
        "`mergesmith lock r.yaml`\n"
    )
    assert cli.run(["lock", "--fresh", "r.yaml"]) == 1
    assert capsys.readouterr().err == "mergesmith: --fresh: it goes with --check; pass both\n"


def test_a_lock_whose_commit_is_gone_stops(team):
    team.call(commands.write_lock)
    commit = "0123456789abcdef0123456789abcdef01234567"
    team.edit_lock(lambda data: data["models"][1].update(commit=commit))
    with pytest.raises(RecipeError) as caught:
        team.call(commands.plan_for_review)
    assert str(caught.value) == (
        f"r.yaml:3:12: alice/b is locked at commit 0123456789ab, which {team.hub.endpoint}/alice/b no longer has; "
        "look there for what happened to it, then write the lock again with `mergesmith lock`"
    )


def test_a_stale_lock_stops_a_run_and_is_a_warning_in_a_plan(team):
    team.call(commands.write_lock)
    team.recipe.write_text(TEXT.replace("0.5", "0.6"))
    stale = "r.lock.json: the recipe changed since it was locked"
    fix = "look at the new plan, then write the lock again with `mergesmith lock`"
    assert refusal(team.merge, "out") == f"{stale}; {fix}"
    assert refusal(team.call, commands.check_lock) == f"{stale}; {fix}"
    with pytest.raises(LockError):
        commands.publish(team.recipe, team.open_hub, replace(team.options, repo="alice/m"), silent)
    assert not Path("out").exists()
    assert team.hub.store.repo("alice/m") is None
    planned = team.call(commands.plan_for_review)
    assert [(f.id, f.level, f.message, f.fix, f.line, f.column) for f in planned.plan.findings] == [
        ("lock-stale", "warning", stale, fix, 1, 1)
    ]
    assert planned.lock is None
    assert planned.plan.tensors[0].mixture.parameters == {"t": 0.6}


def test_what_changes_no_weight_leaves_a_lock_alone(team):
    team.call(commands.write_lock)
    team.recipe.write_text("# t is half\n" + TEXT.replace("0.5", "5.0e-1"))
    assert team.call(commands.check_lock).lock is not None


def test_a_lock_made_by_other_numerics_stops_before_anything_is_opened(team, monkeypatch):
    team.call(commands.write_lock)
    monkeypatch.setattr(locking, "NUMERICS", 2)
    team.hub.clear_log()
    assert refusal(team.call, commands.plan_locked) == (
        "r.lock.json: made with numerics 1 (mergesmith 0.1.0), and this is 2; "
        "use that version, or write the lock again with `mergesmith lock`"
    )
    assert team.hub.log == ()


def other_commit(team):
    head = team.retrain("b")
    return lambda data: data["models"][1].update(commit=head)


TAMPERED = {
    "another commit": (other_commit, f"alice/b does not hold what was locked: model.safetensors differs; {AGAIN}"),
    "a file's hash": (
        lambda _team: lambda data: data["models"][0]["files"][1].update(hash="sha256:" + "0" * 64),
        f"alice/a does not hold what was locked: model.safetensors differs; {AGAIN}",
    ),
    "a file less": (
        lambda _team: lambda data: data["models"][0]["files"].pop(),
        f"alice/a does not hold what was locked: tokenizer_config.json differs; {AGAIN}",
    ),
    "a licence": (
        lambda _team: lambda data: data["models"][0].update(license="mit"),
        f"alice/a does not hold what was locked: its license differs; {AGAIN}",
    ),
    "a model less": (
        lambda _team: lambda data: data["models"].pop(),
        "it does not list the recipe's models; write it again with `mergesmith lock`",
    ),
    "a model more": (
        lambda _team: lambda data: data["models"].append(data["models"][0] | {"ref": "alice/c"}),
        "it does not list the recipe's models; write it again with `mergesmith lock`",
    ),
    "a model twice": (
        lambda _team: lambda data: data["models"].append(data["models"][0]),
        "it does not list the recipe's models; write it again with `mergesmith lock`",
    ),
    "a key more": (
        lambda _team: lambda data: data.update(note="trust me"),
        "not a lock that can be read (note: Extra inputs are not permitted); write it again with `mergesmith lock`",
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_tampered_lock_stops(team, what):
    make, message = TAMPERED[what]
    team.call(commands.write_lock)
    team.edit_lock(make(team))
    assert refusal(team.merge, "out") == f"r.lock.json: {message}"
    assert not Path("out").exists()


@pytest.mark.parametrize("key", ["weights_digest", "plan_digest"])
def test_a_tampered_digest_stops(team, key):
    team.call(commands.write_lock)
    team.edit_lock(lambda data: data.update({key: "0" * 64}))
    assert "(digest " in refusal(team.merge, "out")
    assert "locked was 000000000000)" in refusal(team.merge, "out")


def test_other_options_than_those_that_were_locked_stop(team):
    _, plan = team.call(commands.write_lock)
    other = team.call(commands.plan_for_review, repo="alice/m").plan
    advice = (
        "pass the options that it was locked with, or look at the new plan and write the lock again with "
        "`mergesmith lock`"
    )
    with pytest.raises(LockError) as caught:
        team.call(commands.plan_locked, repo="alice/m")
    assert str(caught.value) == (
        "r.lock.json: its weights are those that were locked, but what is published with them is not "
        f"(digest {other.digest[:12]}, locked was {plan.digest[:12]}); {advice}"
    )
    with pytest.raises(LockError, match=r"r\.lock\.json: the plan changed since it was locked \(digest "):
        team.call(commands.plan_locked, copy_tokenizer=False)
    team.call(commands.write_lock, repo="alice/m")
    assert team.call(commands.plan_locked, repo="alice/m").lock is not None


def test_who_may_see_a_model_may_change_under_a_lock(team):
    team.call(commands.write_lock)
    team.hub.store.set_repo("alice/a", private=True)
    assert team.call(commands.check_lock).lock is not None


def test_a_lock_that_is_missing(team):
    assert refusal(team.call, commands.check_lock) == (
        "r.lock.json: no such file; write it with `mergesmith lock r.yaml`"
    )
    options = replace(team.options, repo="alice/m")
    with pytest.raises(LockError) as caught:
        commands.publish(team.recipe, team.open_hub, options, silent, require_lock=True)
    assert str(caught.value) == (
        "r.lock.json: no such file, and a lock is required; write it with `mergesmith lock r.yaml`"
    )


def test_a_local_folder_is_locked_by_its_contents(team):
    team.recipe.write_text(TEXT.replace("alice/", "./"))
    team.call(commands.write_lock)
    assert team.call(commands.check_lock).plan.models[0].commit is None
    weights = team.root / "b" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    assert refusal(team.call, commands.check_lock) == (
        f"r.lock.json: ./b does not hold what was locked: model.safetensors differs; {AGAIN}"
    )


def test_what_nobody_could_check_is_not_published(team):
    team.recipe.write_text(TEXT.replace("alice/b", "./b"))
    with pytest.raises(RecipeError) as caught:
        commands.publish(team.recipe, team.open_hub, team.options, silent)
    assert str(caught.value) == (
        "r.yaml:4:1: the recipe names no target; expected `publish: {repo: namespace/name}`; "
        "add it, or pass --repo namespace/name\n"
        "r.yaml:3:12: ./b is a local folder, which nobody else could check; expected models on the Hub; "
        "publish that model first, and name its repo"
    )


def test_the_recipe_is_kept_as_it_was_written(team):
    data = TEXT.replace("\n", "\r\n").encode() + "# naïve\r\n".encode()
    team.recipe.write_bytes(data)
    team.merge("out")
    assert Path("out/mergekit_config.yml").read_bytes() == data


def test_a_published_recipe_says_which_commits(team):
    team.recipe.write_text(TEXT + "publish: {repo: alice/m}\n")
    assert commands.publish(team.recipe, team.open_hub, team.options, silent) == f"{team.hub.endpoint}/alice/m"
    lock = json.loads(team.open_hub().read_file("alice/m", "main", "merge.lock.json"))
    plan = team.call(commands.plan_for_review).plan
    assert [model["commit"] for model in lock["models"]] == [pin.commit for pin in plan.models]


def test_the_recipe_of_a_finished_model_follows_the_lock_that_came_with_it(team, tmp_path):
    """What the card says to do: fetch both files, and merge."""
    team.recipe.write_text(TEXT + "publish: {repo: alice/m}\n")
    commands.publish(team.recipe, team.open_hub, replace(team.options, private=True), silent)
    hub = team.open_hub()
    fetched = tmp_path / "fetched"
    fetched.mkdir()
    for name in ("mergekit_config.yml", "merge.lock.json"):
        (fetched / name).write_bytes(hub.read_file("alice/m", "main", name))
    team.retrain("b")
    commands.merge(fetched / "mergekit_config.yml", tmp_path / "out", team.open_hub, team.options, silent)
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == hub.read_file(
        "alice/m", "main", "model.safetensors"
    )


def test_a_published_model_that_is_still_private_is_told(team):
    team.recipe.write_text(TEXT + "publish: {repo: alice/m}\n")
    commands.publish(team.recipe, team.open_hub, team.options, silent)
    team.hub.store.set_repo("alice/m", private=True)
    said = []
    commands.publish(team.recipe, team.open_hub, team.options, said.append)
    assert [event.text for event in said] == [
        f"{team.hub.endpoint}/alice/m carries this very plan already: nothing to do; it is private, and the recipe "
        "asks for a public one: make it public in its settings if that is meant"
    ]


def test_a_target_that_nobody_may_create_is_told_before_anything_is_computed(team):
    said = []
    with pytest.raises(HubError, match="no token"):
        commands.publish(
            team.recipe,
            lambda: Hub(endpoint=team.hub.endpoint, token=None),
            replace(team.options, repo="alice/new"),
            said.append,
        )
    assert said == []
