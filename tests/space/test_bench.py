from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from engine.hub_client import Hub
from space.bench import START, Bench, Room

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TWO = """\
models:
  - model: demo/tiny-reverse
  - model: demo/tiny-upper
merge_method: slerp
base_model: demo/tiny-reverse
parameters:
  t: 0.25
dtype: bfloat16
"""


@pytest.fixture
def bench(devhub) -> Bench:
    for folder in sorted((EXAMPLES / "models").iterdir()):
        repo = f"demo/tiny-{folder.name}"
        devhub.store.create_repo(repo, "demo")
        devhub.store.commit_files(repo, {path.name: path for path in sorted(folder.iterdir())}, "Upload")
    return Bench(
        lambda token: Hub(endpoint=devhub.endpoint, token=token or False), devhub.endpoint, Room(10**10, 10**10)
    )


def soup(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


def words_of(html: str) -> str:
    return " ".join(soup(html).get_text(" ").split())


def test_nothing_is_looked_up_before_models_are_chosen(bench, devhub) -> None:
    devhub.clear_log()
    view = bench.view(START, "en", None)
    assert words_of(view.plan) == "Plan Choose the models, and the plan appears here."
    assert (view.marks, devhub.log) == ([], ())


def test_a_plan_says_what_comes_out(bench) -> None:
    html = bench.view(TWO, "en", None).plan
    told = words_of(html)
    assert "✓ This works" in told
    assert "parameters 304 k layers 8 on disk 615 kB stored as bfloat16 licence apache-2.0" in told
    bands = [svg["aria-label"] for svg in soup(html).select(".ms-band svg")]
    assert bands == ["demo/tiny-reverse: 0.75", "demo/tiny-upper: 0.25"]
    assert "layer 0 on the left, layer 7 on the right" in told
    assert told.endswith("Fits this machine.")


def test_a_mistake_is_marked_where_it_was_made(bench) -> None:
    view = bench.view(TWO.replace("0.25", "1.25"), "en", None)
    (mark,) = view.marks
    assert (mark["path"], mark["level"]) == (["parameters", "t"], "error")
    assert mark["text"] == "`t` is `1.25`, expected a number from 0 to 1; correct the number"
    assert "1 to mend before this can be made" in words_of(view.plan)


def test_a_model_that_is_not_there_is_marked_at_its_name(bench) -> None:
    view = bench.view(TWO.replace("tiny-upper", "tiny-uper"), "en", None)
    (mark,) = view.marks
    assert mark["path"] == ["models", 1, "model"]
    assert mark["text"] == (
        f"demo/tiny-uper: no such model at {bench.endpoint}, or it is private and you may not read it; "
        "check the name, or sign in"
    )
    assert "HF_TOKEN" not in view.plan


def test_a_value_needs_no_new_form_and_a_model_does(bench) -> None:
    plain = bench.edit(TWO, [{"do": "put", "path": ["parameters", "t"], "value": 0.5}], "en", None)
    assert (plain.form, plain.text) == (None, TWO.replace("0.25", "0.5"))
    other = bench.edit(TWO, [{"do": "method", "value": "linear"}], "en", None)
    assert other.form is not None
    assert soup(other.form).find("input", {"name": "ms-method", "checked": True})["value"] == "linear"


def test_edits_of_a_batch_follow_each_other(bench) -> None:
    edits = [
        {"do": "method", "value": "ties"},
        {"do": "add-model", "path": ["models"]},
        {"do": "rename", "path": ["models", 2, "model"], "value": "demo/tiny-double"},
    ]
    view = bench.edit(TWO, edits, "en", None)
    assert "  - model: demo/tiny-double\n    parameters:\n      weight: 1\n      density: 0.5\n" in view.text
    assert view.look.plan is not None


def test_what_the_page_would_not_send_changes_nothing(bench) -> None:
    assert bench.edit(TWO, [{"do": "explode"}], "en", None).text == TWO


def test_a_stack_begins_with_all_layers_of_its_models(bench) -> None:
    view = bench.edit(TWO, [{"do": "method", "value": "passthrough"}], "en", None)
    assert view.text.count("layer_range: [0, 8]") == 2
    assert view.look.plan.layers == 16


def test_an_unreadable_text_has_no_form_and_is_left_alone(bench) -> None:
    view = bench.edit("a: [", [{"do": "method", "value": "ties"}], "en", None)
    assert view.text == "a: ["
    assert "The YAML cannot be read as a recipe" in words_of(view.form or bench.view("a: [", "en", None).form)


def test_a_silent_hub_is_told(devhub) -> None:
    bench = Bench(lambda _: Hub(endpoint="http://127.0.0.1:9", token=False, sleep=lambda _: None), "x", None)
    view = bench.view(TWO, "en", None)
    assert "The Hub does not answer" in words_of(view.plan)
    assert view.look.plan is None


def test_a_machine_that_is_too_small_is_told_with_what_would_do(bench) -> None:
    small = Bench(bench.open_hub, bench.endpoint, Room(10**6, 10**5))
    told = words_of(small.view(TWO, "en", None).plan)
    assert "Does not fit this machine: it needs 318 MB + 615 kB, and there is 1 MB + 100 kB." in told
    assert "A GitHub runner with larger disks" in told
    for room in (Room(10**10, 10**5), Room(10**6, 10**10)):
        told = words_of(Bench(bench.open_hub, bench.endpoint, room).view(TWO, "en", None).plan)
        assert "Does not fit this machine" in told


def test_where_nothing_is_merged_nothing_is_said_of_the_machine(bench) -> None:
    told = words_of(Bench(bench.open_hub, bench.endpoint, None).view(TWO, "en", None).plan)
    assert "this machine" not in told


def test_nothing_typed_becomes_markup(bench) -> None:
    evil = "<img src=x onerror=alert(1)>\"'`${7*7}{{7*7}}"
    text = TWO.replace("demo/tiny-upper", "'" + evil.replace("'", "''") + "'").replace("bfloat16", f"'<b>{'x' * 5}'")
    for language in ("en", "ja"):
        view = bench.view(text, language, None)
        for part in (view.form, view.plan):
            assert soup(part).find("img") is None
            assert soup(part).find("b", string="xxxxx") is None
        row = soup(view.form).find_all("input", {"data-do": "rename"})[1]
        assert row["value"] == evil


def test_search_asks_for_what_somebody_typed(bench, devhub) -> None:
    assert bench.search("x") == []
    assert bench.search("x" * 97) == []
    assert set(bench.search("tiny-u")) == {"demo/tiny-upper"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("recipes/*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_shown_and_planned(bench, path) -> None:
    for language in ("en", "ja"):
        view = bench.view(path.read_text(), language, None)
        assert view.look.plan is not None
        assert [mark for mark in view.marks if mark["level"] == "error"] == []


def test_a_text_that_keeps_the_hub_busy_is_not_looked_up(bench, devhub) -> None:
    rows = "".join(f"  - model: demo/m{number}\n    parameters: {{weight: 1}}\n" for number in range(33))
    devhub.clear_log()
    view = bench.view(f"merge_method: linear\nmodels:\n{rows}", "en", None)
    assert [mark["text"] for mark in view.marks] == [
        "the recipe names 33 models; this page looks up at most 32; leave some out, or use the command line"
    ]
    assert devhub.log == ()


def test_a_text_that_is_too_long_is_neither_planned_nor_edited(bench) -> None:
    text = TWO + "#" * 65_536
    view = bench.edit(text, [{"do": "method", "value": "linear"}], "en", None)
    assert view.text == text
    assert [mark["text"] for mark in view.marks] == [
        "the recipe is larger than 64 KiB, more than this page takes; shorten it, or use the command line"
    ]
