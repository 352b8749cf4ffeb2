"""Inputs: from the runner's environment to one typed value."""

from __future__ import annotations

import pytest

from bot.failures import REASONS, SettingsError
from bot.inputs import OUTPUTS, Inputs, read_inputs

NAMES = [
    "command",
    "recipes",
    "hf-token",
    "github-token",
    "namespace",
    "private",
    "create-pr",
    "fail-on",
    "comment",
    "require-lock",
    "working-directory",
]


def test_names_and_descriptions():
    assert [info.alias or name for name, info in Inputs.model_fields.items()] == NAMES
    assert all(info.description.endswith(".") for info in Inputs.model_fields.values())
    assert list(OUTPUTS) == ["plans", "repos", "urls", "digest", "failure-reason"]
    assert all(reason in OUTPUTS["failure-reason"] for reason in REASONS)


def test_defaults():
    assert read_inputs({}) == Inputs()
    assert read_inputs({f"INPUT_{name.upper()}": "" for name in NAMES}) == Inputs()
    inputs = Inputs()
    assert (inputs.command, inputs.fail_on, inputs.private, inputs.comment) == ("auto", "error", False, True)
    assert inputs.recipes == ("recipes/**/*.yaml", "recipes/**/*.yml")


def test_values():
    given = {
        "INPUT_COMMAND": "plan",
        "INPUT_RECIPES": "  a/*.yaml \n\n b.yml\n",
        "INPUT_HF-TOKEN": "hf_x",
        "INPUT_GITHUB-TOKEN": "ghs_y",
        "INPUT_NAMESPACE": "alice",
        "INPUT_PRIVATE": "TRUE",
        "INPUT_FAIL-ON": "warning",
        "INPUT_COMMENT": "False",
        "INPUT_REQUIRE-LOCK": "true",
        "INPUT_WORKING-DIRECTORY": "./models/",
        "INPUT_ELSE": "x",
    }
    inputs = read_inputs(given)
    assert inputs == Inputs(
        command="plan",
        recipes=("a/*.yaml", "b.yml"),
        hf_token="hf_x",
        github_token="ghs_y",
        namespace="alice",
        private=True,
        fail_on="warning",
        comment=False,
        require_lock=True,
        working_directory="models",
    )
    assert inputs.secrets == ("hf_x", "ghs_y")
    assert "hf_x" not in repr(inputs)
    assert "ghs_y" not in repr(inputs)


def test_every_mistake_at_once():
    given = {
        "INPUT_COMMAND": "deploy",
        "INPUT_RECIPES": "/etc/*.yaml",
        "INPUT_NAMESPACE": "alice/x",
        "INPUT_PRIVATE": "yes",
        "INPUT_FAIL-ON": "never",
        "INPUT_WORKING-DIRECTORY": "a/../..",
    }
    with pytest.raises(SettingsError) as refusal:
        read_inputs(given)
    assert str(refusal.value).splitlines() == [
        "input command: 'deploy': expected 'auto', 'plan', 'publish' or 'verify'",
        "input recipes: '/etc/*.yaml': expected patterns of files in the repo, without `..`",
        "input namespace: 'alice/x': expected a user or an organisation, without `/`",
        "input private: 'yes': expected true or false",
        "input fail-on: 'never': expected 'error' or 'warning'",
        "input working-directory: 'a/../..': expected a folder of the repo, such as `models`, without `..`",
    ]


def test_inputs_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Inputs().command = "publish"
