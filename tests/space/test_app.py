"""The page's parts and their words, without a browser."""

from __future__ import annotations

import ast
from pathlib import Path

import gradio as gr
import pytest

from space.app import _kept, launch_options
from space.parts import labels
from space.words import LANGUAGES, words

SPACE = Path(__file__).parents[2] / "space"


def said(part: object) -> list[object]:
    return [getattr(part, name, None) for name in ("label", "info", "placeholder")]


def test_no_part_says_the_same_in_two_languages() -> None:
    for english, japanese in zip(labels("en"), labels("ja"), strict=True):
        assert (said(english), english.value if isinstance(english, gr.Button) else "") != (
            said(japanese),
            japanese.value if isinstance(japanese, gr.Button) else "",
        ) or isinstance(english, gr.HTML)


def test_nothing_is_fetched_from_outside_and_nothing_is_recorded() -> None:
    options = launch_options()
    assert options["theme"]._stylesheets == []
    assert "http" not in options["css"].replace("http://www.w3.org", "")
    assert (options["run_history"], options["footer_links"], options["max_file_size"]) == (False, [], "1mb")


def test_every_word_is_said_somewhere() -> None:
    texts = [path.read_text() for path in (*SPACE.glob("*.py"), *(SPACE.parent / "templates/space").glob("*.j2"))]
    said_somewhere = "\n".join(texts)
    dynamic = ("method.", "help.", "state_", "language_other")
    unused = [
        key
        for key in words(LANGUAGES[0])
        if not key.startswith(dynamic) and f'"{key}"' not in said_somewhere and f"'{key}'" not in said_somewhere
    ]
    assert unused == []


@pytest.mark.parametrize(
    ("kept", "read"),
    [
        ({"text": "a: 1", "language": "ja"}, ("a: 1", "ja")),
        ({"text": "a: 1", "language": "../ja"}, ("a: 1", "")),
        ({"text": 7, "language": ["ja"]}, ("", "")),
        ({}, ("", "")),
        (["ja"], ("", "")),
        (None, ("", "")),
    ],
)
def test_what_a_browser_kept_is_checked(kept: object, read: tuple[str, str]) -> None:
    assert _kept(kept) == read


def test_importing_the_page_starts_nothing() -> None:
    for path in SPACE.glob("*.py"):
        calls = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Expr)]
        assert all(isinstance(node.value, ast.Constant) for node in calls), path
