"""Names, addresses and refusals of publishing and proposing; what a browser shows of it is in ``browser``."""

from __future__ import annotations

import pytest

from engine.demo import parents
from engine.hub_client import Hub
from engine.jobs import Jobs
from space.bench import Bench
from space.making import Maker, _said, repo_in, with_target

TWO = """\
models:
  - model: demo/tiny-reverse
  - model: demo/tiny-upper
merge_method: slerp
base_model: demo/tiny-reverse
parameters:
  t: 0.25
"""


@pytest.fixture
def maker(devhub) -> Maker:
    parents.upload(devhub.store)
    bench = Bench(lambda token: Hub(endpoint=devhub.endpoint, token=token or False), devhub.endpoint, None)
    return Maker(bench, None)


def test_a_target_is_made_from_who_and_what() -> None:
    assert with_target(TWO, "me") == TWO + "publish:\n  repo: me/tiny-reverse-tiny-upper-slerp\n"


def test_a_name_is_a_target_too() -> None:
    assert with_target("name: Mine\n" + TWO, "me").endswith("repo: me/Mine\n")


def test_a_target_that_is_there_stays() -> None:
    text = TWO + "publish:\n  repo: you/yours\n"
    assert with_target(text, "me") == text


@pytest.mark.parametrize(
    ("name", "made"),
    [("a..b", "a.b"), ("--x--", "x"), ("日本", "merge"), ("x" * 200, "x" * 80), ("a/b c", "a-b-c")],
)
def test_a_target_is_a_name_that_the_hub_takes(name: str, made: str) -> None:
    assert with_target(f"name: '{name}'\n" + TWO, "me").endswith(f"repo: me/{made}\n")


def test_a_text_that_is_no_recipe_gets_none() -> None:
    assert with_target("a: [", "me") == "a: ["


@pytest.mark.parametrize(
    ("address", "repo"),
    [
        ("org/name", "org/name"),
        ("  org/name ", "org/name"),
        ("https://huggingface.co/org/name", "org/name"),
        ("https://huggingface.co/org/name/blob/main/README.md", "org/name"),
        ("https://huggingface.co/org", None),
        ("name", None),
        ("../../etc", None),
        ("", None),
    ],
)
def test_a_repo_is_found_in_what_somebody_pastes(address: str, repo: str | None) -> None:
    assert repo_in(address) == repo


def test_who_is_not_signed_in_is_told_what_to_do(maker) -> None:
    assert maker.propose(TWO, "demo/recipes", "en", None, None).html == (
        "<p>Sign in, and this button opens a pull request in your name.</p>"
    )


def test_where_nothing_is_merged_that_is_said(maker) -> None:
    text, notice = maker.publish(TWO, "en", "alice", "hf_alice_token")
    assert text == TWO
    assert notice.html.startswith("<p>This Space plans and proposes; it does not merge.")
    assert (maker.jobs("alice", "en"), maker.busy("alice"), maker.merges) == ("", False, False)


def test_a_recipe_that_does_not_work_is_not_proposed(maker) -> None:
    told = maker.propose(TWO.replace("slerp", "sleerp"), "demo/recipes", "en", "alice", "hf_alice_token")
    assert told.html == "<p>Mend what is marked first.</p>"


def test_a_refusal_of_the_hub_is_told(maker) -> None:
    told = maker.propose(TWO, "demo/nobody", "en", "alice", "hf_alice_token").html
    assert told.startswith("<p>no such repo demo/nobody") or "demo/nobody" in told
    assert "HF_TOKEN" not in told


def test_names_of_others_are_no_markup(maker) -> None:
    told = maker.remix("a/b", "en", None)[1].html
    assert "<img" not in maker.github(TWO, "<img src=x>", "en").html
    assert told.startswith("<p>a/b could not be loaded: ")


def test_a_recipe_that_is_too_long_is_not_even_fetched(maker, devhub) -> None:
    devhub.store.create_repo("demo/long", "demo")
    for size, told in ((65_536, "demo/long is loaded."), (65_537, "The recipe of demo/long is larger than 64 KiB")):
        devhub.store.commit_files("demo/long", {"mergekit_config.yml": b"#" * size}, "A merge")
        devhub.clear_log()
        text, notice = maker.remix("demo/long", "en", None)
        assert told in notice.html
        assert (text is None) == (size > 65_536)
        assert any("mergekit_config.yml" in str(entry) for entry in devhub.log) == (text is not None)


def test_a_recipe_in_which_no_target_can_be_written_says_what_to_do(devhub, tmp_path) -> None:
    bench = Bench(lambda _: pytest.fail("nothing is to be looked up"), devhub.endpoint, None)
    text = f"{TWO}? publish\n: {{private: true}}\n"
    jobs = Jobs(tmp_path / "jobs", {"PATH": "/bin"}, endpoint=devhub.endpoint)  # not started: it is not to be asked
    made, notice = Maker(bench, jobs).publish(text, "en", "alice", "hf_alice_token")
    assert (made, notice.html) == (
        text,
        "<p>Say in the YAML where it goes: publish, and under it repo: owner/name.</p>",
    )


def test_what_the_hub_says_is_no_markup() -> None:
    assert _said("no <b>such</b> repo & set HF_TOKEN").html == "<p>no &lt;b&gt;such&lt;/b&gt; repo &amp; sign in</p>"


def test_a_recipe_too_long_for_an_address(maker) -> None:
    assert maker.github(TWO + "# " + "x" * 7000, "me/recipes", "en").html == (
        "<p>This recipe is too long for an address. Download it, and add it to the repo yourself.</p>"
    )
