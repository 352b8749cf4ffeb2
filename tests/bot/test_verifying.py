"""``command: verify`` and ``/mergesmith verify``, as the runner starts them, against models on the embedded Hub."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download

from bot.before import look_at_target
from bot.verifying import SAMPLE, Verified, _reason, _verdict
from engine import commands
from engine.events import silent
from engine.hub_client import Hub
from engine.plan.plan import Options
from engine.process import Ended

ALICE = "hf_alice_token"
TENSORS = 21


@pytest.fixture
def main(github, recipe, parents):
    """A merged recipe, not published yet."""
    return github.commit({"recipes/tiny.yaml": recipe})


@pytest.fixture
def model(devhub, parents, recipe, tmp_path):
    """Its model, published by hand; called, its commit."""
    (tmp_path / "tiny.yaml").write_text(recipe)
    options = Options(local=False, endpoint=devhub.endpoint)
    hub = Hub(endpoint=devhub.endpoint, token=ALICE)
    commands.publish(tmp_path / "tiny.yaml", lambda: hub, options, silent)
    return lambda: devhub.store.resolve("alice/tiny", "main")


@pytest.fixture
def verify(act, events, main):
    """Run ``command: verify`` on a timer, at the merged recipe or at another commit."""
    return lambda sha=main, **inputs: act("schedule", events.schedule(), sha, command="verify", **inputs)


@pytest.fixture
def read(devhub, tmp_path):
    """Read a published file."""

    def of(name: str) -> bytes:
        path = hf_hub_download("alice/tiny", name, endpoint=devhub.endpoint, token=ALICE, local_dir=tmp_path / "down")
        return Path(path).read_bytes()

    return of


@pytest.fixture
def forge(devhub, model, read):
    """Change every weight of the published model a little, and where asked its record, so that the hashes agree."""

    def change(record: bool) -> None:
        weights = bytearray(read("model.safetensors"))
        begin = 8 + int.from_bytes(weights[:8], "little")
        for at in range(begin, len(weights), 2):  # the lower half of each bfloat16
            weights[at] ^= 1
        files = {"model.safetensors": bytes(weights)}
        if record:
            told = json.loads(read("merge.record.json"))
            told["files"]["model.safetensors"] = hashlib.sha256(weights).hexdigest()
            files["merge.record.json"] = json.dumps(told).encode()
        devhub.store.commit_files("alice/tiny", files, "Improve")

    return change


def test_a_right_model(verify, model, devhub, github):
    written = len(github.writes())
    ran = verify()
    url = f"{devhub.endpoint}/alice/tiny"
    recorded = set(HfApi(devhub.endpoint).list_repo_files("alice/tiny")) - {".gitattributes", "merge.record.json"}
    says = (
        f"alice/tiny@{model()[:12]}: all {len(recorded)} files are what its record says, and {SAMPLE} of {TENSORS} "
        "tensors, made again from the locked parents, have the same bytes"
    )
    assert (ran.status, ran.outputs["failure-reason"]) == (0, "")
    assert (ran.outputs["repos"], ran.outputs["urls"]) == ("alice/tiny", url)
    assert ran.commands == [f"::notice file=recipes/tiny.yaml,line=1,col=1,title=mergesmith%3A verified::{says}"]
    assert ran.summary.startswith(
        f"## mergesmith verify\n\n✅ 1 model verified.\n\n---\n\n### ✅ [`alice/tiny`]({url})"
    )
    assert f"To repeat it: `mergesmith verify alice/tiny@{model()[:12]} --sample 8 --seed 42`" in ran.summary
    assert says in ran.log
    assert len(github.writes()) == written


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (False, r"alice/tiny@\w{12}: model.safetensors is not the file that was recorded"),
        (
            True,
            r"alice/tiny@\w{12}: tensor '[\w.]+' comes out otherwise when it is computed again, first at element \d+",
        ),
    ],
)
def test_a_model_that_was_tampered_with(verify, forge, record, says, devhub):
    forge(record)
    ran = verify()
    assert (ran.status, ran.outputs["failure-reason"], ran.outputs["repos"]) == (1, "verify-failed", "")
    (shown,) = ran.commands
    start = "::error file=recipes/tiny.yaml,line=1,col=1,title=mergesmith%3A verify-failed::"
    found = shown.removeprefix(start).split("%0A")
    assert (shown.startswith(start), found[0]) == (True, "Not what was published (verify-failed).")
    assert len(found) == (1 + SAMPLE if record else 2)
    assert all(re.fullmatch(says, line) for line in found[1:])
    assert ran.summary.startswith("## mergesmith verify\n\n❌ 1 model not as published.")
    assert (
        f"### ❌ [`alice/tiny`]({devhub.endpoint}/alice/tiny)\n\nNot what was published (verify-failed)." in ran.summary
    )
    assert "`mergesmith publish RECIPE --force`" in ran.summary


def test_a_record_that_is_damaged(verify, model, devhub):
    devhub.store.commit_files("alice/tiny", {"merge.record.json": b"[]"}, "Improve")
    ran = verify()
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "verify-failed")
    assert "is not a record of a merge" in ran.summary


def test_no_model_yet(verify, devhub):
    ran = verify()
    says = "There is nothing to verify: `alice/tiny` does not exist yet, or is private."
    assert (ran.status, ran.outputs["failure-reason"], ran.outputs["repos"]) == (0, "", "")
    assert ran.commands == [f"::warning file=recipes/tiny.yaml,line=1,col=1,title=mergesmith%3A absent::{says}"]
    assert ran.summary.startswith("## mergesmith verify\n\n☑️ 1 target not there yet.\n\n---\n\n### ⚠️ ")
    assert (verify(fail_on="warning").status, verify(fail_on="warning").outputs["failure-reason"]) == (
        1,
        "verify-failed",
    )
    devhub.store.create_repo("alice/tiny", "alice")
    ran = verify()
    assert (ran.status, ran.outputs["failure-reason"]) == (0, "")
    assert "There is nothing to verify: `alice/tiny` was not made by a merge of ours." in ran.summary


def test_a_model_of_another_plan(verify, model, github, recipe, forge):
    newer = github.commit({"recipes/tiny.yaml": recipe.replace("0.5", "0.25")})
    ran = verify(newer)
    says = "`alice/tiny` carries another plan than this recipe's; its files are what its own record says."
    assert (ran.status, ran.outputs["failure-reason"], ran.outputs["repos"]) == (0, "", "")
    assert ran.commands == [f"::warning file=recipes/tiny.yaml,line=1,col=1,title=mergesmith%3A other::{says}"]
    assert ran.summary.startswith("## mergesmith verify\n\n⚠️ 1 target with something else.")
    forge(record=False)
    ran = verify(newer)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "verify-failed")


def users(devhub) -> set[str | None]:
    """Who read the published weights: the verifying process alone does."""
    return {e.user for e in devhub.log if e.path.startswith("/alice/tiny/resolve/") and "model.safetensors" in e.path}


def test_the_token_goes_along_only_where_it_is_needed(verify, model, devhub):
    devhub.clear_log()
    assert verify(hf_token=ALICE).status == 0
    assert users(devhub) == {None}
    devhub.store.set_repo("alice/tiny", private=True)
    devhub.clear_log()
    ran = verify(hf_token=ALICE)
    assert (ran.status, ran.outputs["repos"], ALICE in ran.summary + ran.log.replace(f"::add-mask::{ALICE}", "")) == (
        0,
        "alice/tiny",
        False,
    )
    assert users(devhub) == {"alice"}
    ran = verify()
    assert (ran.status, ran.outputs["repos"]) == (0, "")
    assert "`alice/tiny` does not exist yet, or is private" in ran.summary


def test_private_parents(verify, model, devhub, seed):
    devhub.store.set_repo("bob/base", private=True)
    ran = verify()
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "bad-recipe")
    assert "Not verified (bad-recipe): it cannot be planned." in ran.summary
    assert "❌ 1 recipe not verified." in ran.summary
    ran = verify(hf_token="hf_bob_token")
    assert (ran.status, ran.outputs["repos"]) == (0, "alice/tiny")


def test_a_lock_that_does_not_fit_and_a_policy_that_cannot_be_read(verify, model, github, recipe):
    stale = github.commit({"recipes/tiny.yaml": recipe, "recipes/tiny.lock.json": "{}"})
    ran = verify(stale)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "plan-changed")
    broken = github.commit({"recipes/tiny.yaml": recipe, ".mergesmith.yml": "allow: x\n"})
    assert (verify(broken).status, verify(broken).outputs["failure-reason"]) == (1, "policy")


def test_the_hub_fails_meanwhile(verify, model, devhub, monkeypatch):
    monkeypatch.setattr("bot.verifying.look_at_target", looked(devhub))
    ran = verify()
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "network")
    assert "Not verified (network)." in ran.summary


def looked(devhub):
    """Look at the target, and let the Hub fail from then on."""

    def look(hub, plan):
        before = look_at_target(hub, plan)
        devhub.inject("*", status=500, times=999)
        return before

    return look


def test_a_target_that_cannot_be_read(verify, model, devhub):
    devhub.inject("*", path="/api/models/alice/tiny*", status=403, times=99)
    ran = verify()
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "permission")
    assert "Not verified (permission): it could not be read." in ran.summary


def test_what_names_no_target(verify, github, recipe):
    ran = verify(github.commit({"recipes/tiny.yaml": recipe[: recipe.index("publish:")]}))
    assert (ran.status, "☑️ There is nothing to verify." in ran.summary) == (0, True)
    assert "| `recipes/tiny.yaml` |  | It names no target. |" in ran.summary


def test_in_a_comment(github, events, act, model, main, forge, devhub):
    number = github.open_pull(main, main)
    github.permissions |= {"octocat": "write", "reader": "read"}
    event = events.comment(number, "/mergesmith verify", "octocat")
    ran = act("issue_comment", events.comment(number, "/mergesmith verify", "reader"), main)
    assert (ran.summary, github.comments[number]) == ("Nothing to do: reader may not write to this repo.\n", [])
    assert act("issue_comment", event, main, comment="false").status == 0
    assert github.comments[number] == []

    assert act("issue_comment", event, main).status == 0
    (comment,) = github.comments[number]
    assert "## mergesmith verify\n\n✅ 1 model verified." in comment["body"]
    forge(record=False)
    ran = act("issue_comment", event, main)
    assert (ran.status, ran.outputs["failure-reason"]) == (1, "verify-failed")
    (edited,) = github.comments[number]
    assert (edited["id"], "❌ 1 model not as published." in edited["body"]) == (comment["id"], True)
    act("issue_comment", events.comment(number, "/mergesmith plan", "octocat"), main)
    assert "❌ 1 model not as published." in edited["body"]  # each kind has a comment of its own


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (2, "a/b@c: model.safetensors is missing", "verify-failed"),
        (
            2,
            "a/b@c/merge.lock.json: bob/base does not hold what was locked: model.safetensors differs",
            "verify-failed",
        ),
        (1, "a/b@c/merge.record.json is a damaged record of a merge; remove it", "verify-failed"),
        (1, "mergesmith: no answer while reading x at y: timed out; check the network and HF_ENDPOINT", "network"),
        (1, "mergesmith: [Errno 28] No space left on device", "disk"),
        (-9, "mergesmith ended with status -9 and said nothing", "internal"),
    ],
)
def test_reasons(status, error, reason):
    assert _reason(Ended(status, error)) == reason


def test_verdict():
    every = [Verified(status, "") for status in ("right", "right", "wrong", "other", "absent", "failed", "skipped")]
    told = (
        "1 model not as published; 1 recipe not verified; 2 models verified; 1 target with something else; "
        "1 target not there yet."
    )
    assert _verdict(every) == ("❌", told)
    assert _verdict(every[:2]) == ("✅", "2 models verified.")
    assert _verdict([]) == ("☑️", "There is nothing to verify.")
