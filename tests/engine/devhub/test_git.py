from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from engine.devhub import git
from engine.devhub.schema import Entry


def test_blob_hash_is_gits() -> None:
    # `printf 'hello\n' | git hash-object --stdin`, as in every git tutorial
    assert git.object_hash("blob", b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_empty_tree_is_gits() -> None:
    assert git.tree_hashes({}) == {"": "4b825dc642cb6eb9a060e54bf8d69288fbee4904"}


def test_pointer_is_that_of_the_lfs_specification() -> None:
    # The example in git-lfs's docs/spec.md
    oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
    expected = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12345\n"
    assert git.pointer(oid, 12345) == expected.encode()


def test_trees_and_commits_agree_with_git(tmp_path: Path) -> None:
    contents = {"a.b/x": b"1", "a/y": b"2", "a/z/w": b"3", "a0": b"4", "README.md": b"5"}

    def run(*arguments: str) -> str:
        identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in person.items()}
        done = subprocess.run(
            ["git", *arguments], cwd=tmp_path, env=identity, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    person = {"NAME": "alice", "EMAIL": "alice@users.noreply.hub", "DATE": "1700000000 +0000"}
    run("init", "-q")
    for name, content in contents.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    run("add", ".")
    files = {n: Entry(len(c), "", lfs=False, oid=git.object_hash("blob", c)) for n, c in contents.items()}
    trees = git.tree_hashes(files)
    assert trees[""] == run("write-tree")
    first = git.commit_hash(trees[""], None, "alice", 1700000000, "first")
    assert first == run("commit-tree", trees[""], "-m", "first")
    second = git.commit_hash(trees[""], first, "alice", 1700000000, "second\n\nmore")
    assert second == run("commit-tree", trees[""], "-p", first, "-m", "second", "-m", "more")
    assert trees["a/z"] == run("rev-parse", f"{second}:a/z")


@pytest.mark.parametrize("name", ["a", "z"])
def test_a_changed_file_changes_every_tree_above_it(name: str) -> None:
    def at(oid: str) -> dict[str, str]:
        changed, other = Entry(1, "", lfs=False, oid=oid), Entry(1, "", lfs=False, oid="1" * 40)
        return git.tree_hashes({f"{name}/b/c": changed, "m/n": other})

    old, new = at("2" * 40), at("3" * 40)
    assert {path for path in old if old[path] != new[path]} == {"", name, f"{name}/b"}
