"""Hostile pull requests, driven through the whole Action."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ALICE = "hf_alice_token"
README = {"README.md": "Our merges."}
EVIL = "x|<img src=x onerror=y>](http://evil.example)\n::error::owned\n@octocat #1 `**b**"


def rendered(markdown: str) -> str:
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)


def plan_of(github, events, act, files, *, links=(), **inputs):
    base = github.commit(README)
    head = github.commit(README | files, base, dict(links))
    number = github.open_pull(head, base)
    ran = act("pull_request", events.pull(github, number, "opened"), head, **inputs)
    bodies = [comment["body"] for comment in github.comments[number]]
    return ran, bodies[0] if bodies else ""


def harmless(text: str) -> None:
    """No stranger's markup, link, image or mention came through."""
    page = rendered(text)
    assert "<img" not in page
    assert 'evil.example"' not in page
    assert "<strong>b</strong>" not in page
    outside_code = re.sub(r"<code.*?</code>", "", page, flags=re.DOTALL)
    assert "@octocat" not in outside_code
    assert not re.search(r"#\d", outside_code)
    assert page.count("<details>") == page.count("</details>")


def test_names_of_recipes(github, events, act, parents, recipe, runner):
    ran, body = plan_of(github, events, act, {f"recipes/{EVIL.replace('//', '')}.yaml": "merge_method: nothing\n"})
    assert ran.status == 1
    harmless(body)
    harmless(ran.summary)
    allowed = ("::add-mask::", "::stop-commands::", "::error file=recipes/x|<img src=x onerror=y>](http%3Aevil")
    assert all(line.startswith(allowed) for line in runner.obeyed(ran.log))
    assert "%0A%3A%3Aerror%3A%3Aowned" in ran.commands[0]
    assert runner.read_outputs(f"{ran.outputs['plans']}") == {}


@pytest.mark.parametrize(
    "text",
    [
        f"models:\n  - model: {json.dumps(EVIL)}\nmerge_method: linear\n",
        f"{json.dumps(EVIL)}: 1\n",
        f"merge_method: {json.dumps(EVIL)}\n",
        f"name: {json.dumps(EVIL)}\nmerge_method: linear\nmodels: [{{model: bob/base}}]\n",
        f"publish: {{repo: {json.dumps(EVIL)}}}\n",
        "</details>\n<!-- mergesmith -->: [",
    ],
)
def test_texts_in_recipes(github, events, act, parents, text, runner):
    ran, body = plan_of(github, events, act, {"recipes/a.yaml": text})
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "bad-recipe")
    harmless(body)
    harmless(ran.summary)
    for line in runner.obeyed(ran.log):
        assert line.startswith(
            ("::add-mask::ghs", "::stop-commands::", "::error file=recipes/a.yaml,", "::warning file")
        )


def test_cards_of_parents(github, events, act, seed, recipe):
    seed("bob/base", 1, license=json.dumps(EVIL))
    seed("bob/tune", 2)
    ran, body = plan_of(github, events, act, {"recipes/a.yaml": recipe})
    assert "evil.example" in body
    harmless(body)
    harmless(ran.summary)


def test_what_the_target_holds(github, events, act, parents, recipe, devhub):
    devhub.store.create_repo("alice/tiny", "alice")
    lock = {"engine": "", "numerics": 1, "recipe": "", "models": [], "weights_digest": "", "plan_digest": EVIL}
    pin = {"ref": EVIL, "kind": "hub", "repo": "a/b", "revision": None, "commit": "c" * 40, "files": []}
    pin |= {"license": None, "license_name": None, "license_link": None, "gated": False, "private": False}
    lock["models"] = [pin | {"architecture": "X", "parameters": 1}]
    files = {"merge.record.json": b"{}", "merge.lock.json": json.dumps(lock).encode()}
    files |= {"mergekit_config.yml": f"```\n</details>{EVIL}\n".encode()}
    devhub.store.commit_files("alice/tiny", files, "x")
    ran, body = plan_of(github, events, act, {"recipes/a.yaml": recipe})
    assert ran.status == 0
    assert "</details>x|" in body
    harmless(body)
    harmless(ran.summary)


def test_names_of_files_at_a_target_that_is_verified(github, events, act, parents, recipe, devhub, runner):
    main = github.commit({"recipes/a.yaml": recipe})
    act("push", events.push(main), main, hf_token=ALICE)
    name = "x|<img src=x onerror=y>](evil.example)\n::error::owned\n@octocat #1 `**b**`.safetensors"
    devhub.store.commit_files("alice/tiny", {name: b"x"}, "x")
    number = github.open_pull(main, main)
    github.permissions["octocat"] = "write"
    ran = act("issue_comment", events.comment(number, "/mergesmith verify", "octocat"), main)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "verify-failed")
    (comment,) = github.comments[number]
    assert "a reader would take it for the model's" in comment["body"]
    harmless(comment["body"])
    harmless(ran.summary)
    allowed = ("::add-mask::", "::stop-commands::", "::group::", "::endgroup::", "::error file=recipes/a.yaml,")
    assert all(line.startswith(allowed) for line in runner.obeyed(ran.log))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\n" * 1, None),
        ("[" * 5000, None),
        ("x: " + "y" * (1024 * 1024), "is larger than 1024 KiB"),
        ("\x00\x01", None),
    ],
)
def test_huge_and_deep_yaml(github, events, act, text, says):
    ran, body = plan_of(github, events, act, {"recipes/a.yaml": text})
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "bad-recipe")
    assert says is None or says in body


def test_text_that_is_not_utf8(github, events, act):
    ran, body = plan_of(github, events, act, {"recipes/a.yaml": b"\xff\xfe"})
    assert (ran.outputs["failure-reason"], "not UTF\\-8" in body or "not UTF-8" in body) == ("bad-recipe", True)


def test_a_lock_that_is_none(github, events, act, parents, recipe):
    deep = "[" * 100_000
    ran, body = plan_of(github, events, act, {"recipes/a.yaml": recipe, "recipes/a.lock.json": deep})
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "plan-changed")
    assert "recipes/a.lock.json: not a lock that can be read" in body


def test_symbolic_links_are_not_followed(github, events, act, recipe, tmp_path):
    secret = tmp_path / "secret.yaml"
    secret.write_text("SECRET")
    workspace = tmp_path / "workspace"
    (workspace / "recipes").mkdir(parents=True)
    (workspace / "recipes/a.yaml").symlink_to(secret)
    ran, body = plan_of(github, events, act, {}, links={"recipes/a.yaml": str(secret)})
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "bad-recipe")
    assert "recipes/a.yaml is a symbolic link, which is not followed" in body
    assert "SECRET" not in body + ran.summary + ran.log
    ran, body = plan_of(github, events, act, {"recipes/b.yaml": recipe}, links={"recipes/b.lock.json": "/etc/passwd"})
    assert "recipes/b.lock.json is a symbolic link" in body


@pytest.mark.parametrize("name", ["/etc", "..", "./models", "~/models", "../../secret", "C:\\x"])
def test_no_folder_is_a_model(github, events, act, name, tmp_path):
    text = f"models:\n  - model: {json.dumps(name)}\nmerge_method: linear\ndtype: bfloat16\n"
    ran, _ = plan_of(github, events, act, {"recipes/a.yaml": text})
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "bad-recipe")
    assert json.loads(ran.outputs["plans"])["recipes"][0]["models"] == []


def test_a_folder_of_the_workspace_never_stands_in_for_a_model(
    github, events, act, parents, recipe, tmp_path, monkeypatch
):
    workspace = tmp_path / "workspace"
    (workspace / "bob/base").mkdir(parents=True)
    (workspace / "bob/base/config.json").write_text("{}")
    monkeypatch.chdir(workspace)
    ran, _ = plan_of(github, events, act, {"recipes/a.yaml": recipe})
    assert json.loads(ran.outputs["plans"])["recipes"][0]["models"][0]["commit"] == parents["bob/base"]


@pytest.mark.parametrize("ref", ["https://evil.example/a/b", "http://127.0.0.1:1/a/b", "//evil.example/x"])
def test_a_recipe_names_no_other_host(github, events, act, ref):
    text = f"models:\n  - model: {ref}\nmerge_method: linear\ndtype: bfloat16\n"
    ran, _ = plan_of(github, events, act, {"recipes/a.yaml": text})
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "bad-recipe")


def test_a_plan_reads_as_nobody(github, events, act, seed, recipe, devhub):
    """A private parent's facts would leak into a comment that everybody reads."""
    seed("bob/base", 1)
    seed("alice/secret", 2, private=True)
    text = recipe.replace("bob/tune", "alice/secret")
    ran, body = plan_of(github, events, act, {"recipes/a.yaml": text}, hf_token=ALICE)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "bad-recipe")
    assert "alice/secret: no such model" in body
    assert "> Plans read the Hub as nobody, so that a comment tells nothing private." in body
    assert {exchange.user for exchange in devhub.log} == {None}


def test_unless_the_policy_of_the_base_allows_it(github, events, act, seed, recipe):
    seed("bob/base", 1)
    seed("alice/secret", 2, private=True)
    text = recipe.replace("bob/tune", "alice/secret")
    base = github.commit({".mergesmith.yml": "read_private: true\n"})
    head = github.commit({".mergesmith.yml": "read_private: true\n", "recipes/a.yaml": text}, base)
    own, fork = github.open_pull(head, base), github.open_pull(head, base, repo="stranger/merges")
    assert act("pull_request", events.pull(github, own, "opened"), head, hf_token=ALICE).status == 0
    ran = act("pull_request_target", events.pull(github, fork, "opened"), head, hf_token=ALICE)
    assert (ran.status, "no such model" in github.comments[fork][0]["body"]) == (1, True)
    unsafe = github.commit({"README.md": "x"})
    claims = github.commit({".mergesmith.yml": "read_private: true\n", "recipes/a.yaml": text}, unsafe)
    number = github.open_pull(claims, unsafe)
    assert act("pull_request", events.pull(github, number, "opened"), claims, hf_token=ALICE).status == 1


def test_a_fork_gets_a_plan_without_a_comment(github, events, act, parents, recipe):
    github.read_only = True
    base = github.commit(README)
    head = github.commit({"recipes/a.yaml": recipe}, base)
    number = github.open_pull(head, base, repo="stranger/merges")
    ran = act("pull_request", events.pull(github, number, "opened"), head)
    assert (ran.status, ran.outputs["failure-reason"], github.comments[number]) == (0, "", [])
    assert "✅ Ready to merge." in ran.summary
    assert "There is no comment on the pull request: this run's token may not write it" in ran.summary


def test_somebody_elses_comment_with_our_marker_is_left_alone(github, events, act, parents, recipe):
    base = github.commit(README)
    head = github.commit({"recipes/a.yaml": recipe}, base)
    number = github.open_pull(head, base)
    event = events.pull(github, number, "opened")
    act("pull_request", event, head)
    ours = github.comments[number][0]
    github.comments[number].insert(
        0, ours | {"id": 1, "user": {"login": "stranger", "type": "User"}, "body": ours["body"]}
    )
    github.comments[number][0]["body"] += "mine"
    act("pull_request", event, head)
    assert [c["body"].endswith("mine") for c in github.comments[number]] == [True, False]
    assert github.writes()[-1] == ("PATCH", f"/repos/octocat/merges/issues/comments/{ours['id']}")


def test_fifty_recipes_at_most_and_comments_have_a_limit(github, events, act, parents, recipe, runner):
    bad = "merge_method: " + "".join(f"\n{'k' * 60}{i}: 1" for i in range(30))
    files = {f"recipes/{i:03d}.yaml": recipe if i < 3 else f"{bad}\nz{i}: 1\n" for i in range(60)}
    ran, body = plan_of(github, events, act, files)
    assert ran.status == 1
    assert "Only the first 50 recipes are planned; 10 more changed." in body
    assert len(json.loads(ran.outputs["plans"])["recipes"]) == 50
    assert 40_000 < len(body) <= 65_536
    assert f"[the run's summary](https://github.com/{runner.repo}/actions/runs/42) has them." in body
    harmless(body)
    assert body.count("```") % 2 == 0
    assert all(f"`recipes/{i:03d}.yaml`" in body for i in range(50))
    assert len(ran.summary.encode()) <= 1024 * 1024
    assert len(ran.commands) <= 30
    assert sum(command.startswith("::error") for command in ran.commands) == 10


def test_no_secret_is_ever_told(github, events, act, parents, recipe, devhub, runner):
    """Not even where the Hub itself repeats it."""
    main = github.commit({"recipes/a.yaml": recipe.replace("alice/tiny", "alice/hf_alice_token")})
    ran = act("push", events.push(main), main, hf_token=ALICE)
    told = ran.summary + json.dumps(ran.outputs) + ran.log.replace(f"::add-mask::{ALICE}\n", "")
    told = told.replace(f"::add-mask::{runner.token}\n", "")
    assert ran.status == 0
    assert ALICE not in told
    assert runner.token not in told
    assert "***" in told


def test_the_container_runs_ours_and_nobody_elses(github, events, environment, parents, recipe, tmp_path, runner):
    """As the image starts it, in a workspace whose folders are named like our packages; with a token lying about."""
    workspace = tmp_path / "workspace"
    for name in ("engine", "bot", "templates", "examples"):
        (workspace / name).mkdir(parents=True)
        (workspace / name / "__init__.py").write_text("import os\nos._exit(99)\n")
    (workspace / "templates/comment.md.j2").write_text("OWNED")
    base = github.commit(README)
    head = github.commit({"recipes/a.yaml": recipe}, base)
    number = github.open_pull(head, base)
    variables = environment("pull_request", events.pull(github, number, "opened"), head)
    variables |= {"HF_TOKEN": ALICE, "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", "bot"]
    done = subprocess.run(command, cwd=workspace, env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    ran = runner.collect(done.returncode, done.stdout, variables)
    assert "✅ Ready to merge." in ran.summary

    main = github.commit({"recipes/a.yaml": recipe}, base)
    variables = environment("push", events.push(main), main, hf_token=ALICE) | {"PYTHONSAFEPATH": "1"}
    done = subprocess.run(command, cwd=workspace, env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert runner.collect(0, done.stdout, variables).outputs["repos"] == "alice/tiny"


def test_a_token_that_lies_about_is_not_used_for_a_plan(github, events, environment, seed, recipe, devhub, runner):
    seed("bob/base", 1)
    seed("alice/secret", 2, private=True)
    base = github.commit(README)
    head = github.commit({"recipes/a.yaml": recipe.replace("bob/tune", "alice/secret")}, base)
    number = github.open_pull(head, base)
    variables = environment("pull_request", events.pull(github, number, "opened"), head)
    variables |= {"HF_TOKEN": ALICE, "HUGGING_FACE_HUB_TOKEN": ALICE}
    home = Path(variables["HF_HOME"])
    home.mkdir()
    (home / "token").write_text(ALICE)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "bot"], env=variables, capture_output=True, text=True, check=False, cwd=os.sep
    )
    assert done.returncode == 1
    assert "alice/secret: no such model" in github.comments[number][0]["body"]
    assert {exchange.user for exchange in devhub.log} == {None}
    assert ALICE not in done.stdout.replace(f"::add-mask::{ALICE}\n", "")
