"""The whole Action, driven as the runner drives it, against a recording GitHub and the embedded Hub."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download

from bot.before import look_at_target

ALICE = "hf_alice_token"
README = {"README.md": "Our merges."}
BAD = """\
models:
  - model: bob/base
  - model: bob/tune
merge_metod: slerp
parameters:
  t: 0.5
"""


@pytest.fixture
def published(devhub, tmp_path):
    """Read a published file, as anybody may."""

    def read(name: str, repo: str = "alice/tiny") -> bytes:
        path = hf_hub_download(repo, name, endpoint=devhub.endpoint, token=False, local_dir=tmp_path / "down")
        return Path(path).read_bytes()

    return read


@pytest.fixture
def lock_in(github, events, act, parents, recipe):
    """The lock that a comment shows for RECIPE: what a person would paste."""
    base = github.commit(README)
    head = github.commit(README | {"recipes/tiny.yaml": recipe}, base)
    number = github.open_pull(head, base, ref="scratch")
    act("pull_request", events.pull(github, number, "opened"), head)
    body = github.comments.pop(number)[0]["body"]
    del github.pulls[number]
    github.requests.clear()
    return re.search(r"```json\n(.*?)\n```", body, re.DOTALL)[1] + "\n"


@pytest.mark.usefixtures("parents")
def test_from_a_bad_recipe_to_a_model(github, events, act, recipe, devhub, published, runner):
    base = github.commit(README)
    bad = github.commit(README | {"recipes/tiny.yaml": BAD}, base)
    number = github.open_pull(bad, base)

    ran = act("pull_request", events.pull(github, number, "opened"), bad)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "bad-recipe")
    assert ran.commands[0] == (
        "::error file=recipes/tiny.yaml,line=4,col=1,title=mergesmith%3A unknown-key::"
        "`merge_metod` is no key of a recipe; did you mean `merge_method`?"
    )
    (comment,) = github.comments[number]
    assert "❌ This recipe cannot be merged as it is." in comment["body"]
    assert f"[4:1](https://github.com/{runner.repo}/blob/{bad}/recipes/tiny.yaml#L4)" in comment["body"]
    assert "did you mean `merge_method`?" in comment["body"]
    assert "did you mean `merge_method`?" in ran.summary
    assert json.loads(ran.outputs["plans"])["recipes"][0]["findings"][0]["id"] == "unknown-key"

    good = github.commit(README | {"recipes/tiny.yaml": recipe}, bad)
    github.push_to_pull(number, good)
    ran = act("pull_request", events.pull(github, number, "synchronize"), good)
    assert (ran.status, ran.outputs["failure-reason"], ran.commands) == (0, "", [])
    (edited,) = github.comments[number]
    assert edited["id"] == comment["id"]
    assert "✅ Ready to merge." in edited["body"]
    plan = json.loads(ran.outputs["plans"])["recipes"][0]
    assert plan["digest"] in edited["body"]
    assert plan["output"]["repo"] == "alice/tiny"
    assert devhub.store.repo("alice/tiny") is None

    main = github.commit(README | {"recipes/tiny.yaml": recipe}, base)
    github.merge_pull(number, main)
    ran = act("pull_request", events.pull(github, number, "closed"), main)
    assert (ran.status, ran.summary) == (0, "Nothing to do: it is merged: the push publishes.\n")
    ran = act("push", events.push(main), main, hf_token=ALICE)
    assert (ran.status, ran.outputs["failure-reason"]) == (0, "")
    url = f"{devhub.endpoint}/alice/tiny"
    assert (ran.outputs["repos"], ran.outputs["urls"]) == ("alice/tiny", url)
    assert ran.commands == [
        "::notice file=recipes/tiny.yaml,line=1,col=1,title=mergesmith%3A published::"
        f"recipes/tiny.yaml is published: {url}"
    ]
    assert json.loads(published("merge.record.json"))["plan_digest"] == plan["digest"]
    assert published("mergekit_config.yml").decode() == recipe
    assert len(github.comments[number]) == 2
    told = github.comments[number][1]["body"]
    assert "✅ 1 model published." in told
    assert f"[`alice/tiny`]({url})" in told
    assert plan["digest"] in told

    head = devhub.store.resolve("alice/tiny", "main")
    before = len(github.writes())
    ran = act("push", events.push(main), main, hf_token=ALICE)
    assert (ran.status, ran.outputs["repos"], ran.commands) == (0, "alice/tiny", [])
    assert "☑️ Nothing to do: every target carries its plan already." in ran.summary
    assert "::group::publish" not in ran.log  # no process was started for it
    assert (devhub.store.resolve("alice/tiny", "main"), len(github.writes())) == (head, before)


def test_a_parent_moves_and_the_lock_gives_the_same_bytes(
    github, events, act, recipe, lock_in, seed, parents, published, devhub, runner
):
    files = README | {"recipes/tiny.yaml": recipe, "recipes/tiny.lock.json": lock_in}
    main = github.commit(files)
    ran = act("schedule", events.schedule(), main)
    assert (ran.status, github.issues) == (0, [])
    assert "Every locked parent is as it was." in ran.summary

    act("push", events.push(main), main, hf_token=ALICE)
    weights = published("model.safetensors")
    devhub.store.delete_repo("alice/tiny")
    moved = seed("bob/tune", 3)

    ran = act("schedule", events.schedule(), main)
    assert ran.status == 0
    (issue,) = github.issues
    assert (issue["title"], issue["state"]) == ("mergesmith: parents changed since they were locked", "open")
    row = f"| `recipes/tiny.yaml` | [`bob/tune`]({devhub.endpoint}/bob/tune) | `{parents['bob/tune'][:8]}` | "
    what = f"it moved from {parents['bob/tune'][:8]} to {moved[:8]}: Upload"
    assert f"{row}{what} |" in issue["body"]
    assert "bob/base" not in issue["body"]
    assert ran.commands == [
        f"::warning file=recipes/tiny.lock.json,line=1,col=1,title=mergesmith%3A drift::bob/tune: {what}"
    ]

    ran = act("push", events.push(main), main, hf_token=ALICE)
    assert (ran.status, ran.outputs["failure-reason"]) == (0, "")
    assert published("model.safetensors") == weights


def test_drift_is_one_issue(github, events, act, recipe, lock_in, seed, devhub, parents):
    main = github.commit({"recipes/tiny.yaml": recipe, "recipes/tiny.lock.json": lock_in})
    seed("bob/tune", 3)
    act("schedule", events.schedule(), main)
    seed("bob/tune", 4)
    act("schedule", events.schedule(), main)
    (issue,) = github.issues
    issue["state"] = "closed"
    act("schedule", events.schedule(), main)
    assert issue["state"] == "closed"  # somebody closed it, and nothing else changed
    devhub.store.set_repo("bob/base", gated="auto")
    act("schedule", events.schedule(), main)
    assert issue["state"] == "open"
    assert "access is given on request only now" in issue["body"]
    devhub.store.delete_repo("bob/tune")
    ran = act("schedule", events.schedule(), main)
    assert "❌ it is gone, or private now; what is locked can no longer be merged" in issue["body"]
    assert "What is marked ❌ can no longer be merged as it was locked" in issue["body"]
    assert "Nothing breaks by this" not in issue["body"]
    assert "2 locked parents changed" in ran.summary
    new = {"recipes/tiny.yaml": recipe}
    ran = act("schedule", events.schedule(), github.commit(new))
    assert issue["state"] == "closed"
    assert len(github.issues) == 1


def test_drift_of_private_parents(github, events, act, recipe, lock_in, seed, devhub):
    """A lock that was made with a token: without one, nobody knows whether the parent is still there."""
    lock = json.loads(lock_in)
    lock["models"][1]["private"] = True
    main = github.commit({"recipes/tiny.yaml": recipe, "recipes/tiny.lock.json": json.dumps(lock)})
    devhub.store.set_repo("bob/tune", private=True)
    assert act("schedule", events.schedule(), main).commands == []
    moved = seed("bob/tune", 3)
    (shown,) = act("schedule", events.schedule(), main, hf_token="hf_bob_token").commands
    assert shown.endswith(f"::bob/tune: it moved from {lock['models'][1]['commit'][:8]} to {moved[:8]}")
    (shown,) = act("schedule", events.schedule(), main, hf_token=ALICE).commands
    assert "bob/tune: it is gone, or private now" in shown


@pytest.mark.usefixtures("parents")
def test_a_lock_that_was_tampered_with(github, events, act, recipe, lock_in, devhub):
    tampered = json.loads(lock_in)
    tampered["models"][1]["files"][1]["hash"] = "sha256:" + "0" * 64
    files = {"recipes/tiny.yaml": recipe, "recipes/tiny.lock.json": json.dumps(tampered)}
    main = github.commit(files)
    ran = act("push", events.push(main), main, hf_token=ALICE)
    assert (ran.status, ran.outputs["failure-reason"], ran.outputs["repos"]) == (1, "plan-changed", "")
    (shown,) = ran.commands
    assert shown.startswith("::error file=recipes/tiny.yaml,line=1,col=1,title=mergesmith%3A lock-stale::")
    assert "recipes/tiny.lock.json: bob/tune does not hold what was locked: model.safetensors differs" in shown
    assert devhub.store.repo("alice/tiny") is None

    base = github.commit(README)
    head = github.commit(files, base)
    number = github.open_pull(head, base)
    ran = act("pull_request", events.pull(github, number, "opened"), head)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "plan-changed")
    body = github.comments[number][0]["body"]
    assert "The lock does not fit: here is one that does" in body
    assert lock_in.strip() in body
    assert "/octocat/merges/edit/change/recipes/tiny.lock.json)" in body


@pytest.mark.usefixtures("parents")
def test_a_lock_whose_commit_is_gone(github, events, act, recipe, lock_in, devhub):
    wrong = json.loads(lock_in)
    wrong["models"][1]["commit"] = "0123456789abcdef0123456789abcdef01234567"
    files = {"recipes/tiny.yaml": recipe, "recipes/tiny.lock.json": json.dumps(wrong)}
    main = github.commit(files)
    ran = act("push", events.push(main), main, hf_token=ALICE)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "plan-changed")
    says = "title=mergesmith%3A lock-stale::bob/tune is locked at commit 0123456789ab, which "
    (shown,) = ran.commands
    assert shown.startswith(f"::error file=recipes/tiny.yaml,line=3,col=12,{says}")

    base = github.commit(README)
    head = github.commit(files, base)
    number = github.open_pull(head, base)
    ran = act("pull_request", events.pull(github, number, "opened"), head)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "plan-changed")
    (shown,) = ran.commands
    assert says in shown
    body = github.comments[number][0]["body"]
    assert "The lock does not fit: here is one that does" in body
    assert lock_in.strip() in body

    devhub.store.delete_repo("bob/base")
    ran = act("pull_request", events.pull(github, number, "reopened"), head)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "bad-recipe")  # the recipe comes first
    assert says in "".join(ran.commands)


@pytest.mark.usefixtures("parents")
def test_a_publish_that_failed_is_made_up_for(github, events, act, recipe, devhub):
    base = github.commit(README)
    main = github.commit({"recipes/tiny.yaml": recipe}, base)
    number = github.open_pull(main, base)
    github.merge_pull(number, main)
    devhub.inject("commit", status=500, times=99)
    ran = act("push", events.push(main), main, hf_token=ALICE)
    assert (ran.status, ran.outputs["failure-reason"], ran.outputs["repos"]) == (1, "network", "")
    assert "Not published (network)." in github.comments[number][0]["body"]
    devhub.clear_faults()

    later = github.commit({"recipes/tiny.yaml": recipe, "NOTES.md": "x"}, main)
    ran = act("push", events.push(later, before=main), later, hf_token=ALICE)
    assert (ran.status, ran.outputs["repos"]) == (0, "alice/tiny")

    ran = act("push", events.push(main), main, hf_token=ALICE)
    assert ran.status == 0


@pytest.mark.usefixtures("parents")
def test_permission(github, events, act, recipe):
    main = github.commit({"recipes/tiny.yaml": recipe})
    ran = act("push", events.push(main), main)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "permission")
    ran = act("push", events.push(main), main, hf_token="hf_bob_token")
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "permission")
    assert "hf_bob_token" not in ran.summary + json.dumps(ran.outputs)


@pytest.mark.usefixtures("parents")
def test_pull_requests_on_the_hub(github, events, act, recipe, devhub, published):
    devhub.store.create_repo("bob/tiny", "bob")
    base = github.commit(README)
    main = github.commit({"recipes/tiny.yaml": recipe.replace("alice/tiny", "bob/tiny")}, base)
    number = github.open_pull(main, base)
    github.merge_pull(number, main)
    ran = act("push", events.push(main), main, hf_token=ALICE, create_pr="true")
    assert (ran.status, ran.outputs["failure-reason"], ran.outputs["repos"]) == (0, "", "bob/tiny")
    assert re.fullmatch(rf"{devhub.endpoint}/bob/tiny/discussions/\d+", ran.outputs["urls"])
    body = github.comments[number][0]["body"]
    assert "✅ 1 model offered as pull requests." in body
    assert f"[`bob/tiny`]({ran.outputs['urls']})\n\nOffered in a pull request on the Hub: merge it there." in body
    assert ran.commands[0].endswith(f"offered::recipes/tiny.yaml is offered: {ran.outputs['urls']}")

    again = act("push", events.push(main), main, hf_token=ALICE, create_pr="true")
    assert (again.status, again.outputs["urls"], again.commands) == (0, ran.outputs["urls"], [])
    assert "☑️ Nothing to do: every target carries its plan already, or is offered it." in again.summary
    assert "A pull request there offers it already." in again.summary


@pytest.mark.usefixtures("parents")
def test_what_is_published_is_what_was_judged(github, events, act, recipe, seed, monkeypatch, parents, published):
    """A parent that moves between the plan and the merge changes nothing, even without a lock."""
    planned = look_at_target

    def look(hub, plan):
        seed("bob/tune", 3)
        return planned(hub, plan)

    monkeypatch.setattr("bot.pushing.look_at_target", look)
    main = github.commit({"recipes/tiny.yaml": recipe})
    ran = act("push", events.push(main), main, hf_token=ALICE)
    assert (ran.status, ran.outputs["repos"]) == (0, "alice/tiny")
    lock = json.loads(published("merge.lock.json"))
    assert [model["commit"] for model in lock["models"]] == list(parents.values())


@pytest.mark.usefixtures("parents")
def test_a_new_target_that_was_left_private_is_opened(github, events, act, recipe, devhub):
    main = github.commit({"recipes/tiny.yaml": recipe})
    devhub.inject("*settings*", status=500, times=99)
    ran = act("push", events.push(main), main, hf_token=ALICE)
    assert (ran.status, devhub.store.repo("alice/tiny").private) == (1, True)
    devhub.clear_faults()
    ran = act("push", events.push(main), main, hf_token=ALICE)
    assert (ran.status, ran.outputs["repos"], devhub.store.repo("alice/tiny").private) == (0, "alice/tiny", False)
    assert "stays so" not in ran.summary


@pytest.mark.usefixtures("parents")
def test_a_target_that_was_private_is_told_of(github, events, act, recipe, devhub):
    devhub.store.create_repo("alice/tiny", "alice", private=True)
    main = github.commit({"recipes/tiny.yaml": recipe})
    hidden = "It was private before and stays so; if that is not meant, make it public in its settings on the Hub."
    ran = act("push", events.push(main), main, hf_token=ALICE)
    assert (ran.status, f"Published. {hidden}" in ran.summary) == (0, True)
    ran = act("push", events.push(main), main, hf_token=ALICE)
    assert (ran.status, f"It carries this plan already. {hidden}" in ran.summary) == (0, True)


@pytest.mark.usefixtures("parents")
def test_two_recipes_for_one_target(github, events, act, recipe, devhub):
    main = github.commit({"recipes/a.yaml": recipe, "recipes/b.yaml": recipe.replace("0.5", "0.25")})
    ran = act("push", events.push(main), main, hf_token=ALICE)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "bad-recipe")
    assert "2 recipes publish to alice/tiny; give each a target of its own" in ran.summary
    assert devhub.store.repo("alice/tiny") is None


@pytest.mark.usefixtures("parents")
def test_namespace_and_private(github, events, act, recipe, devhub):
    bare = recipe[: recipe.index("publish:")]
    main = github.commit({"recipes/my-merge.yaml": bare, "recipes/named.yaml": f"name: Other\n{bare}"})
    ran = act("push", events.push(main), main, hf_token=ALICE)
    assert (ran.status, ran.outputs["repos"]) == (0, "")
    assert ran.summary.count("It names no target.") == 2
    ran = act("push", events.push(main), main, hf_token=ALICE, namespace="alice", private="true")
    assert (ran.status, ran.outputs["repos"]) == (0, "alice/my-merge\nalice/Other")
    assert devhub.store.repo("alice/my-merge").private
    ran = act("push", events.push(main), main, hf_token=ALICE, namespace="alice", private="true")
    assert (ran.status, "Nothing to do" in ran.summary) == (0, True)


@pytest.mark.usefixtures("parents")
def test_policy_from_the_base(github, events, act, recipe):
    policy = "forbidden_licenses: [apache-*]\noverride: [octocat]\n"
    base = github.commit({".mergesmith.yml": policy})
    head = github.commit({".mergesmith.yml": "", "recipes/tiny.yaml": recipe}, base)
    number = github.open_pull(head, base)
    event = events.pull(github, number, "opened")
    ran = act("pull_request", event, head)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "policy")
    assert "the policy forbids apache-\\*" in github.comments[number][0]["body"]
    digest = json.loads(ran.outputs["plans"])["recipes"][0]["digest"]

    asks = (
        f"The policy can be set aside for this plan, by a comment `/mergesmith override {digest[:16]}` of: `octocat`."
    )
    assert asks in github.comments[number][0]["body"]
    group = events.merge_group(base, head)
    ran = act("merge_group", group, head)
    assert (ran.status, "can be set aside" in ran.summary) == (1, False)

    github.say(number, "stranger", f"/mergesmith override {digest}")
    assert act("pull_request", event, head).status == 1
    github.say(number, "octocat", f"/mergesmith override {digest[:16]}")
    ran = act("pull_request", event, head)
    assert (ran.status, ran.outputs["failure-reason"]) == (0, "")
    assert "(set aside by octocat)" in ran.summary
    assert asks not in github.comments[number][0]["body"]
    assert act("merge_group", group, head).status == 0


@pytest.mark.usefixtures("parents")
def test_policy_at_publishing(github, events, act, recipe):
    main = github.commit({"recipes/tiny.yaml": recipe, ".mergesmith.yml": "target_namespaces: [carol]\n"})
    ran = act("push", events.push(main), main, hf_token=ALICE)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "policy")
    free = github.commit({"recipes/tiny.yaml": recipe})
    assert act("push", events.push(free), free, hf_token=ALICE).outputs["repos"] == "alice/tiny"
    assert act("push", events.push(main), main, hf_token=ALICE).status == 0  # it is published: nothing to forbid
    broken = github.commit({"recipes/tiny.yaml": recipe, ".mergesmith.yml": "allow: x\n"})
    ran = act("push", events.push(broken), broken, hf_token=ALICE)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "policy")
    assert "`allow` is no key of the policy" in ran.summary


@pytest.fixture
def moved(devhub, parents):
    """Let the Hub call a repo otherwise: it answers to the old name by sending on to the new one."""

    def move(old: str, new: str) -> None:
        commit, home = devhub.store.resolve(new, "main"), devhub.endpoint
        for path in ("", f"/revision/{commit}"):
            to = f"{home}/api/models/{new}{path}?blobs=true"
            devhub.inject("*", path=f"/api/models/{old}{path}", status=307, headers={"Location": to}, times=99)
        for name in ("config.json", "model.safetensors", "generation_config.json"):
            to = f"{home}/{new}/resolve/{commit}/{name}"
            path = f"/{old}/resolve/{commit}/{name}"
            devhub.inject("*", path=path, status=307, headers={"Location": to}, times=99)

    return move


def test_a_policy_of_owners_goes_by_the_hubs_own_names(github, events, act, recipe, moved):
    moved("trusted/base", "bob/base")
    files = {"recipes/tiny.yaml": recipe.replace("bob/base", "trusted/base")}
    main = github.commit(files | {".mergesmith.yml": "allowed_owners: [trusted, bob]\n"})
    assert act("push", events.push(main), main, command="plan").status == 0
    main = github.commit(files | {".mergesmith.yml": "allowed_owners: [trusted]\n"})
    ran = act("push", events.push(main), main, command="plan")
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "policy")
    assert "trusted/base belongs to bob, and the policy allows only models of trusted" in ran.log


def test_a_policy_of_targets_goes_by_the_hubs_own_names(github, events, act, recipe, moved):
    moved("alice/tiny", "bob/base")
    main = github.commit({"recipes/tiny.yaml": recipe, ".mergesmith.yml": "target_namespaces: [alice]\n"})
    ran = act("push", events.push(main), main, command="plan")
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "policy")
    assert "the result would go to bob/base, and the policy allows only alice" in ran.log


@pytest.mark.usefixtures("parents")
def test_comments_that_ask(github, events, act, recipe, devhub):
    base = github.commit(README)
    head = github.commit(README | {"recipes/tiny.yaml": recipe}, base)
    number = github.open_pull(head, base)
    github.permissions |= {"octocat": "write", "reader": "read"}

    ran = act("issue_comment", events.comment(number, "/mergesmith plan", "reader"), base)
    assert (ran.status, ran.summary) == (0, "Nothing to do: reader may not write to this repo.\n")
    ran = act("issue_comment", events.comment(number, "/mergesmith plan", "nobody"), base)
    assert (ran.status, github.comments[number]) == (0, [])
    ran = act("issue_comment", events.comment(number, "/mergesmith publish", "octocat"), base, hf_token=ALICE)
    assert "Nothing to do: the pull request is not merged" in ran.summary
    assert devhub.store.repo("alice/tiny") is None
    ran = act("issue_comment", events.comment(number, "/mergesmith plan", "octocat"), base, hf_token=ALICE)
    assert (ran.status, "✅ Ready to merge." in github.comments[number][0]["body"]) == (0, True)

    main = github.commit(README | {"recipes/tiny.yaml": recipe}, base)
    github.merge_pull(number, main)
    ran = act("issue_comment", events.comment(number, "/mergesmith publish", "octocat"), main, hf_token=ALICE)
    assert (ran.status, ran.outputs["repos"]) == (0, "alice/tiny")
    assert "✅ 1 model published." in github.comments[number][1]["body"]


@pytest.mark.usefixtures("parents")
def test_only_what_changed_is_planned(github, events, act, recipe, lock_in):
    other = recipe.replace("alice/tiny", "alice/other")
    files = README | {"recipes/a.yaml": recipe, "recipes/b.yaml": other, "recipes/gone.yaml": BAD, "c.yaml": other}
    base = github.commit(files)
    changed = files | {"recipes/a.lock.json": lock_in, "c.yaml": recipe, "recipes/new/d.yml": other}
    del changed["recipes/gone.yaml"], changed["recipes/b.yaml"]
    head = github.commit(changed | {"recipes/e.yaml": other + "# a word\n"}, base)
    github.renames = {"recipes/e.yaml": "recipes/b.yaml"}
    number = github.open_pull(head, base)
    ran = act("pull_request", events.pull(github, number, "opened"), head)
    plans = json.loads(ran.outputs["plans"])["recipes"]
    assert [plan["path"] for plan in plans] == ["recipes/a.yaml", "recipes/e.yaml", "recipes/new/d.yml"]
    body = github.comments[number][0]["body"]
    assert "Lock changed. No findings." in body
    assert "Renamed from `recipes/b.yaml`. No findings." in body
    assert "**Removed**: `recipes/gone.yaml`." in body

    nothing = github.commit(files | {"NOTES.md": "x"}, base)
    github.push_to_pull(number, nothing)
    ran = act("pull_request", events.pull(github, number, "synchronize"), nothing)
    assert (ran.status, "✅ No recipe to plan." in github.comments[number][0]["body"]) == (0, True)
    quiet = github.open_pull(nothing, base)
    act("pull_request", events.pull(github, quiet, "opened"), nothing)
    assert github.comments[quiet] == []


@pytest.mark.usefixtures("parents")
def test_changes_against_what_is_published(github, events, act, recipe, seed):
    base = github.commit({"recipes/tiny.yaml": recipe})
    act("push", events.push(base), base, hf_token=ALICE)
    seed("bob/tune", 5)
    head = github.commit({"recipes/tiny.yaml": recipe.replace("value: 0.5", "value: 0.25")}, base)
    number = github.open_pull(head, base)
    act("pull_request", events.pull(github, number, "opened"), head)
    body = github.comments[number][0]["body"]
    assert "**Changes** against what `alice/tiny` holds now:\n\n- `bob/tune` moves from " in body
    assert "-    - value: 0.5\n+    - value: 0.25" in body


def test_merge_groups_and_other_branches(github, events, act, parents, recipe):
    base = github.commit(README)
    head = github.commit(README | {"recipes/tiny.yaml": recipe, "recipes/bad.yaml": BAD}, base)
    ran = act("merge_group", events.merge_group(base, head), head)
    assert (ran.status, ran.outputs["failure-reason"], github.writes()) == (1, "bad-recipe", [])
    ran = act("workflow_dispatch", events.manual("refs/heads/try"), head, ref="refs/heads/try", hf_token=ALICE)
    assert (ran.status, github.writes()) == (1, [])
    ran = act("workflow_dispatch", events.manual("refs/heads/try"), head, ref="refs/heads/try", command="publish")
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "settings")


@pytest.mark.usefixtures("parents")
def test_fail_on_and_require_lock(github, events, act, recipe):
    base = github.commit(README)
    warned = github.commit({"recipes/tiny.yaml": recipe[: recipe.index("publish:")]}, base)
    number = github.open_pull(warned, base)
    event = events.pull(github, number, "opened")
    assert act("pull_request", event, warned).status == 0
    assert act("pull_request", event, warned, fail_on="warning").status == 1
    ran = act("pull_request", event, warned, require_lock="true")
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "bad-recipe")
    assert "commit recipes/tiny.lock.json" in ran.summary


@pytest.mark.usefixtures("parents")
def test_a_newer_head_keeps_the_comment(github, events, act, recipe):
    base = github.commit(README)
    head = github.commit({"recipes/tiny.yaml": recipe}, base)
    number = github.open_pull(head, base)
    event = events.pull(github, number, "opened")
    github.push_to_pull(number, github.commit({"recipes/tiny.yaml": BAD}, head))
    ran = act("pull_request", event, head)
    assert (ran.status, github.comments[number]) == (0, [])
    assert "✅ Ready to merge." in ran.summary


def test_settings(github, events, act):
    sha = github.commit(README)
    ran = act("push", events.push(sha), sha, command="deploy")
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "settings")
    assert ran.commands == [
        "::error title=mergesmith%3A settings::input command: 'deploy': expected 'auto', 'plan', 'publish' or 'verify'"
    ]
    ran = act("push", {"ref": "x"}, sha)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "settings")


def test_github_is_down(github, events, act, monkeypatch):
    monkeypatch.setattr("bot.github.WAITS", ())
    sha = github.commit(README)
    github.fail("GET", "*", 503, times=99)
    ran = act("push", events.push(sha), sha)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "network")
