"""The recipes repo that a user copies: its workflows, policy and recipe work, and its README's steps are right."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import families
import pytest
import yaml

from bot.event import Manual, Push, Schedule
from bot.inputs import Inputs
from bot.jobs import PublishAll, ReportDrift, job_for
from bot.policy import Policy, breaches, parse
from bot.recipes import matcher
from engine.plan.build import build
from engine.plan.plan import Options
from engine.recipe import parse as parse_recipe

REPO = Path(__file__).parents[2] / "examples" / "recipes-repo"
RECIPE = REPO / "recipes" / "slerp.yaml"
README = (REPO / "README.md").read_text(encoding="utf-8")
NAMES = ("plan", "publish", "drift")
SHA = "a" * 40


def workflow(name: str) -> dict:
    """A workflow; YAML 1.1 reads its key ``on`` as true."""
    read = yaml.safe_load((REPO / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in read.items()}


@pytest.mark.parametrize(
    ("name", "on", "permissions"),
    [
        ("plan", {"pull_request": None}, {"contents": "read", "pull-requests": "write"}),
        (
            "publish",
            {"push": {"branches": ["main"]}, "workflow_dispatch": None},
            {"contents": "read", "pull-requests": "write", "id-token": "write"},
        ),
        ("drift", {"schedule": [{"cron": "23 5 * * 1"}]}, {"contents": "read", "issues": "write"}),
    ],
)
def test_workflows_start_when_they_should_with_no_more_than_they_need(name, on, permissions):
    read = workflow(name)
    assert (read["name"], read["on"], read["permissions"]) == (name, on, {})
    [job] = read["jobs"].values()
    assert job["permissions"] == permissions
    assert job["steps"] == [{"uses": "mergesmith/mergesmith@v1"}]


def test_no_workflow_has_a_secret():
    texts = [path.read_text(encoding="utf-8") for path in (REPO / ".github" / "workflows").iterdir()]
    assert len(texts) == len(NAMES)
    assert not [text for text in texts if "secrets." in text]


def test_a_publish_is_never_cancelled_and_a_plan_is():
    assert workflow("publish")["concurrency"] == {"group": "mergesmith-publish", "cancel-in-progress": False}
    assert workflow("drift")["concurrency"]["cancel-in-progress"] is False
    assert workflow("plan")["concurrency"]["cancel-in-progress"] is True


@pytest.mark.parametrize(
    ("event", "job"),
    [
        (Push("refs/heads/main", SHA, deleted=False, default_branch="main"), PublishAll(SHA)),
        (Manual("refs/heads/main", SHA, "main"), PublishAll(SHA)),
        (Schedule(SHA), ReportDrift(SHA)),
    ],
)
def test_their_events_mean_what_their_names_say(event, job):
    assert job_for(event, "auto") == job


def test_the_policy_is_one():
    assert parse((REPO / ".mergesmith.yml").read_text(encoding="utf-8")) == Policy(
        allowed_licenses=("apache-2.0", "mit", "bsd-*", "cc-by-4.0"),
        target_namespaces=("YOUR-NAME",),
        max_size=16_000_000_000,
        require_lock=True,
        only_warn=("require_lock",),
    )


def test_the_recipe_has_no_findings_and_is_found():
    parsed = parse_recipe(RECIPE.read_text(encoding="utf-8"))
    assert parsed.findings == ()
    assert matcher(Inputs().recipes, "").fullmatch("recipes/slerp.yaml")


def test_the_recipe_plans_and_the_policy_allows_it(tmp_path, monkeypatch):
    """Against small models of the same layout: 24 layers, an embedding that is the head."""
    shape = families.Shape(layers=24, width=8, inner=8, vocab=16)
    config = families.config_of(shape, tie_word_embeddings=True)
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-Coder-0.5B-Instruct")):
        tensors = families.random_tensors(shape, seed)
        del tensors["lm_head.weight"]
        families.write_model(tmp_path / name, tensors, config)
    plan, _ = build("recipes/slerp.yaml", RECIPE.read_text(encoding="utf-8"), lambda: None, Options())
    policy = parse((REPO / ".mergesmith.yml").read_text(encoding="utf-8"))
    assert (plan.layers, plan.repo) == (24, "YOUR-NAME/qwen-talks-and-codes")
    assert breaches(policy, plan, locked=True) == ()
    assert [(f.id, f.level) for f in breaches(policy, plan, locked=False)] == [("policy-lock", "warning")]


def test_the_readme_has_five_steps_and_names_what_is_there():
    assert re.findall(r"^(\d)\. \*\*", README, flags=re.MULTILINE) == ["1", "2", "3", "4", "5"]
    claims = dict(re.findall(r"^ +\| `(\w+)` \| `(.+)` \|$", README, flags=re.MULTILINE))
    assert claims == {"repository": "ada-l/recipes", "branch": "main", "workflow": "publish.yml"}
    assert (REPO / ".github" / "workflows" / claims["workflow"]).is_file()
    assert "named `qwen-talks-and-codes`" in README


def test_the_readme_names_every_file_that_holds_a_placeholder():
    holders = {
        str(path.relative_to(REPO))
        for path in REPO.rglob("*")
        if path.is_file() and path.name != "README.md" and "YOUR-NAME" in path.read_text(encoding="utf-8")
    }
    assert holders == {".mergesmith.yml", "recipes/slerp.yaml"}
    assert "in the place of `YOUR-NAME`, in `.mergesmith.yml` and in `recipes/slerp.yaml`" in " ".join(README.split())


def commands(step: str) -> list[str]:
    """Commands of a step, but those that reach for GitHub."""
    text = README.split(f"\n{step}. ")[1].split(f"\n{int(step) + 1}. ")[0]
    found = re.findall(r"^ {7}(git .+)$", text, flags=re.MULTILINE)
    return [command for command in found if not re.match(r"git (push|remote) ", command)]


def test_the_readmes_commands_keep_the_recipe_for_the_pull_request(tmp_path):
    shutil.copytree(REPO, tmp_path / "copy")
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    for command in commands("2") + commands("3"):
        done = command.replace("git ", f"git {' '.join(identity)} ", 1)
        subprocess.run(done, shell=True, cwd=tmp_path / "copy", check=True, capture_output=True)

    def files(branch: str) -> set[str]:
        listed = subprocess.run(
            ["git", "ls-tree", "-r", "--name-only", branch],
            cwd=tmp_path / "copy",
            check=True,
            capture_output=True,
            text=True,
        )
        return set(listed.stdout.split())

    workflows = {f".github/workflows/{name}.yml" for name in NAMES}
    assert files("main") == {".mergesmith.yml", "README.md", *workflows}
    assert files("slerp") == files("main") | {"recipes/slerp.yaml"}
