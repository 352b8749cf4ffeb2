"""The Hub's unmodified client and our own publish, through Xet, each in its own process."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import families
import pytest
from hf_xet import hash_files
from huggingface_hub import HfApi, HfFileSystem
from xet_by_hand import finish, received, start

from engine.devhub import Server

SIZE = 20_000_000
UPLOAD = """
import sys
from huggingface_hub import HfApi
for repo, folder in zip(sys.argv[1::2], sys.argv[2::2]):
    HfApi().create_repo(repo, exist_ok=True)
    HfApi().upload_folder(repo_id=repo, folder_path=folder)
"""
DOWNLOAD = """
import sys
from huggingface_hub import hf_hub_download
print(hf_hub_download(*sys.argv[1:]), end="")
"""
MERGESMITH = "from engine.cli import main; main()"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with 20 MB that cannot be compressed."""
    (tmp_path / "random").mkdir()
    (tmp_path / "random" / "w.bin").write_bytes(random.Random(1).randbytes(SIZE))
    return tmp_path / "random"


def test_two_processes_at_once_send_and_fetch(xet_hub: Server, tmp_path: Path) -> None:
    users, sent = ("alice", "bob"), {}
    for seed, user in enumerate(users):
        (tmp_path / user).mkdir()
        sent[user] = random.Random(seed).randbytes(SIZE)
        (tmp_path / user / "w.bin").write_bytes(sent[user])
    uploads = [start(xet_hub, tmp_path / f"{u}-home", UPLOAD, f"{u}/big", tmp_path / u, user=u) for u in users]
    for process in uploads:
        finish(process)
    assert 2 * SIZE < received(xet_hub.log, "add-xorb") < 2.01 * SIZE
    for user in users:
        api = HfApi(endpoint=xet_hub.endpoint, token=False)
        (file,) = api.get_paths_info(f"{user}/big", ["w.bin"])
        assert file.lfs is not None
        assert file.lfs.sha256 == hashlib.sha256(sent[user]).hexdigest()
        assert file.xet_hash == hash_files([str(tmp_path / user / "w.bin")])[0].hash
    xet_hub.clear_log()
    downloads = [start(xet_hub, tmp_path / f"{u}-other", DOWNLOAD, f"{u}/big", "w.bin", user=u) for u in users]
    for process, user in zip(downloads, users, strict=True):
        assert Path(finish(process)).read_bytes() == sent[user]
    assert {e.route for e in xet_hub.log if e.sent > 1_000_000} == {"xorb"}
    assert [e.route for e in xet_hub.log if e.route in {"contents", "lfs-batch", "lfs-put"}] == []


@pytest.mark.parametrize("home", ["same", "another"])
def test_the_same_bytes_again_are_not_sent(xet_hub: Server, folder: Path, tmp_path: Path, home: str) -> None:
    """Neither from the machine that knows what it sent, nor from one that has to ask."""
    finish(start(xet_hub, tmp_path / "same", UPLOAD, "alice/m", folder))
    xet_hub.clear_log()
    finish(start(xet_hub, tmp_path / home, UPLOAD, "alice/again", folder))
    assert received(xet_hub.log, "add-xorb") == 0
    assert sum(exchange.received for exchange in xet_hub.log) < 10_000
    head = xet_hub.store.resolve("alice/again", "main")
    assert head is not None
    assert xet_hub.store.commit("alice/again", head).files["w.bin"].size == SIZE


def test_what_came_through_xet_is_read_by_range_without(xet_hub: Server, folder: Path, tmp_path: Path) -> None:
    finish(start(xet_hub, tmp_path / "home", UPLOAD, "alice/m", folder))
    xet_hub.clear_log()
    fs = HfFileSystem(endpoint=xet_hub.endpoint, token=False, skip_instance_cache=True)
    with fs.open("alice/m/w.bin", "rb", block_size=1000) as file:
        file.seek(12_345_678)
        assert file.read(100) == (folder / "w.bin").read_bytes()[12_345_678:][:100]
    assert {e.route for e in xet_hub.log if e.sent > 1000} == {"contents"}


def test_a_client_without_xet_sends_by_lfs(xet_hub: Server) -> None:
    """As the client in this process is."""
    api = HfApi(endpoint=xet_hub.endpoint, token=xet_hub.token("alice"))
    api.upload_file(path_or_fileobj=b"w" * 1000, path_in_repo="w.bin", repo_id="alice/m")
    assert received(xet_hub.log, "lfs-put") == 1000
    assert "xet-write-token" not in {exchange.route for exchange in xet_hub.log}


def test_a_proposal_is_sent_through_xet_by_somebody_who_may_not_write(xet_hub: Server, tmp_path: Path) -> None:
    code = (
        "from huggingface_hub import HfApi\n"
        "print(HfApi().upload_file(path_or_fileobj=b'w' * 1000, path_in_repo='w.bin', repo_id='alice/m',"
        " create_pr=True).pr_num)"
    )
    assert finish(start(xet_hub, tmp_path / "home", code, user="bob")) == "1\n"
    head = xet_hub.store.resolve("alice/m", "refs/pr/1")
    assert head is not None
    assert xet_hub.store.commit("alice/m", head).files["w.bin"].sha256 == hashlib.sha256(b"w" * 1000).hexdigest()
    assert received(xet_hub.log, "add-shard") > 0


def test_a_changed_piece_is_all_that_is_sent(xet_hub: Server, folder: Path, tmp_path: Path) -> None:
    """A file then has several terms; chunks have up to 128 KiB."""
    finish(start(xet_hub, tmp_path / "home", UPLOAD, "alice/m", folder))
    content = (folder / "w.bin").read_bytes()
    changed = content[:9_000_000] + random.Random(9).randbytes(100_000) + content[9_000_000:]
    (folder / "w.bin").write_bytes(changed)
    xet_hub.clear_log()
    finish(start(xet_hub, tmp_path / "home", UPLOAD, "alice/m", folder))
    assert 100_000 < received(xet_hub.log, "add-xorb") < 100_000 + 3 * 131_072
    assert Path(finish(start(xet_hub, tmp_path / "fresh", DOWNLOAD, "alice/m", "w.bin"))).read_bytes() == changed


def test_another_machine_finds_by_asking_for_tracked_chunks(xet_hub: Server, tmp_path: Path) -> None:
    """These bytes have one at 18.9 of 22 MB. The client, which reads 8 MB at a time, sends no more from there on."""
    content = random.Random(223).randbytes(22_000_000)
    for name, begin in (("old", b""), ("new", b"another beginning")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "w.bin").write_bytes(begin + content)
    finish(start(xet_hub, tmp_path / "home", UPLOAD, "alice/m", tmp_path / "old"))
    xet_hub.clear_log()
    finish(start(xet_hub, tmp_path / "fresh", UPLOAD, "alice/new", tmp_path / "new"))
    assert [e.status for e in xet_hub.log if e.route == "chunk"] == [404, 200]
    assert 16_000_000 - 131_072 < received(xet_hub.log, "add-xorb") < 16_010_000
    fetched = finish(start(xet_hub, tmp_path / "third", DOWNLOAD, "alice/new", "w.bin"))
    assert Path(fetched).read_bytes() == b"another beginning" + content


SHAPE = families.Shape(layers=8, width=256, inner=512, vocab=256)
STACK = """\
merge_method: passthrough
slices:
  - sources: [{model: alice/one, layer_range: [0, 8]}]
  - sources: [{model: alice/two, layer_range: [4, 8]}]
dtype: bfloat16
"""
SLERP = """\
merge_method: slerp
base_model: alice/one
models: [{model: alice/one}, {model: alice/two}]
parameters: {t: 0.5}
dtype: bfloat16
"""


def publish(server: Server, home: Path, recipe: Path) -> dict[str, int]:
    """Publish in a process of its own; returns the sizes of the target's weight files."""
    finish(start(server, home, MERGESMITH, "publish", recipe, "--repo", "alice/merged", "--max-shard-size", "6MB"))
    head = server.store.resolve("alice/merged", "main")
    assert head is not None
    files = server.store.commit("alice/merged", head).files
    return {name: entry.size for name, entry in files.items() if name.endswith(".safetensors")}


@pytest.fixture
def home(xet_hub: Server, tmp_path: Path) -> Path:
    """The home of a machine from which both parents went to the Hub through Xet."""
    folders = []
    for seed, name in enumerate(("one", "two")):
        tensors = families.random_tensors(SHAPE, seed)
        folders += [f"alice/{name}", families.write_model(tmp_path / name, tensors, families.config_of(SHAPE))]
    finish(start(xet_hub, tmp_path / "home", UPLOAD, *folders))
    xet_hub.clear_log()
    return tmp_path / "home"


def test_a_merge_is_published_through_xet_and_verified(xet_hub: Server, home: Path, tmp_path: Path) -> None:
    (tmp_path / "slerp.yaml").write_text(SLERP)
    sizes = publish(xet_hub, home, tmp_path / "slerp.yaml")
    assert len(sizes) == 2
    assert "lfs-put" not in {exchange.route for exchange in xet_hub.log}
    assert 0.5 * sum(sizes.values()) < received(xet_hub.log, "add-xorb") < 1.01 * sum(sizes.values())
    said = finish(start(xet_hub, home, MERGESMITH, "verify", "alice/merged", "--rebuild"))
    assert "all 75 tensors, made again from the locked parents, have the same bytes" in said


def test_a_stack_of_what_the_hub_holds_costs_almost_nothing(xet_hub: Server, home: Path, tmp_path: Path) -> None:
    """Its layers stand in the parents byte for byte; new are headers, and chunks that hold an edge between layers.

    So it is where the parents were sent from. Any other machine has to ask, and the client asks for one chunk in 1024.
    """
    (tmp_path / "stack.yaml").write_text(STACK)
    sizes = publish(xet_hub, home, tmp_path / "stack.yaml")
    assert sum(sizes.values()) > 14_000_000
    assert received(xet_hub.log, "add-xorb") < 0.1 * sum(sizes.values())


REFUSED = """
import sys
from pathlib import Path
from engine.errors import HubError
from engine.hub_client import Hub
try:
    Hub().upload("alice/m", Path(sys.argv[1]), "model.safetensors")
except HubError as error:
    print(error)
"""


def test_a_refused_transfer_is_told_in_our_words(xet_hub: Server, home: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(random.Random(5).randbytes(100_000))
    xet_hub.inject("add-xorb", status=403, times=20)
    told = finish(start(xet_hub, home, REFUSED, tmp_path / "weights"))
    assert told.startswith(f"refused while uploading model.safetensors to alice/m at {xet_hub.endpoint}: ")
    assert "403 Forbidden" in told
