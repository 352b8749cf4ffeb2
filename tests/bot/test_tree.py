"""A commit's files: listed by GitHub, read from the workspace only where they are the same."""

from __future__ import annotations

import hashlib
import os

import pytest

from bot.github import GitHub
from bot.tree import Entry, Tree, blob_id, tree_at
from engine.errors import MergesmithError


@pytest.fixture
def client(github):
    return GitHub(github.url, "octocat/merges", "t")


def test_blob_id_is_gits():
    # `git hash-object` of a file that holds "hello\n"
    assert blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_listing(github, client):
    sha = github.commit({"a.yaml": "x", "b/c.json": "yy"}, links={"l": "/etc/passwd"})
    tree = tree_at(client, sha, None)
    assert {path: (e.mode, e.size, e.is_plain) for path, e in tree.entries.items()} == {
        "a.yaml": ("100644", 1, True),
        "b/c.json": ("100644", 2, True),
        "l": ("120000", 11, False),
    }
    assert (tree.read("a.yaml"), tree.read("b/c.json"), list(tree)) == (b"x", b"yy", ["a.yaml", "b/c.json", "l"])


def test_an_incomplete_listing_is_refused(github, client):
    sha = github.commit({"a": "x"})
    github.truncated = True
    with pytest.raises(MergesmithError, match=r"more files at .* than GitHub lists at once"):
        tree_at(client, sha, None)


def blobs_asked(github) -> int:
    return sum("/git/blobs/" in path for _, path, _ in github.requests)


def test_the_workspace_saves_requests(github, client, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b/c.yaml").write_text("x")
    tree = tree_at(client, github.commit({"b/c.yaml": "x"}), tmp_path)
    assert (tree.read("b/c.yaml"), blobs_asked(github)) == (b"x", 0)


@pytest.mark.parametrize("what", ["other", "longer", "absent", "link", "folder", "pipe"])
def test_anything_else_in_the_workspace_counts_for_nothing(github, client, tmp_path, what):
    here = tmp_path / "w"
    here.mkdir()
    path = here / "c.yaml"
    if what == "other":
        path.write_text("z")
    elif what == "longer":
        path.write_text("xx")
    elif what == "link":
        (tmp_path / "secret").write_text("x")
        path.symlink_to(tmp_path / "secret")
    elif what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    tree = tree_at(client, github.commit({"c.yaml": "x"}), here)
    assert (tree.read("c.yaml"), blobs_asked(github)) == (b"x", 1)


@pytest.mark.parametrize("path", ["../secret", "a/../../secret", "/secret", "a\0b"])
def test_paths_that_lead_out_are_not_followed(github, client, tmp_path, path):
    (tmp_path / "secret").write_text("x")
    here = tmp_path / "w"
    here.mkdir()
    github.commit({"any": "x"})
    entry = Entry(path, "100644", blob_id(b"x"), 1)
    assert Tree(client, "c" * 40, {path: entry}, here).read(path) == b"x"
    assert blobs_asked(github) == 1


def test_an_answer_that_is_another_file_is_refused(github, client):
    github.commit({"c": "x"})
    tree = Tree(client, "c" * 40, {"c": Entry("c", "100644", blob_id(b"x"), 1)}, None)
    github._blob = None
    github.commits = {"d": {"c": ("100644", b"y")}}
    wrong = hashlib.sha1(b"blob 1\0y", usedforsecurity=False).hexdigest()
    assert tree.entries["c"].sha != wrong
    with pytest.raises(MergesmithError):
        tree.read("c")
