"""The record: true of every file and tensor, the same for every run, and enough to render the card again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import folders
import pytest
import torch
from safetensors import safe_open

from engine.commands import card, merge
from engine.errors import MergeError
from engine.events import silent
from engine.plan.plan import Options
from engine.publish.record import facts_from, read_record
from engine.version import ENGINE, NUMERICS


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return folders.write_home(tmp_path_factory.mktemp("home"))


@pytest.fixture
def out(home, tmp_path, monkeypatch):
    monkeypatch.chdir(home)
    merge(Path("ties.yaml"), tmp_path / "out", None, Options(max_shard_size=folders.SHARD), silent)
    return tmp_path / "out"


@pytest.fixture
def record(out):
    return json.loads((out / "merge.record.json").read_text())


def test_every_other_file_has_its_hash(out, record):
    expected = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.iterdir()
        if path.name != "merge.record.json"
    }
    assert record["files"] == expected
    assert len(expected) == folders.SHARDS + 7


def test_every_tensor_has_the_hash_of_its_bytes(out, record):
    """Read by the reference implementation."""
    expected = {}
    for path in out.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 - no mapping
                data = file.get_tensor(name).view(-1).view(torch.uint8).numpy().tobytes()
                expected[name] = hashlib.sha256(data).hexdigest()
    assert record["tensors"] == expected
    assert len(expected) == 39


def test_digests_and_versions(out, record):
    lock = json.loads((out / "merge.lock.json").read_text())
    assert (record["weights_digest"], record["plan_digest"]) == (lock["weights_digest"], lock["plan_digest"])
    assert record["versions"] == {"engine": ENGINE, "numerics": NUMERICS}
    assert record["mergesmith_record"] == 1


def test_recipe_and_config_beside_it(home, out):
    assert (out / "mergekit_config.yml").read_bytes() == (home / "ties.yaml").read_bytes()
    assert json.loads((out / "config.json").read_text())["torch_dtype"] == "bfloat16"


def test_nothing_tells_of_the_machine(home, out):
    for path in out.iterdir():
        data = path.read_bytes()
        assert str(home).encode() not in data, path.name
        assert str(out).encode() not in data, path.name


def test_the_card_is_rendered_again_from_it(out):
    before = (out / "README.md").read_bytes()
    (out / "README.md").write_text("spoilt")
    assert card(out) == out / "README.md"
    assert (out / "README.md").read_bytes() == before


def test_the_index_counts_what_is_there(out):
    index = json.loads((out / "model.safetensors.index.json").read_text())
    # 17,696 bytes: embedding and head 1,024 each, 4 layers of 3,904, a norm of 32.
    assert index["metadata"] == {"total_size": 17_696}
    for name, file in index["weight_map"].items():
        with safe_open(out / file, "pt") as opened:
            assert name in opened.keys()  # noqa: SIM118 - no mapping


WHOLE = {"mergesmith_record": 1, "weights_digest": "w", "plan_digest": "p", "files": {}, "tensors": {}, "card": {}}
OTHERS = "a/merge.record.json"
BROKEN = {
    "not JSON": (b"{", f"{OTHERS} is not a record of a merge; remove it, or pass --force to replace it"),
    "nested": (b"[" * 100_000, f"{OTHERS} is not a record of a merge; remove it, or pass --force to replace it"),
    "a list": (b"[1]", f"{OTHERS} is not a record of a merge; remove it, or pass --force to replace it"),
    "a stranger": (b'{"files": {}}', f"{OTHERS} is not a record of a merge; remove it, or pass --force to replace it"),
    "newer": (
        b'{"mergesmith_record": 2}',
        f"{OTHERS} has format 2, and this engine reads format 1; upgrade mergesmith",
    ),
} | {
    f"without {name}": (
        json.dumps({key: value for key, value in WHOLE.items() if key != name}).encode(),
        f"{OTHERS} is a damaged record of a merge; remove it, or pass --force to replace it",
    )
    for name in ("weights_digest", "plan_digest", "files", "tensors", "card")
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_record_that_cannot_be_read(name):
    data, message = BROKEN[name]
    with pytest.raises(MergeError) as caught:
        read_record(data, OTHERS)
    assert str(caught.value) == message


def test_hashes_must_be_texts():
    with pytest.raises(MergeError, match="is a damaged record"):
        read_record(json.dumps({**WHOLE, "files": {"a": 1}}).encode(), OTHERS)


def test_a_record_without_facts_gives_no_card():
    with pytest.raises(MergeError) as caught:
        facts_from(WHOLE, OTHERS)
    assert str(caught.value) == (
        f"{OTHERS} lacks facts that a card is made of; use the mergesmith that wrote it, or merge again"
    )
