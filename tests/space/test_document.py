from pathlib import Path

import pytest

from engine.recipe import parse
from space.document import changed, drop, look, put

ROOT = Path(__file__).parents[2]
RECIPES = sorted([*(ROOT / "examples").glob("*/*.yaml"), *(ROOT / "tests/acceptance/recipes").glob("*.yaml")])

TEXT = """\
# What it is for.
models:
  - model: a/one    # the base
  - model: b/two
    parameters:
      weight: 0.5   # half
merge_method: linear
dtype: bfloat16
"""


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_text_that_nothing_changes_is_as_it_was(path: Path) -> None:
    text = path.read_text()
    assert changed(text, 0, lambda tree: None) == text


def test_one_value_changes_one_line() -> None:
    found = changed(TEXT, 0, lambda tree: put(tree, ("models", 1, "parameters", "weight"), 0.75))
    assert found == TEXT.replace("weight: 0.5   # half", "weight: 0.75   # half")


def test_what_is_missing_is_made_on_the_way() -> None:
    def change(tree) -> None:
        put(tree, ("publish", "repo"), "me/mine")
        put(tree, ("models", 0, "parameters", "weight"), [0, 1])

    found = changed(TEXT, 0, change)
    assert (
        found
        == TEXT.replace(
            "  - model: a/one    # the base\n",
            "  - model: a/one    # the base\n    parameters:\n      weight: [0, 1]\n",
        )
        + "publish:\n  repo: me/mine\n"
    )


def test_dropping_takes_the_empty_mapping_along() -> None:
    found = changed(TEXT, 0, lambda tree: drop(tree, ("models", 1, "parameters", "weight")))
    assert found == TEXT.replace("    parameters:\n      weight: 0.5   # half\n", "")


def test_dropping_an_item_or_nothing() -> None:
    assert "a/one" not in changed(TEXT, 0, lambda tree: drop(tree, ("models", 0)))
    assert changed(TEXT, 0, lambda tree: drop(tree, ("publish", "repo"))) == TEXT
    assert changed(TEXT, 0, lambda tree: drop(tree, ("models", 7))) == TEXT


def test_only_the_document_of_that_number_changes() -> None:
    text = "name: one\nmerge_method: linear\n---\n# The result.\nmerge_method: slerp\n"
    found = changed(text, 1, lambda tree: put(tree, ("merge_method",), "linear"))
    assert found == "name: one\nmerge_method: linear\n---\n# The result.\nmerge_method: linear\n"


def test_a_list_without_indentation_keeps_it() -> None:
    text = "models:\n- model: a/one\n  parameters:\n    weight: 1\nmerge_method: linear\n"
    found = changed(text, 0, lambda tree: put(tree, ("models", 0, "parameters", "weight"), 2))
    assert found == text.replace("1", "2")


def test_a_long_text_is_not_wrapped() -> None:
    text = f"merge_method: linear\ndescription: {'word ' * 60}end\n"
    assert changed(text, 0, lambda tree: put(tree, ("dtype",), "float16")) == text + "dtype: float16\n"


def test_looking() -> None:
    seen = []

    def change(tree) -> None:
        paths = (("models", 1, "parameters", "weight"), ("models", 9), ("dtype", "x"), ("nothing",))
        seen.extend(look(tree, path) for path in paths)

    changed(TEXT, 0, change)
    assert seen == [0.5, None, None, None]


def test_lists_are_written_in_line() -> None:
    assert changed("a: 1\n", 0, lambda tree: put(tree, ("b",), [0, 0.5])) == "a: 1\nb: [0, 0.5]\n"


def test_an_alias_stays_one() -> None:
    text = (
        "models:\n  - model: a/one\n    parameters: &p\n      weight: 1\n  - model: b/two\n    parameters: *p\n"
        "merge_method: linear\n"
    )
    found = changed(text, 0, lambda tree: put(tree, ("dtype",), "float16"))
    assert found == text + "dtype: float16\n"
    assert parse(found).sound is not None
