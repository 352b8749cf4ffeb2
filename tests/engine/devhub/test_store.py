from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.devhub import Conflict, Store
from engine.devhub.blobs import wants_lfs


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "hub")
    yield opened
    opened.close()


def test_a_file_is_linked_not_copied(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "w.safetensors"
    source.write_bytes(b"weights")
    store.create_repo("org/m", "alice")
    sha = store.commit_files("org/m", {"w.safetensors": source, "a/b.txt": b"text"}, "add")
    files = store.commit("org/m", sha).files
    assert list(files) == [".gitattributes", "a/b.txt", "w.safetensors"]
    kept = store.blobs.path(hashlib.sha256(b"weights").hexdigest())
    assert kept.samefile(source)
    assert (files["w.safetensors"].lfs, files["a/b.txt"].lfs) == (True, False)
    source.unlink()
    assert kept.read_bytes() == b"weights"


def test_a_symlink_is_followed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"weights")
    (tmp_path / "link.bin").symlink_to(tmp_path / "target")
    store.create_repo("org/m", "alice")
    store.commit_files("org/m", {"w.bin": tmp_path / "link.bin"}, "add")
    assert not store.blobs.path(hashlib.sha256(b"weights").hexdigest()).is_symlink()


def test_the_same_content_is_kept_once(store: Store) -> None:
    for repo in ("org/a", "org/b"):
        store.create_repo(repo, "alice")
        store.commit_files(repo, {"x.bin": b"same", "y.txt": b"same"}, "add")
    kept = [p for p in store.blobs.path("00").parents[1].rglob("*") if p.is_file()]
    assert len(kept) == 2  # this one and .gitattributes


def test_commits_build_on_each_other_and_branches_are_apart(store: Store) -> None:
    first = store.create_repo("org/m", "alice").oid
    store.set_ref("org/m", "refs/heads/dev", first)
    second = store.commit_files("org/m", {"a": b"1"}, "one")
    third = store.commit_files("org/m", {"b": b"2"}, "two", revision="dev")
    assert list(store.commit("org/m", third).files) == [".gitattributes", "b"]
    assert [c.oid for c in store.history("org/m", second)] == [second, first]
    assert store.resolve("org/m", "main") == second
    with pytest.raises(KeyError, match="org/m@none: no such branch"):
        store.commit_files("org/m", {}, "x", revision="none")


def test_create_twice(store: Store) -> None:
    store.create_repo("org/m", "alice")
    with pytest.raises(Conflict):
        store.create_repo("org/m", "bob")
    assert store.repo("org/m").owner == "alice"


def test_what_fails_in_a_transaction_did_not_happen(store: Store) -> None:
    store.create_repo("org/m", "alice")

    def fail() -> None:
        with store.transaction():
            store.set_repo("org/m", private=True)
            store.create_repo("org/m", "alice")

    with pytest.raises(Conflict):
        fail()
    assert store.repo("org/m").private is False


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("model.safetensors", 1, True),
        ("pytorch_model.bin", 1, True),
        ("a/b/x.pt", 1, True),
        ("tokenizer.model", 1, True),
        ("model.safetensors.index.json", 1, False),
        ("tokenizer.json", 10_000_000, False),
        ("tokenizer.json", 10_000_001, True),
        ("model.safetensors", 0, False),
    ],
)
def test_what_goes_to_lfs(name: str, size: int, expected: bool) -> None:
    assert wants_lfs(name, size) is expected
