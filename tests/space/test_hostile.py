"""Texts and events that mean harm: each gets a plain answer, soon."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from engine.hub_client import Hub
from space.bench import Bench
from space.words import sayer, words

LIMIT = 10.0
"""Seconds of the processor: what hangs takes minutes, and the worst of these two or three."""
MANY = "  - *a\n" * 9_000
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{key}: &{key} [{', '.join([f'*{before}'] * 10)}]\n" for before, key in zip("abcdefgh", "bcdefghi", strict=True)
)
SLERP = "merge_method: slerp\nmodels:\n  - model: a/b\n  - model: c/d\nbase_model: a/b\nparameters: {t: 0.5}\n"
MARKUP = "<script>window.hit=1</script><img src=x onerror=alert(1)>\"'`${7*7}{{7*7}}{% raw %}"
HOSTILE = {
    "bomb": (BOMB, "more than 50000 values, counting what aliases repeat"),
    "deep": ("[" * 5_000 + "]" * 5_000, "nested deeper than 50 levels"),
    "deep mapping": ("".join(" " * n + "a:\n" for n in range(300)), "nested deeper than 50 levels"),
    "loop": ("merge_method: linear\nmodels: &a [*a]\n", "this alias repeats what it stands in"),
    "python": (
        SLERP + "seed: !!python/object/apply:os.system ['true']\n",
        "the tag !!python/object/apply:os.system is not allowed",
    ),
    "python name": ("!!python/name:os.system\n", "the tag !!python/name:os.system is not allowed"),
    "nul": (SLERP + "name: 'a\0b'\n", "the character U+0000 is not allowed"),
    "surrogate": (SLERP + "name: '\ud800'\n", "the character U+D800 is not allowed"),
    "escape": (SLERP + 'name: "\\UFFFFFFFF"\n', "an escape that names no character"),
    "huge number": (SLERP + f"seed: {'9' * 5_000}\n", "is no valid int"),
    "base 60": (SLERP + f"seed: {':'.join(['59'] * 9_000)}\n", "is no valid int"),
    "huge float": (SLERP.replace("0.5", "1e999"), "expected a number from 0 to 1"),
    "long name": (SLERP.replace("a/b", f"a/{'b' * 25_000}"), "a/bbb"),
    "long key": (SLERP + f"{'k' * 900}: 1\n", "kkk"),
    "many models": ("x: &a {model: a/b, parameters: {weight: 1}}\nmerge_method: linear\nmodels:\n" + MANY[:55_000], ""),
    "many slices": (
        "x: &a {sources: [{model: a/b, layer_range: [0, 1]}]}\nmerge_method: passthrough\nslices:\n" + MANY[:40_000],
        "",
    ),
    "many parts": (SLERP.replace("0.5", "[" + "{filter: a, value: 1}, " * 2_500 + "]"), ""),
    "many points": (SLERP.replace("0.5", "[" + "0.1, " * 12_000 + "]"), ""),
    "many unknown keys": (SLERP + "".join(f"k{n}: 1\n" for n in range(2_000)), "k0"),
    "many documents": ("--- {merge_method: linear, name: x}\n" * 1_500, "documents, expected at most 64"),
    "many duplicates": (SLERP + "dtype: float16\n" * 3_000, "dtype is given twice, first in line 7"),
    "many comments": (SLERP + "# x\n" * 15_000, ""),
    "markup": (SLERP.replace("slerp", f"'{MARKUP.replace(chr(39), chr(39) * 2)}'"), "<script>window.hit=1</script>"),
    "too long": ("x" * 70_000, "the recipe is larger than 64 KiB"),
    "much too long": ("- [" * 3_000_000, "the recipe is larger than 64 KiB"),
}


@pytest.fixture
def bench() -> Bench:
    """A bench whose Hub never answers."""
    return Bench(lambda _: Hub(endpoint="http://127.0.0.1:9", token=False, sleep=lambda _: None), "http://h", None)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_gets_a_plain_answer_soon(bench, name) -> None:
    text, told = HOSTILE[name]
    begun = time.process_time()
    view = bench.view(text, "en", None)
    seconds = time.process_time() - begun
    shown = BeautifulSoup(view.plan, "html.parser").get_text()
    assert told in shown
    assert "Traceback" not in shown
    assert len(view.form or "") + len(view.plan) + sum(len(mark["text"]) for mark in view.marks) < 1_500_000
    assert seconds < LIMIT


@pytest.mark.parametrize("name", HOSTILE)
def test_an_edit_of_a_hostile_text_is_made_or_refused_soon(bench, name) -> None:
    text, _ = HOSTILE[name]
    begun = time.process_time()
    for edit in ({"do": "put", "path": ["dtype"], "value": "float16"}, {"do": "add-model", "path": ["models"]}):
        bench.edit(text, [edit], "ja", None)
    assert time.process_time() - begun < 2 * LIMIT


FIELDS = ("merge_method", "base_model", "dtype", "tokenizer_source", "name", "seed")


@pytest.mark.parametrize("field", [*FIELDS, "repo", "license", "description", "model", "filter", "t", "kept", "stage"])
def test_markup_in_any_field_stays_text(bench, field) -> None:
    quoted = "'" + MARKUP.replace("'", "''") + "'"
    text = {
        "model": SLERP.replace("c/d", quoted),
        "filter": SLERP.replace("0.5", f"[{{filter: {quoted}, value: 0.5}}]"),
        "t": SLERP.replace("0.5", quoted),
        "kept": SLERP + f"{quoted}: 1\n",
        "stage": f"name: {quoted}\n{SLERP}---\n{SLERP}",
    }.get(field)
    if text is None and field in FIELDS:
        lines = [line for line in SLERP.splitlines(keepends=True) if not line.startswith(f"{field}:")]
        text = "".join([*lines, f"{field}: {quoted}\n"])
    view = bench.view(text or SLERP + f"publish:\n  {field}: {quoted}\n", "en", None)
    for html in (view.form, view.plan):
        soup = BeautifulSoup(html, "html.parser")
        assert soup.find_all(["script", "img"]) == []
        assert [tag for tag in soup.find_all() for name in tag.attrs if name.startswith("on")] == []
    assert "49" not in view.plan


@pytest.mark.parametrize("text", [["t", "i", "n", "y"], {"a": 1}, None, 7, "x", "x" * 97, "a\0b"])
def test_a_search_for_what_no_box_sends_finds_nothing(bench, text: Any) -> None:
    assert bench.search(text) == []


@pytest.mark.parametrize("language", ["../en", "xx", "", "../../templates/space", None, ["en"]])
def test_a_language_is_one_of_ours_or_none(language: Any, tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        words(language)
    with pytest.raises(KeyError):
        sayer(language)
