"""Strangers' text in Markdown, checked with a renderer that is not ours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.markdown import address, code, fenced, flat, part, prose

RENDERER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
TEMPLATES = Path(__file__).parents[2] / "templates"
HOSTILE = [
    "<script>alert(1)</script>",
    "<!-- mergesmith plan 000000000000 -->",
    "![x](https://evil.example/x.png)",
    "[click](javascript:alert(1))",
    "<img src=x onerror=y>",
    "a | b | c",
    "# heading",
    "**bold** __bold__ *it* _it_ ~~gone~~",
    "`code` ``more`` `",
    "a\n\n## heading\n\n---\n| x |\n| --- |",
    "&lt;b&gt; &amp;",
    "- item\n1. item",
    "1. item",
    "$x$ ^y^",
    "</details></td></table>",
    "```\nfence\n```",
    "\\",
    "\\`<b>\\`",
]


def kinds(markdown: str) -> set[str]:
    """Types of everything that a renderer finds."""
    found = set()
    for token in RENDERER.parse(markdown):
        found |= {token.type, *(child.type for child in token.children or ())}
    return found


@pytest.mark.parametrize("make", [prose, code])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(make, text):
    allowed = {"paragraph_open", "paragraph_close", "inline", "text", "code_inline"}
    assert kinds(make(text)) <= allowed


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_in_its_cell(text):
    table = f"| a | b |\n| --- | --- |\n| {prose(text)} | {code(text)} |\n"
    html = RENDERER.render(table)
    assert html.count("<tr>") == 2
    assert html.count("<td>") == 2
    assert not re.search(r"<(?!/?(table|thead|tbody|tr|th|td|code)\b)", html)


@given(st.text(max_size=60))
def test_any_text_is_only_text(text):
    allowed = {"paragraph_open", "paragraph_close", "inline", "text", "code_inline"}
    assert kinds("x " + prose(text)) <= allowed
    assert kinds("x " + code(text)) <= allowed


@given(st.text(alphabet="ab`|\\<>*_[]()#@\n ", max_size=40))
def test_prose_says_what_was_written(text):
    """But for backticks in pairs, which make code, and the marks that keep GitHub from linking."""
    tokens = RENDERER.parse("x " + prose(text))
    shown = "".join(child.content for child in tokens[1].children)
    assert letters(shown) == letters("x " + text)


def letters(text: str) -> str:
    return re.sub(r"[\s`\u200b]", "", text).replace("|", "¦")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ask @octocat", "ask @\u200boctocat"),
        ("see #1 and octo/repo#2", "see #\u200b1 and octo/repo#\u200b2"),
        ("GH-3, www.evil.example", "GH-\u200b3, www.\u200bevil.example"),
        ("ftp://evil.example", "ftp://\u200bevil.example"),
        ("see https://huggingface.co/a/b; then go", "see `https://huggingface.co/a/b`; then go"),
        ("use `mergesmith lock` now", "use `mergesmith lock` now"),
        ("expected `a | b`", "expected `a ¦ b`"),
    ],
)
def test_nothing_is_mentioned_or_linked(text, shown):
    assert prose(text) == shown


def test_hidden_characters_are_written_out():
    assert flat("a\u202eb\x00c\u200bd\ufeff") == "a\\u202eb\\u0000c\\u200bd\\ufeff"


def test_a_long_text_is_cut():
    assert (len(flat("x" * 5000)), flat("x" * 5000)[-2:]) == (2000, "x…")


def test_code_with_backticks():
    assert code("a`b``c") == "``` a`b``c ```"
    assert code("") == "` `"


def test_a_fence_cannot_be_ended():
    block = fenced(["```", "````\n", "<b>", "\x1b[31m"], "yaml")
    assert block.startswith("`````yaml\n```\n")
    assert kinds(block) == {"fence"}
    assert "\\u001b[31m" in block


def test_addresses():
    assert address("https://h/a b)<x>\"'`") == "https://h/a%20b%29%3Cx%3E%22%27%60"
    assert part("a?b#c&d é/x") == "a%3Fb%23c%26d%20%C3%A9/x"


@pytest.mark.parametrize("name", ["comment.md.j2", "outcomes.md.j2", "drift.md.j2"])
def test_every_value_in_a_template_passes_a_filter(name):
    """What is ours needs none: icons, numbers, roles."""
    ours = {"icon", "fit_icon", "level", "line", "column", "role", "last", "tick", "cell", "lock_title"}
    for value in re.findall(r"{{(.*?)}}", (TEMPLATES / name).read_text()):
        last = value.strip().rpartition(".")[2]
        safe = re.search(r"\| (prose|code|address|part|count|size|plural\(.*\)|fenced\(.*\))$", value.strip())
        assert safe or last in ours or value.strip().startswith('", "'), value
