"""What the page says, as HTML, where that needs neither a Hub nor a browser."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bs4 import BeautifulSoup

from engine.findings import Place, error
from engine.jobs.values import Job, Progress, Queue
from space import pages
from space.look import Look, Mark
from space.reading import sheet_of

RUNNING = Job(
    "j1", "me", "me/m", "M", "running", 0.0, 0, None, Progress(2, 5, 0, 1, 400, 1_000, 10.0, 90.0), (), None, None
)
FREE = Queue(0, 0, 0.0, 1.0)


def words_of(html: str) -> str:
    return " ".join(BeautifulSoup(html, "html.parser").get_text(" ").split())


def shown(job: Job, language: str = "en") -> str:
    return words_of(pages.jobs((job,), Queue(1, 0, 0.0, 1.0), language, signed_in=True))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("mergesmith: no; set HF_TOKEN to a token", "no; sign in"),
        ("check the name, or set HF_TOKEN", "check the name, or sign in"),
        ("or it is private and this token may not read it", "or it is private and you may not read it"),
        ("use a token that may do this", "publish it under your own name, or an organisation's that lets you"),
    ],
)
def test_nobody_at_a_page_has_tokens(said: str, told: str) -> None:
    assert pages.told(said) == told


def test_a_finding_is_summed_up_in_japanese_with_the_engines_words() -> None:
    finding = error("unknown-key", "`dtpe` is no key of a recipe", "write `dtype`", Place(3, 1))
    look = Look(marks=(Mark(("dtpe",), finding),))
    japanese = BeautifulSoup(pages.plan(look, "ja", ""), "html.parser").select_one(".ms-findings li")
    assert japanese.b.text == "知らないキーです。つづりを確かめてください。"
    assert [(part["lang"], part.text) for part in japanese.select("[lang]")] == [
        ("en", "dtpe is no key of a recipe"),
        ("en", "write dtype"),
    ]
    english = BeautifulSoup(pages.plan(look, "en", ""), "html.parser").select_one(".ms-findings li")
    assert english.b is None
    assert english.text == "line 3 dtpe is no key of a recipewrite dtype"


def test_of_very_many_findings_the_first_are_listed() -> None:
    marks = tuple(Mark((), error("x", f"m{number}", "", Place(number, 1))) for number in range(1, 31))
    told = words_of(pages.plan(Look(marks=marks), "en", ""))
    assert "30 to mend before this can be made" in told
    assert told.endswith("line 24 m24 and 6 more.")


def test_a_run_says_how_far_it_is() -> None:
    assert (
        "0 of 1 shards · 2 of 5 tensors · 400 bytes of 1 kB · 10 bytes a second · about 2 min left Cancel me/m"
        in shown(RUNNING)
    )
    uploading = replace(RUNNING, progress=Progress(5, 5, 0, 1, 1_000, 1_000))
    assert "5 of 5 tensors · 1 kB of 1 kB · uploading Cancel" in shown(uploading)
    assert "uploading" not in shown(replace(RUNNING, progress=Progress(5, 5, 1, 1, 1_000, 1_000)))
    assert "アップロード中" in shown(uploading, "ja")


def test_the_queue_is_honest_and_every_empty_state_says_what_to_do() -> None:
    waiting = replace(RUNNING, state="queued", place=1, expected_start=30.0, progress=Progress())
    assert "Next in line. Starts in about 30 s. Cancel" in shown(waiting)
    third = replace(waiting, place=3, expected_start=None)
    assert "3 before it. It starts when those before it are done." in shown(third)
    assert words_of(pages.jobs((), FREE, "en", signed_in=False)) == (
        "Your merges Sign in to see what you have made here."
    )
    assert words_of(pages.jobs((), FREE, "en", signed_in=True)) == (
        "Your merges The machine is free. Nothing yet. "
        "What you publish shows here, and goes on when you leave the page."
    )
    assert words_of(pages.form(sheet_of(""), "en", ())) == (
        "There is no recipe yet. Pick an example above, or press “A new recipe”."
    )


def test_what_ended_cannot_be_cancelled_and_says_how_it_ended() -> None:
    for state in ("done", "failed", "cancelled", "cancelling"):
        assert "Cancel me/m" not in shown(replace(RUNNING, state=state))
    failed = replace(RUNNING, state="failed", error="no <b>room</b>; use a token that may do this")
    assert "failed no <b>room</b>; publish it under your own name" in shown(failed)
    assert "失敗 エンジンからのメッセージ（英語）： no" in shown(failed, "ja")
    done = replace(RUNNING, state="done", url="http://hub/me/m")
    html = BeautifulSoup(pages.jobs((done,), FREE, "en", signed_in=True), "html.parser")
    assert html.select_one("a.ms-open")["href"] == "http://hub/me/m"
    assert 'from_pretrained("me/m")' in html.select_one("pre").text


def test_the_tokenizer_says_what_the_recipe_does() -> None:
    text = "merge_method: linear\nmodels:\n  - model: a/b\ntokenizer_source: c/other\n"
    form = BeautifulSoup(pages.form(sheet_of(text), "en", ()), "html.parser")
    options = form.select('select[data-path*="tokenizer_source"] option')
    assert [(one.text, one.get("value"), one.has_attr("selected")) for one in options] == [
        ("the base model's, or the first one's", "", False),
        ("c/other", None, True),
    ]


def test_a_model_in_parts_can_be_read_only() -> None:
    text = "merge_method: linear\nmodels:\n  - model: {model: {path: a/b}}\n  - model: c/d\n"
    form = BeautifulSoup(pages.form(sheet_of(text), "en", ()), "html.parser")
    first, second = form.select("input[data-do=rename]")
    assert (first["value"], first.has_attr("readonly"), second.has_attr("readonly")) == ("a/b", True, False)
    assert "models.0.model" in words_of(str(form))
