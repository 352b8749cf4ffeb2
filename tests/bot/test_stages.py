"""A recipe of several documents, from the pull request to the model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download

STAGES = """\
name: blend
merge_method: slerp
base_model: bob/base
models:
  - model: bob/base
  - model: bob/tune
parameters:
  t: 0.5
---
merge_method: linear
models:
  - model: blend
    parameters: {weight: 1}
  - model: bob/third
    parameters: {weight: 3}
dtype: bfloat16
publish:
  repo: alice/tiny
"""


@pytest.fixture
def third(seed, parents):
    return parents | {"bob/third": seed("bob/third", 3)}


def test_from_the_pull_request_to_the_model(github, events, act, third, devhub, tmp_path):
    base = github.commit({"README.md": "Our merges."})
    head = github.commit({"recipes/tiny.yaml": STAGES}, base)
    number = github.open_pull(head, base)
    ran = act("pull_request", events.pull(github, number, "opened"), head)
    assert (ran.status, ran.commands) == (0, [])
    body = github.comments[number][0]["body"]
    assert "**Makes** `tiny` by `linear`: " in body
    assert " By way of `blend`: `slerp` of `bob/base` and `bob/tune`.\n" in body
    assert "| `blend` | `" in body
    for name, commit in third.items():
        assert f"[`{name}`]({devhub.endpoint}/{name})" in body
        assert f"{name}/tree/{commit}" in body
    (plan,) = json.loads(ran.outputs["plans"])["recipes"]
    assert [model["ref"] for model in plan["models"]] == ["bob/base", "bob/tune", "bob/third"]
    assert plan["stages"] == [{"name": "blend", "merge_method": "slerp", "models": ["bob/base", "bob/tune"]}]

    main = github.commit({"recipes/tiny.yaml": STAGES}, base)
    github.merge_pull(number, main)
    ran = act("push", events.push(main), main, hf_token="hf_alice_token")
    assert (ran.status, ran.outputs["repos"]) == (0, "alice/tiny")
    options = {"endpoint": devhub.endpoint, "token": False, "local_dir": tmp_path / "down"}
    published = Path(hf_hub_download("alice/tiny", "mergekit_config.yml", **options))
    assert published.read_text() == STAGES
    # the same again: every digest is found, and nothing is to be done
    ran = act("push", events.push(main), main, hf_token="hf_alice_token")
    assert (ran.status, ran.commands) == (0, [])
    assert "Nothing to do: every target carries its plan already." in ran.summary


def test_findings_and_the_policys_stand_at_the_lines_of_the_stage(github, events, act, third):
    base = github.commit({".mergesmith.yml": "allowed_owners: [alice]\n"})
    bad = STAGES.replace("bob/third", "blnd").replace("t: 0.5", "t: 5")
    head = github.commit({"recipes/tiny.yaml": bad}, base)
    number = github.open_pull(head, base)
    ran = act("pull_request", events.pull(github, number, "opened"), head)
    assert [command.partition("::")[2].partition(",title")[0] for command in ran.commands] == [
        "error file=recipes/tiny.yaml,line=8,col=6",
        "error file=recipes/tiny.yaml,line=14,col=12",
    ]
    assert ran.commands[1].endswith("::there is no stage `blnd`; did you mean `blend`?")

    head = github.commit({"recipes/tiny.yaml": STAGES}, base)
    number = github.open_pull(head, base)
    ran = act("pull_request", events.pull(github, number, "opened"), head)
    told = [command for command in ran.commands if "policy-owner" in command]
    assert [command.partition("::")[2].partition(",title")[0] for command in told] == [
        "error file=recipes/tiny.yaml,line=5,col=12",
        "error file=recipes/tiny.yaml,line=6,col=12",
        "error file=recipes/tiny.yaml,line=14,col=12",
    ]
