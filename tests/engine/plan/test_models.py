"""The models of a recipe: how a reference is taken, and what is to be known about each."""

from __future__ import annotations

import families
import pytest

from engine.checkpoints import local
from engine.errors import RecipeError

SHAPE = families.Shape(layers=4)


def text(first="./a", second="./b", more=""):
    return (
        f"models:\n  - model: {first}\n  - model: {second}\nmerge_method: slerp\nbase_model: {first}\n"
        f"parameters: {{t: 0.5}}\n{more}"
    )


@pytest.fixture
def bench(bench):
    base = families.random_tensors(SHAPE, 1)
    for seed, name in enumerate(("a", "b", "org/name", "org/name@v1")):
        bench.model(name, families.tuned(base, seed))
    return bench


def findings(plan):
    return [(f.id, f.level, f.message, f.fix, f.line, f.column) for f in plan.findings]


def test_a_folder_goes_before_the_hub_and_says_so(bench):
    plan = bench.plan(text(second="org/name"))
    assert findings(plan) == [
        (
            "folder-shadows-hub",
            "note",
            "org/name is read from the folder of that name, not from the Hub",
            "write ./org/name to say so, or run elsewhere to mean the Hub's",
            3,
            12,
        )
    ]
    assert findings(bench.plan(text(second="./org/name"))) == []


def test_a_folders_name_may_hold_what_a_reference_would_split_at(bench):
    assert bench.plan(text(second="./org/name@v1")).models[1].ref == "./org/name@v1"


def test_an_absolute_folder(bench):
    assert bench.plan(text(second=str(bench.root / "b"))).models[1].kind == "local"


def test_a_large_file_is_pinned_by_its_header_and_says_so(bench, monkeypatch):
    monkeypatch.setattr(local, "LARGEST_HASHED", 1000)
    assert findings(bench.plan(text()))[1] == (
        "pinned-by-header",
        "note",
        "./b has weight files above 64 MB, pinned by header and size, not by content",
        "",
        3,
        12,
    )


@pytest.mark.parametrize("ref", ["./a", "/tmp/a", "a/b/c"])
def test_folders_are_refused_where_only_the_hub_counts(bench, ref):
    with pytest.raises(RecipeError) as caught:
        bench.plan(text(first=ref, second="./b"), local=False)
    assert str(caught.value).splitlines()[0] == (
        f"r.yaml:2:12: {ref}: local folders are not allowed here, only models on the Hub; expected `namespace/name`"
    )


def test_licences_that_do_not_go_together(bench):
    for name, licence in (("a", "gpl-3.0"), ("b", "cc-by-nc-4.0")):
        (bench.root / name / "README.md").write_text(f"---\nlicense: {licence}\n---\n")
    (found,) = findings(bench.plan(text()))
    assert found[:2] == ("licence", "warning")
    assert "./a" in found[2]
    assert "./b" in found[2]
    assert found[4:] == (4, 15)
    (found,) = findings(bench.plan(text(more="publish: {license: mit}\n")))
    assert found[4:] == (7, 20)


def test_a_tokenizer_that_is_left_out_as_asked_is_a_note(bench):
    assert findings(bench.plan(text(), copy_tokenizer=False)) == [
        ("tokenizer-left-out", "note", "the result gets no tokenizer, as asked", "", 2, 12)
    ]
