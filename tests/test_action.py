"""``action.yml``, its docs and the image's files agree with the code that they are about."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bot.inputs import OUTPUTS, Inputs, read_inputs
from bot.policy import Policy, parse

ROOT = Path(__file__).parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def writer():
    spec = importlib.util.spec_from_file_location("write_action", ROOT / "scripts" / "write_action.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_action_yml_is_up_to_date(writer):
    assert (ROOT / "action.yml").read_text(encoding="utf-8") == writer.action_text()


@pytest.mark.parametrize(("page", "tables"), [("action.md", ("inputs", "outputs")), ("policy.md", ("policy",))])
def test_tables_are_up_to_date(writer, page, tables):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert text == writer.written(text)
    for name in tables:
        assert text.count(f"<!-- {name}: written by scripts/write_action.py -->\n| ") == 1


def test_a_table_that_is_behind_is_seen(writer):
    text = (ROOT / "docs" / "action.md").read_text(encoding="utf-8")
    assert writer.written(text.replace("| `fail-on` | `error` |", "| `fail-on` | `none` |")) == text


def test_inputs_are_those_of_the_code():
    assert list(ACTION["inputs"]) == [field.alias or name for name, field in Inputs.model_fields.items()]
    assert {name for name in ACTION["inputs"] if re.fullmatch(r"[a-z]+(-[a-z]+)*", name)} == set(ACTION["inputs"])
    assert all(value["required"] is False and value["description"] for value in ACTION["inputs"].values())


def test_defaults_mean_what_the_code_does_without_them():
    """The runner passes an input that a workflow leaves out as its default."""
    given = {f"INPUT_{name.upper()}": value.get("default", "") for name, value in ACTION["inputs"].items()}
    assert given.pop("INPUT_GITHUB-TOKEN") == "${{ github.token }}"
    assert all(isinstance(value, str) for value in given.values())
    assert read_inputs(given) == read_inputs({})


def test_outputs_are_those_of_the_code():
    assert {name: value["description"] for name, value in ACTION["outputs"].items()} == OUTPUTS


def test_it_runs_the_image_as_the_runner_needs():
    assert ACTION["runs"] == {
        "using": "docker",
        "image": "Dockerfile",
        "entrypoint": "/usr/local/bin/mergesmith-action",
    }
    assert PROJECT["scripts"]["mergesmith-action"] == "bot.main:main"
    # Docker's own rules for actions: no user, no working directory
    assert not re.search(r"^(USER|WORKDIR)\b", DOCKERFILE, re.MULTILINE)


def test_a_release_finds_the_line_that_it_replaces():
    release = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert r"s|^  image: Dockerfile\$|  image: docker://$IMAGE|" in release
    lines = (ROOT / "action.yml").read_text(encoding="utf-8").splitlines()
    assert lines.count("  image: Dockerfile") == 1


def locked(name: str) -> dict[str, str]:
    """Version by package of a lock whose every line is a package with its hashes."""
    text = (ROOT / "scripts" / name).read_text(encoding="utf-8")
    first, *entries = re.split(r"\n(?=\S)", text.rstrip("\n"))
    assert first == "# Written by scripts/lock.sh."
    found = [re.fullmatch(r"(\S+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)", entry) for entry in entries]
    assert all(found)
    return {match[1]: match[2] for match in found}


def test_the_lock_has_every_dependency_but_torch():
    pinned = locked("requirements.txt")
    wanted = {canonicalize_name(r.name): r for r in map(Requirement, PROJECT["dependencies"])}
    torch = Requirement((ROOT / "scripts" / "torch.txt").read_text(encoding="utf-8").strip())
    assert wanted.pop("torch").specifier.contains(str(torch.specifier).removeprefix("=="))
    assert "torch" not in pinned
    for name, requirement in wanted.items():
        assert requirement.specifier.contains(pinned[name]), f"{requirement}: run scripts/lock.sh"


def test_the_lock_has_no_cuda():
    assert not [name for name in locked("requirements.txt") if name.startswith(("nvidia", "cuda", "triton"))]


def test_the_build_has_a_lock_too():
    assert "hatchling" in locked("requirements-build.txt")


def test_the_image_takes_nothing_that_is_not_locked():
    installs = [line for line in DOCKERFILE.replace("\\\n", " ").splitlines() if "pip install" in line]
    assert len(installs) == 4
    assert all("--no-deps" in line for line in installs)
    [torch] = [line for line in installs if "torch.txt" in line]
    assert all("--require-hashes" in line or "--no-index" in line for line in installs if line != torch)


def test_the_image_may_read_what_it_copies():
    let_through = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    ]
    copied = [
        line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY ") and "--from" not in line
    ]
    named = [source for sources in copied for source in sources if source != "."]
    assert sorted(set(named) - set(let_through)) == []
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert sorted({*packages["packages"], "pyproject.toml", "README.md", "LICENSE"} - set(let_through)) == []


def snippets(page: str) -> list[dict]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)]


def test_workflows_in_the_docs_use_the_action_as_it_is():
    workflows = [snippet for snippet in snippets("action.md") if "jobs" in snippet]
    assert [workflow["name"] for workflow in workflows] == ["plan", "verify", "comment"]
    for workflow in workflows:
        [job] = workflow["jobs"].values()
        [step] = job["steps"]
        given = step.pop("with", {})
        assert (step, given) == (
            {"uses": "mergesmith/mergesmith@v1"},
            {"command": "verify"} if workflow["name"] == "verify" else {},
        )


def test_the_policy_in_the_docs_is_one():
    text = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```yaml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert parse(block) == Policy(
        allowed_licenses=("apache-2.0", "mit", "bsd-*"),
        allowed_owners=("Qwen", "mistralai"),
        target_namespaces=("my-team",),
        max_size=16_000_000_000,
        require_lock=True,
        only_warn=("allowed_owners",),
        override=("ada-l",),
    )
