"""Which files are recipes, and what a change does to them."""

from __future__ import annotations

import pytest

from bot.recipes import Change, changes, lock_of, matcher, recipes_among

DEFAULT = ("recipes/**/*.yaml", "recipes/**/*.yml")


@pytest.mark.parametrize(
    ("patterns", "folder", "path", "fits"),
    [
        (DEFAULT, "", "recipes/a.yaml", True),
        (DEFAULT, "", "recipes/a/b/c.yml", True),
        (DEFAULT, "", "recipes/.yaml", True),
        (DEFAULT, "", "recipes/a.json", False),
        (DEFAULT, "", "recipes/a.yaml/b", False),
        (DEFAULT, "", "other/recipes/a.yaml", False),
        (DEFAULT, "", "recipesXa.yaml", False),
        (DEFAULT, "", "recipes/a\nb.yaml", True),
        (DEFAULT, "models", "models/recipes/a.yaml", True),
        (DEFAULT, "models", "recipes/a.yaml", False),
        (DEFAULT, "m.x", "mYx/recipes/a.yaml", False),
        (("*.yaml",), "", "a.yaml", True),
        (("./*.yaml",), "", "a.yaml", True),
        (("*.yaml",), "", "a/b.yaml", False),
        (("**/*.yaml",), "", "a.yaml", True),
        (("**",), "", "a/b.txt", True),
        (("a?.yaml",), "", "ab.yaml", True),
        (("a?.yaml",), "", "a/.yaml", False),
        (("a[1].yaml",), "", "a[1].yaml", True),
        (("a[1].yaml",), "", "a1.yaml", False),
        (("a.yaml",), "", "aXyaml", False),
        ((), "", "a.yaml", False),
        ((), "", "", False),
    ],
)
def test_patterns(patterns, folder, path, fits):
    assert (matcher(patterns, folder).fullmatch(path) is not None) is fits


def test_lock_of():
    assert lock_of("recipes/a.b.yaml") == "recipes/a.b.lock.json"


@pytest.mark.parametrize(
    ("before", "after", "renames", "expected"),
    [
        ({}, {"recipes/a.yaml": "1"}, {}, [Change("recipes/a.yaml", "added")]),
        ({"recipes/a.yaml": "1"}, {"recipes/a.yaml": "2"}, {}, [Change("recipes/a.yaml", "changed")]),
        ({"recipes/a.yaml": "1"}, {"recipes/a.yaml": "1"}, {}, []),
        ({"recipes/a.yaml": "1"}, {}, {}, [Change("recipes/a.yaml", "removed")]),
        (
            {"recipes/a.yaml": "1"},
            {"recipes/b.yaml": "1"},
            {},
            [Change("recipes/b.yaml", "renamed", "recipes/a.yaml")],
        ),
        (
            {"recipes/a.yaml": "1"},
            {"recipes/b.yaml": "2"},
            {"recipes/b.yaml": "recipes/a.yaml"},
            [Change("recipes/b.yaml", "renamed", "recipes/a.yaml")],
        ),
        (
            {"recipes/a.yaml": "1"},
            {"recipes/b.yaml": "2"},
            {},
            [Change("recipes/a.yaml", "removed"), Change("recipes/b.yaml", "added")],
        ),
        (
            {"recipes/a.yaml": "1"},
            {"recipes/a.yaml": "1", "recipes/b.yaml": "1"},
            {"recipes/b.yaml": "recipes/a.yaml"},
            [Change("recipes/b.yaml", "added")],
        ),
        (
            {"recipes/a.yaml": "1"},
            {"recipes/b.yaml": "1", "recipes/c.yaml": "1"},
            {},
            [Change("recipes/b.yaml", "renamed", "recipes/a.yaml"), Change("recipes/c.yaml", "added")],
        ),
        ({"draft.yaml": "1"}, {"recipes/b.yaml": "1"}, {}, [Change("recipes/b.yaml", "renamed", "draft.yaml")]),
        ({"recipes/a.yaml": "1"}, {"draft.yaml": "1"}, {}, [Change("recipes/a.yaml", "removed")]),
        (
            {"recipes/a.yaml": "1"},
            {"recipes/a.yaml": "1", "recipes/a.lock.json": "9"},
            {},
            [Change("recipes/a.yaml", "lock changed")],
        ),
        (
            {"recipes/a.yaml": "1", "recipes/a.lock.json": "9"},
            {"recipes/a.yaml": "1", "recipes/a.lock.json": "8"},
            {},
            [Change("recipes/a.yaml", "lock changed")],
        ),
        (
            {"recipes/a.yaml": "1", "recipes/a.lock.json": "9"},
            {"recipes/a.yaml": "1"},
            {},
            [Change("recipes/a.yaml", "lock changed")],
        ),
        (
            {"recipes/a.yaml": "1", "recipes/a.lock.json": "9"},
            {"recipes/a.yaml": "2", "recipes/a.lock.json": "8"},
            {},
            [Change("recipes/a.yaml", "changed")],
        ),
        ({}, {"recipes/a.lock.json": "9", "README.md": "1"}, {}, []),
    ],
)
def test_changes(before, after, renames, expected):
    assert list(changes(before, after, matcher(DEFAULT, ""), renames)) == expected


def test_recipes_among():
    paths = ["recipes/z.yaml", "x.yaml", "recipes/a.yml"]
    assert recipes_among(paths, matcher(DEFAULT, "")) == ("recipes/a.yml", "recipes/z.yaml")
