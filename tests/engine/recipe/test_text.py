"""YAML: what is read, what is refused, and where."""

from __future__ import annotations

import time

import pytest

from engine.findings import Place
from engine.recipe import parse
from engine.recipe.text import BROKEN, Leaf, read_text

UNREADABLE = [
    ("", ["error 1:1: the recipe is empty; write a `merge_method` and the `models` to merge"]),
    ("# nothing yet\n", ["error 1:1: the recipe is empty; write a `merge_method` and the `models` to merge"]),
    ("---\n", ["error 1:1: the recipe is empty; write a `merge_method` and the `models` to merge"]),
    (
        "- model: org/a\n",
        [
            "error 1:1: the recipe is a list, expected a mapping; "
            "write `merge_method: …` and `models:`, each in a line of its own"
        ],
    ),
    (
        "merge_method",
        [
            "error 1:1: the recipe is the text `merge_method`, expected a mapping; "
            "write `merge_method: …` and `models:`, each in a line of its own"
        ],
    ),
    (
        "merge_method: slerp\n  base_model: org/a\n",
        [
            "error 2:13: not valid YAML: mapping values are not allowed here; "
            "indent keys of one mapping alike, and quote text that holds `: `"
        ],
    ),
    (
        "models:\n\t- model: org/a\n",
        [
            "error 2:1: not valid YAML: while scanning for the next token, "
            "found character '\\t' that cannot start any token; indent with spaces, not with tabs"
        ],
    ),
    (
        "parameters: {t: [0, 1}\n",
        [
            "error 1:22: not valid YAML: while parsing a flow sequence, expected ',' or ']', but got '}'; "
            "check indentation, quotes and brackets here and just before"
        ],
    ),
    (
        "models:\n  - model: *parent\n",
        [
            "error 2:12: not valid YAML: found undefined alias 'parent'; "
            "check indentation, quotes and brackets here and just before"
        ],
    ),
    ("name: a\nseed: \x00\n", ["error 2:7: not valid YAML: the character U+0000 is not allowed; remove it"]),
    ("name: \ud800\n", ["error 1:7: not valid YAML: the character U+D800 is not allowed; remove it"]),
    (
        'name: "\\UFFFFFFFF"\n',
        ["error 1:10: not valid YAML: an escape that names no character; correct the escape"],
    ),
    ("a: " + "[" * 60, ["error 1:53: nested deeper than 50 levels; flatten it"]),
    ("#" * (1024 * 1024 + 1), ["error 1:1: the recipe is larger than 1 MiB; shorten it"]),
]


@pytest.mark.parametrize(("text", "expected"), UNREADABLE)
def test_a_text_that_is_no_recipe(said, text, expected):
    assert said(text) == expected
    assert parse(text).recipe is None


def test_a_mebibyte_is_not_too_large(said):
    assert said("#" * (1024 * 1024)) == UNREADABLE[0][1]


def test_too_many_values(said, monkeypatch):
    monkeypatch.setattr("engine.recipe.nodes.MAX_VALUES", 100)
    assert said("[" + "1," * 99 + "]") == [UNREADABLE[3][1][0]]
    assert said("[" + "1," * 100 + "]") == [
        "error 1:200: more than 100 values, counting what aliases repeat; shorten it, or repeat less"
    ]


def test_values_are_counted_before_their_keys_are_compared(said, monkeypatch):
    monkeypatch.setattr("engine.recipe.nodes.MAX_VALUES", 100)
    assert said("a: 1\n" * 60) == [
        "error 50:4: more than 100 values, counting what aliases repeat; shorten it, or repeat less"
    ]


def read(text):
    (document,), findings = read_text(text)
    return document.tree, document.places, findings


def test_an_alias_of_aliases_is_refused_before_it_grows():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    began = time.perf_counter()
    parsed = parse("\n".join(lines))
    assert [finding.id for finding in parsed.findings] == ["too-many-values"]
    assert time.perf_counter() - began < 5


def test_merges_of_merges_are_refused_before_they_grow():
    lines = ["a0: &a0 {}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 10)]
    assert [finding.id for finding in parse("\n".join(lines)).findings] == ["too-many-values"]


def test_aliases_add_to_the_depth():
    deep = "[" * 30 + "x" + "]" * 30
    _, _, findings = read(f"a: &a {deep}\nb: {deep.replace('x', '*a')}\n")
    # the mapping, 30 lists, and the 20th list of the alias is one too many
    assert [finding.line_for("r") for finding in findings] == [
        "r:1:26: nested deeper than 50 levels, counting what aliases repeat; flatten it"
    ]


def test_a_long_chain_of_merges_is_refused():
    lines = ["a0: &a0 {}", *(f"a{n}: &a{n} {{<<: *a{n - 1}}}" for n in range(1, 100))]
    _, _, findings = read("\n".join(lines))
    assert findings[0].line_for("r") == "r:2:14: `<<` reaches more than 50 mappings deep; flatten it"


def test_a_number_in_base_60_cannot_take_minutes(said):
    assert said("seed: 1" + ":1" * 100)[-1] == (
        f"error 1:7: `1{':1' * 19}:` is no valid int; correct it, or quote it to make it text"
    )


PARTS = [
    (
        "seed: !!python/object/apply:os.system [ls]\n",
        "error 1:7: the tag `!!python/object/apply:os.system` is not allowed; "
        "a recipe holds text, numbers, booleans, lists and mappings; remove the tag",
    ),
    (
        "seed: !secret x\n",
        "error 1:7: the tag `!secret` is not allowed; "
        "a recipe holds text, numbers, booleans, lists and mappings; remove the tag",
    ),
    ("seed: 1\nseed: 2\n", "error 2:1: `seed` is given twice, first in line 1; keep one of them"),
    ("seed: 1\n? [a]\n: 2\n", "error 2:3: a key must be plain text; write `key: value`"),
    ("seed: !!int x\n", "error 1:7: `x` is no valid int; correct it, or quote it to make it text"),
    ("seed: !!bool x\n", "error 1:7: `x` is no valid bool; correct it, or quote it to make it text"),
    ("seed: !!int ''\n", "error 1:7: `` is no valid int; correct it, or quote it to make it text"),
    ("a: &a {b: *a}\n", "error 1:11: this alias repeats what it stands in, without end; remove it"),
    ("a: &a {<<: *a}\n", "error 1:12: `<<` takes another mapping; name one with an alias"),
    ("<<: 5\n", "error 1:5: `<<` takes another mapping; name one with an alias"),
]


@pytest.mark.parametrize(("text", "expected"), PARTS)
def test_a_part_that_cannot_be_read_leaves_the_rest(text, expected):
    tree, _, findings = read(text)
    assert [f"{f.level} {f.line_for('r').removeprefix('r:')}" for f in findings] == [expected]
    assert isinstance(tree, dict)


def test_what_cannot_be_read_stands_as_broken():
    tree, _, _ = read("a: !x 1\nb: 2\na: 3\n")
    assert tree == {"a": BROKEN, "b": Leaf(2, "2")}


def test_scalars_keep_their_text():
    tree, _, _ = read("[no, 1e-5, 1.0, '1.0', ~, 2024-01-31, 0x10, =, .inf, 1_000]")
    assert tree == [
        Leaf(False, "no"),
        Leaf("1e-5", "1e-5"),
        Leaf(1.0, "1.0"),
        Leaf("1.0", "1.0"),
        Leaf(None, "~"),
        Leaf("2024-01-31", "2024-01-31"),
        Leaf(16, "0x10"),
        Leaf("=", "="),
        Leaf(float("inf"), ".inf"),
        Leaf(1000, "1_000"),
    ]


def test_a_merge_gives_what_the_mapping_does_not_have():
    tree, places, findings = read("one: &one {a: 1, b: 2}\ntwo:\n  b: 3\n  <<: *one\n")
    assert isinstance(tree, dict)
    assert (tree["two"], findings) == ({"b": Leaf(3, "3"), "a": Leaf(1, "1")}, [])
    assert (places.key(("two", "b")), places.key(("two", "a"))) == (Place(3, 3), Place(1, 12))


def test_the_first_of_several_merges_wins():
    tree, _, _ = read("one: &one {a: 1}\ntwo: &two {a: 2, b: 2}\nthree: {<<: [*one, *two]}\n")
    assert isinstance(tree, dict)
    assert tree["three"] == {"a": Leaf(1, "1"), "b": Leaf(2, "2")}


def test_an_alias_stands_where_it_is_written():
    _, places, _ = read("a: &x [1, 2]\nb: *x\n")
    assert (places.value(("a",)), places.value(("b",)), places.value(("b", 1))) == (
        Place(1, 4),
        Place(2, 4),
        Place(1, 11),
    )
