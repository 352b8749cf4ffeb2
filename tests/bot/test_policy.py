"""The policy file: what it may say, what it says of mistakes, and which plans it refuses where."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import families
import pytest

from bot.policy import Policy, PolicyError, breaches, overridden, parse
from engine.findings import Place, error
from engine.plan.build import build
from engine.plan.plan import Options, Plan, Shard
from engine.publish.licences import Verdict

RECIPE = """\
models:
  - model: teknium/hermes
    parameters: {weight: 0.5}
  - model: evil/uncensored@main
    parameters: {weight: 0.5}
merge_method: linear
publish:
  repo: my-team/blend
  license: llama2
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> Plan:
    """A plan of two models on the Hub, made from folders of their names; its sizes and licences are set below."""
    shape = families.Shape()
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for seed, name in enumerate(("teknium/hermes", "evil/uncensored@main")):
            families.write_model(folder / name, families.random_tensors(shape, seed), families.config_of(shape))
        made, _ = build("recipes/blend.yaml", RECIPE, lambda: None, Options())
    pins = [replace(pin, kind="hub", repo=pin.ref.partition("@")[0]) for pin in made.models]
    pins[1] = replace(pins[1], license="cc-by-nc-4.0")
    licence = Verdict("llama2", None, None, "ok", "")
    shards = (Shard("model.safetensors", (), b"", 16_200_000_000),)
    return replace(made, models=tuple(pins), licence=licence, shards=shards)


def said(policy: str, plan: Plan, *, locked: bool = True) -> list[tuple[str, str, int, int, str, str]]:
    found = breaches(parse(textwrap.dedent(policy)), plan, locked=locked)
    return [(f.id, f.level, f.line, f.column, f.message, f.fix) for f in found]


LEAVE_OUT = "leave it out, or have the policy changed first"
OTHER_LICENCE = "state one that the parents and the policy allow, or merge other models"


def test_an_empty_policy_allows_everything(plan):
    assert parse("") == parse("# nothing yet\n") == Policy()
    assert breaches(Policy(), plan, locked=False) == ()
    assert Policy().read_private is False


def test_everything_that_a_policy_may_say():
    policy = parse(
        textwrap.dedent("""\
        allowed_licenses: [apache-2.0, no]
        forbidden_licenses:
          - cc-by-nc-*
        allowed_owners: [123]
        target_namespaces: &team [my-team]
        max_size: 1.5GiB
        require_lock: yes
        only_warn: [max_size, require_lock]
        override: *team
        read_private: true
        """)
    )
    assert policy == Policy(
        allowed_licenses=("apache-2.0", "no"),
        forbidden_licenses=("cc-by-nc-*",),
        allowed_owners=("123",),
        target_namespaces=("my-team",),
        max_size=1_610_612_736,
        require_lock=True,
        only_warn=("max_size", "require_lock"),
        override=("my-team",),
        read_private=True,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "max_size: 16GB\n\nalowed_owners: [a]\n",
            "3:1: `alowed_owners` is no key of the policy; did you mean `allowed_owners`?",
        ),
        (
            "allowed_licences: [mit]\nmerge: 1",
            "1:1: `allowed_licences` is no key of the policy; did you mean `allowed_licenses`?\n"
            ".mergesmith.yml:2:1: `merge` is no key of the policy; there are allowed_licenses, forbidden_licenses, "
            "allowed_owners, target_namespaces, max_size, require_lock, only_warn, override, read_private",
        ),
        (
            "max_size: 16 gigs",
            "1:1: `max_size`: expected a size; write one such as `16GB`",
        ),
        ("max_size: true", "1:1: `max_size`: expected a size; write one such as `16GB`"),
        ("max_size: [1]", "1:1: `max_size`: expected a size; write one such as `16GB`"),
        ("allowed_owners: me", "1:1: `allowed_owners`: expected a list; write it as `[one, two]`"),
        ("allowed_owners:\nmax_size: 1", "1:1: `allowed_owners`: expected a list; write it as `[one, two]`"),
        ("allowed_owners: []", "1:1: `allowed_owners`: expected at least one item; add one, or remove the key"),
        (
            "override:\n  - alice\n  - [bob]\n",
            "3:5: item 2 of `override`: expected a name; write one name for each item",
        ),
        ("require_lock: maybe", "1:1: `require_lock`: expected true or false; write `true` or `false`"),
        ("only_warn: [max_size, require_locks]", "1:23: `require_locks` is no rule; did you mean `require_lock`?"),
        (
            "require_lock: true\nrequire_lock: false",
            "2:1: `require_lock` is given twice, first in line 1; keep one of them",
        ),
        ("- max_size: 1", "1:1: the policy is no mapping; write lines of `key: value`"),
        ("16GB", "1:1: the policy is no mapping; write lines of `key: value`"),
        (
            "a: 1\n---\nb: 2",
            "2:1: not valid YAML: but found another document; check indentation, quotes and brackets",
        ),
        (
            "max_size: 1\n\tb: 2",
            "2:1: not valid YAML: found character '\\t' that cannot start any token; "
            "check indentation, quotes and brackets",
        ),
        (
            "[" * 5000,
            "1:1: not valid YAML: nested too deeply; check indentation, quotes and brackets",
        ),
    ],
)
def test_mistakes_are_told_all_at_once_each_with_its_place(text, expected):
    with pytest.raises(PolicyError) as caught:
        parse(text)
    assert str(caught.value).startswith(".mergesmith.yml:")
    assert str(caught.value).removeprefix(".mergesmith.yml:") == expected
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    "text",
    [
        '"\\UFFFFFFFF": 1',
        "max_size: \x00",
        "? [a]\n: 1",
        "<<: {max_size: 1}",
        "max_size: !!python/object/apply:os.system [id]",
        "a: &a [*a]",
        "read_private: !!bool maybe",
        "max_size: " + "9" * 5000,
    ],
)
def test_hostile_text_is_an_error_and_nothing_else(text):
    with pytest.raises(PolicyError, match=r"^\.mergesmith\.yml:1:"):
        parse(text)


def test_allowed_licences(plan):
    rule = "and the policy allows only apache-2.0, CC-BY-NC-4.0"
    assert said("allowed_licenses: [apache-2.0, CC-BY-NC-4.0, llama*]", plan) == []
    assert said("allowed_licenses: [apache-2.0, CC-BY-NC-4.0]", plan) == [
        ("policy-licence", "error", 9, 12, f"the result is under `llama2`, {rule}", OTHER_LICENCE),
    ]
    assert said("allowed_licenses: [llama2]", plan) == [
        (
            "policy-parent-licence",
            "error",
            2,
            12,
            "teknium/hermes is under `apache-2.0`, and the policy allows only llama2",
            LEAVE_OUT,
        ),
        (
            "policy-parent-licence",
            "error",
            4,
            12,
            "evil/uncensored@main is under `cc-by-nc-4.0`, and the policy allows only llama2",
            LEAVE_OUT,
        ),
    ]


def test_forbidden_licences(plan):
    assert said("forbidden_licenses: [gpl-3.0]", plan) == []
    assert said("forbidden_licenses: ['*-nc-*']", plan) == [
        (
            "policy-parent-licence",
            "error",
            4,
            12,
            "evil/uncensored@main is under `cc-by-nc-4.0`, and the policy forbids *-nc-*",
            LEAVE_OUT,
        )
    ]


@pytest.mark.parametrize(
    ("licence", "name", "pattern", "message"),
    [
        (None, None, "unknown", "states no licence"),
        ("Other", "Qwen-Research", "qwen-*", "is under `Other` (`Qwen-Research`)"),
        ("other", "qwen-research", "other", "is under `other` (`qwen-research`)"),
        ("x\n::error::y", None, "x*", "is under `x\\n::error::y`"),
        # a name beside a licence that has one says nothing
        ("mit", "qwen-research", "qwen-*", None),
    ],
)
def test_licences_by_name(plan, licence, name, pattern, message):
    first = replace(plan.models[0], license=licence, license_name=name)
    changed = replace(plan, models=(first,))
    found = [f.message for f in breaches(Policy(forbidden_licenses=(pattern,)), changed, locked=True)]
    assert found == ([] if message is None else [f"teknium/hermes {message}, and the policy forbids {pattern}"])


def test_a_computed_licence_stands_at_the_method(plan):
    text = plan.text.replace("  license: llama2\n", "")
    recipe = replace(plan.recipe, publish=replace(plan.recipe.publish, license=None))
    found = breaches(Policy(forbidden_licenses=("llama2",)), replace(plan, text=text, recipe=recipe), locked=True)
    assert [(f.id, f.line, f.column) for f in found] == [("policy-licence", 6, 1)]


def test_owners(plan):
    assert said("allowed_owners: [Teknium, EVIL]", plan) == []
    assert said("allowed_owners: [teknium, mistralai]", plan) == [
        (
            "policy-owner",
            "error",
            4,
            12,
            "evil/uncensored@main belongs to evil, and the policy allows only models of teknium, mistralai",
            LEAVE_OUT,
        )
    ]


@pytest.mark.parametrize("repo", [None, "teknium"])
def test_a_model_without_an_owner_is_of_no_allowed_one(plan, repo):
    changed = replace(plan, models=(replace(plan.models[0], repo=repo),))
    assert [row[4] for row in said("allowed_owners: [teknium]", changed)] == [
        "teknium/hermes belongs to no user or organisation on the Hub, and the policy allows only models of teknium"
    ]


def test_targets(plan):
    fix = "name a repo there, or have the policy changed first"
    message = "the result would go to {}, and the policy allows only our-lab, us"
    assert said("target_namespaces: [My-Team]", plan) == []
    assert said("target_namespaces: [our-lab, us]", replace(plan, repo=None)) == []
    assert said("target_namespaces: [our-lab, us]", plan) == [
        ("policy-target", "error", 8, 9, message.format("my-team/blend"), fix)
    ]
    assert said("target_namespaces: [our-lab, us]", replace(plan, repo="me/other")) == [
        ("policy-target", "error", 6, 1, message.format("me/other"), fix)
    ]


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("16.2GB", None),
        ("16GB", "the result takes 16.2 GB, and the policy allows at most 16 GB"),
        ("16199999999", "the result takes 16200000000 bytes, and the policy allows at most 16199999999 bytes"),
    ],
)
def test_sizes(plan, limit, message):
    found = said(f"max_size: {limit}", plan)
    fix = "merge smaller models or fewer layers"
    assert found == ([] if message is None else [("policy-size", "error", 6, 1, message, fix)])


def test_locks(plan):
    assert said("require_lock: true", plan, locked=True) == []
    assert said("require_lock: false", plan, locked=False) == []
    assert said("require_lock: true", plan, locked=False) == [
        (
            "policy-lock",
            "error",
            6,
            1,
            "the recipe has no lock that fits, and the policy asks for one",
            "write it with `mergesmith lock`, and commit it beside the recipe",
        )
    ]


def test_some_rules_only_warn(plan):
    policy = """\
        max_size: 1GB
        require_lock: true
        allowed_owners: [teknium]
        only_warn: [max_size]
        """
    levels = [(row[0], row[1]) for row in said(policy, plan, locked=False)]
    assert levels == [("policy-owner", "error"), ("policy-size", "warning"), ("policy-lock", "error")]


def test_who_may_set_the_rules_aside():
    policy = parse("override: [Alice]")
    breach, mistake = error("policy-size", "too large", "shrink", Place(3, 1)), error("model", "gone", "", Place(1, 1))
    assert overridden(policy, [breach, mistake], "bob") == (breach, mistake)
    assert overridden(Policy(), [breach], "alice") == (breach,)
    assert overridden(policy, [breach, mistake], "alice") == (
        replace(breach, level="warning", message="too large (set aside by alice)"),
        mistake,
    )
