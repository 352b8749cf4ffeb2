"""Workflow commands, outputs and summaries."""

from __future__ import annotations

import io

import pytest

from bot.workflow import Annotation, Log, annotation, annotation_lines, write_outputs, write_summary
from engine.findings import Finding


def finding(level: str = "error", message: str = "wrong", fix: str = "") -> Finding:
    return Finding("bad-thing", level, message, fix, 3, 7)


def test_annotation():
    shown = annotation(Annotation("recipes/a,b:c.yaml", finding(fix="do this: 50%\r\nnow")))
    assert shown == (
        "::error file=recipes/a%2Cb%3Ac.yaml,line=3,col=7,title=mergesmith%3A bad-thing::wrong; do this: 50%25%0D%0Anow"
    )
    assert annotation(Annotation("", finding("note"))) == "::notice title=mergesmith%3A bad-thing::wrong"


def test_ten_of_each_errors_first():
    notes = [Annotation("a", finding(level, str(i))) for i in range(12) for level in ("note", "warning", "error")]
    lines = annotation_lines(notes)
    kinds = [line.split(" ")[0] for line in lines]
    assert kinds == ["::error"] * 10 + ["::warning"] * 10 + ["::notice"] * 10
    assert [line.rpartition("::")[2] for line in lines[:10]] == [str(i) for i in range(10)]


def test_what_is_said_is_no_command(runner):
    stream = io.StringIO()
    log = Log(["hf_secret", ""], stream)
    log.mask()
    log.say("::error::I am not\n ::add-path::/tmp\n##[error]nor me\nhf_secret")
    with log.group("a 100%\n::error::title"):
        log.say("::warning::nor me")
    log.command("::notice::hf_secret")
    assert runner.obeyed(stream.getvalue()) == [
        "::add-mask::hf_secret",
        "::group::a 100%25%0A::error::title",
        "::endgroup::",
        "::notice::***",
    ]
    assert stream.getvalue().count("hf_secret") == 1


def test_stop_tokens_are_never_the_same():
    stream = io.StringIO()
    for _ in range(3):
        Log((), stream).say("x")
    tokens = [line for line in stream.getvalue().splitlines() if line.startswith("::stop-commands::")]
    assert len(set(tokens)) == 3
    assert all(len(token) == len("::stop-commands::") + 32 for token in tokens)


def test_a_group_ends_when_something_fails(runner):
    stream = io.StringIO()
    log = Log((), stream)
    with pytest.raises(KeyError), log.group("x"):
        raise KeyError
    assert runner.obeyed(stream.getvalue()) == ["::group::x", "::endgroup::"]


def test_outputs(tmp_path, runner):
    path = tmp_path / "out"
    values = {"a": "1\nEOF\nb<<EOF\n2", "c": "", "d": "é\n"}
    write_outputs(path, values)
    assert runner.read_outputs(path.read_text()) == values
    delimiters = [line.partition("<<")[2] for line in path.read_text().splitlines() if "<<mergesmith_" in line]
    assert len(set(delimiters)) == 3


def test_summary_is_added(tmp_path):
    path = tmp_path / "summary"
    path.write_text("before\n")
    write_summary(path, "after")
    assert path.read_text() == "before\nafter\n"
