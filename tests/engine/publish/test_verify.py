"""A finished model that is looked at again: untouched, tampered with in every way, and made again."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path

import pytest
from folders import SHARD, SHARDS, write_home
from safetensors.torch import load_file, save_file

from engine import cli, commands
from engine.errors import LockError, MergeError
from engine.events import silent
from engine.hub_client import Hub
from engine.plan.plan import Options
from engine.publish.verify import VerifyError

FILES = 7 + SHARDS  # config, two tokenizer files, recipe, lock, card, index; and the shards
"""Files of the record."""
TENSORS = 39
"""Four layers of nine, and three outside them."""
LAST_WORDS = ["pass --sample N or --rebuild", "have the same bytes", "have the same bytes"]
"""Of verifying alone, with a sample, and in whole."""


@pytest.fixture
def out(tmp_path, monkeypatch):
    """A finished model in the folder ``out``, in several shards."""
    monkeypatch.chdir(write_home(tmp_path))
    commands.merge(Path("ties.yaml"), Path("out"), no_hub, Options(max_shard_size=SHARD), silent)
    return Path("out")


def no_hub():
    pytest.fail("no Hub is needed here")


def verify(target="out", **how):
    return commands.verify(str(target), no_hub, Options(), silent, **how)


def differences(**how):
    with pytest.raises(VerifyError) as caught:
        verify(**how)
    assert caught.value.exit_status == 2
    return list(caught.value.differences)


def edit(path: Path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def forge(out: Path, name: str) -> None:
    """Let the record have the hash that a file has now."""
    sha256 = hashlib.sha256((out / name).read_bytes()).hexdigest()
    edit(out / "merge.record.json", lambda record: record["files"].__setitem__(name, sha256))


def flip(out: Path, tensor: str, element: int) -> str:
    """Change the last bit of one bfloat16 element in its file; returns the file's name."""
    file = json.loads((out / "model.safetensors.index.json").read_text())["weight_map"][tensor]
    data = bytearray((out / file).read_bytes())
    length = int.from_bytes(data[:8], "little")
    begin = json.loads(data[8 : 8 + length])[tensor]["data_offsets"][0]
    data[8 + length + begin + 2 * element] ^= 1
    (out / file).write_bytes(data)
    return file


def test_an_untouched_folder(out):
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    start = f"out: all {len(before) - 1} files are what its record says"
    assert len(before) - 1 == FILES
    assert verify() == f"{start}; to compute weights again, pass --sample N or --rebuild"
    again = "made again from the locked parents, have the same bytes"
    assert verify(sample=5) == f"{start}, and 5 of {TENSORS} tensors, {again}"
    assert verify(sample=1000) == f"{start}, and {TENSORS} of {TENSORS} tensors, {again}"
    assert verify(rebuild=True) == f"{start}, and all {TENSORS} tensors, {again}"
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before


def test_a_changed_file_is_named(out):
    file = flip(out, "model.layers.2.mlp.up_proj.weight", 0)
    (out / "config.json").write_text("{}")
    (out / "tokenizer.json").unlink()
    (out / "adapter_model.safetensors").write_bytes(b"x")
    (out / "picture.png").write_bytes(b"x")
    assert differences(rebuild=True) == [
        "tokenizer.json is missing",
        "config.json is not the file that was recorded",
        f"{file} is not the file that was recorded",
        "adapter_model.safetensors is not in the record, and a reader would take it for the model's",
    ]


def test_a_forged_record_does_not_hide_changed_weights(out):
    tensor = "model.layers.2.mlp.up_proj.weight"
    file = flip(out, tensor, 11)
    forge(out, file)
    assert "all" in verify()  # the files are what the record says by now …
    first = f"tensor '{tensor}' comes out otherwise when it is computed again, first at element 11"
    assert differences(sample=TENSORS) == [first]
    assert differences(rebuild=True) == [f"{file} comes out otherwise when it is made again"]


def test_a_forged_record_does_not_hide_a_changed_config(out):
    edit(out / "config.json", lambda config: config.__setitem__("rope_theta", 5.0))
    forge(out, "config.json")
    assert differences(rebuild=True) == ["config.json comes out otherwise when it is made again"]


def test_a_tensor_that_is_gone_or_of_another_kind(out):
    tensor = "model.layers.0.input_layernorm.weight"
    file = json.loads((out / "model.safetensors.index.json").read_text())["weight_map"][tensor]
    tensors = load_file(out / file)
    shape = list(tensors[tensor].shape)
    save_file({**tensors, tensor: tensors[tensor].float()}, out / file)
    forge(out, file)
    kind = f"tensor '{tensor}' is float32 {shape}, and its recipe makes bfloat16 {shape}"
    assert differences(sample=TENSORS) == [kind]
    del tensors[tensor]
    save_file(tensors, out / file)
    edit(out / "model.safetensors.index.json", lambda index: index["weight_map"].pop(tensor))
    forge(out, file)
    forge(out, "model.safetensors.index.json")
    assert differences(sample=TENSORS) == differences(rebuild=True) == [f"it lacks the tensor '{tensor}'"]


def test_which_tensors_are_drawn_depends_on_the_seed_alone(out):
    tensor = "model.layers.1.self_attn.q_proj.weight"
    forge(out, flip(out, tensor, 0))
    found = []
    for seed in range(8):
        try:
            verify(sample=TENSORS // 2, seed=seed)
        except VerifyError:
            found.append(seed)
    # By hand: among the 19 of 39 names whose sha256 of "SEED\\0NAME" is lowest.
    names = sorted(json.loads((out / "merge.record.json").read_text())["tensors"])
    lots = {s: sorted(names, key=lambda n: hashlib.sha256(f"{s}\0{n}".encode()).hexdigest())[:19] for s in range(8)}
    assert found == [s for s in range(8) if tensor in lots[s]]
    assert 0 < len(found) < 8


def test_another_recipe_or_lock_beside_the_record(out):
    recipe = out / "mergekit_config.yml"
    recipe.write_text(recipe.read_text().replace("0.7", "0.6"))
    forge(out, "mergekit_config.yml")
    assert differences() == ["merge.lock.json was made for another recipe than mergekit_config.yml"]


def test_a_record_of_another_merge(out):
    edit(out / "merge.record.json", lambda record: record.__setitem__("weights_digest", "0" * 64))
    assert differences() == ["merge.record.json tells of another merge than merge.lock.json"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("merge.record.json", "it has no merge.record.json; only models that mergesmith made can be verified"),
        ("merge.lock.json", "it has no merge.lock.json, so nobody can tell what it was made from"),
    ],
)
def test_what_cannot_be_verified_says_why(out, name, message):
    (out / name).unlink()
    edit_record = out / "merge.record.json"
    if edit_record.exists():
        edit(edit_record, lambda record: record["files"].pop(name))
    assert differences() == [message]


def test_other_numerics_name_the_version_to_use(out):
    edit(out / "merge.lock.json", lambda lock: lock.update(numerics=2, engine="9.8.7"))
    forge(out, "merge.lock.json")
    assert "all" in verify()
    for how in ({"sample": 1}, {"rebuild": True}):
        with pytest.raises(LockError) as caught:
            verify(**how)
        assert caught.value.exit_status == 2
        assert str(caught.value) == (
            "out was made by mergesmith 9.8.7 with numerics 2, and this is 0.1.0 with 1, whose last bits may differ; "
            "verify it with mergesmith 9.8.7"
        )


def test_a_parent_that_changed_is_told(out):
    edit(Path("alice/one/config.json"), lambda config: config.__setitem__("rope_theta", 7.0))
    with pytest.raises(LockError) as caught:
        verify(sample=1)
    assert str(caught.value) == (
        "out/merge.lock.json: alice/one does not hold what was locked: config.json differs; look at what changed, then "
        "write the lock again with `mergesmith lock`"
    )


def test_a_model_without_its_tokenizer_is_made_again_without(out):
    plain = Options(copy_tokenizer=False)
    commands.merge(Path("ties.yaml"), Path("plain"), no_hub, plain, silent)
    assert not Path("plain/tokenizer.json").exists()
    assert f"all {TENSORS} tensors" in verify("plain", rebuild=True)


@pytest.mark.parametrize("target", ["nosuch", "a/b@", "a/b/c"])
def test_a_target_that_is_nothing(target, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MergeError) as caught:
        verify(target)
    wanted = f"{target}: no such folder, and no name on the Hub; expected a folder or namespace/name"
    assert str(caught.value) == wanted


class Published:
    """The parents and ``alice/merged``, published in several shards, on an embedded Hub."""

    def __init__(self, devhub) -> None:
        self.hub = devhub
        for model in ("base", "one", "two"):
            devhub.store.create_repo(f"alice/{model}", "alice")
            files = {path.name: path for path in sorted(Path("alice", model).iterdir())}
            devhub.store.commit_files(f"alice/{model}", files, "Upload")
        options = Options(local=False, max_shard_size=SHARD, repo="alice/merged", endpoint=devhub.endpoint)
        commands.publish(Path("ties.yaml"), self.open_hub, options, silent)
        self.commit = self.open_hub().model("alice/merged", None).commit

    def open_hub(self):
        return Hub(endpoint=self.hub.endpoint, token=self.hub.token("alice"))

    def verify(self, target="alice/merged", **how):
        return commands.verify(target, self.open_hub, Options(endpoint=self.hub.endpoint), silent, **how)

    def weights_sent(self, repo):
        """Bytes of weight files of a repo that the Hub gave out since its log was cleared."""
        log = [e for e in self.hub.log if f"/{repo}/" in e.path and e.path.endswith(".safetensors")]
        return sum(exchange.sent for exchange in log if exchange.status in (200, 206))


@pytest.fixture
def published(devhub, tmp_path, monkeypatch):
    monkeypatch.chdir(write_home(tmp_path / "home"))
    return Published(devhub)


def test_on_the_hub_no_weight_is_read_to_compare_hashes(published):
    published.hub.clear_log()
    answer = published.verify()
    assert answer == (
        f"alice/merged@{published.commit[:12]}: all {FILES} files are what its record says; to compute weights again, "
        "pass --sample N or --rebuild"
    )
    assert [published.weights_sent(f"alice/{name}") for name in ("merged", "base", "one", "two")] == [0, 0, 0, 0]


def test_on_the_hub_a_sample_reads_what_it_compares(published):
    published.hub.clear_log()
    answer = published.verify("alice/merged@main", sample=2)
    assert f", and 2 of {TENSORS} tensors, made again" in answer
    assert published.verify(sample=2) == answer
    assert published.verify(rebuild=True).endswith(f"all {TENSORS} tensors, made again from the locked parents, "
                                                   "have the same bytes")  # fmt: skip


def test_on_the_hub_changed_files_are_named(published):
    card = b"---\nlicense: mit\n---\nmine\n"
    published.hub.store.commit_files("alice/merged", {"README.md": card}, "Edit")
    with pytest.raises(VerifyError) as caught:
        published.verify()
    assert list(caught.value.differences) == ["README.md is not the file that was recorded"]
    assert published.verify(f"alice/merged@{published.commit}").startswith("alice/merged@")


def test_a_folder_here_is_never_taken_for_a_parent_on_the_hub(published):
    """The model was made from the Hub's parents; folders of their names lie here, with other weights in them."""
    for model in ("base", "one", "two"):
        for path in Path("alice", model).glob("*.safetensors"):
            path.unlink()  # the embedded Hub may have the same file
            path.write_bytes(b"not weights at all")
    assert f"all {TENSORS} tensors" in published.verify(rebuild=True)


def card_commands(card: str) -> list[list[str]]:
    """What a card tells whoever doubts it to run."""
    block = card.split("## Check")[1].split("```sh\n")[1].split("```", maxsplit=1)[0]
    return [shlex.split(line, comments=True) for line in block.splitlines()]


def test_the_commands_of_the_card_of_a_folder(out, capsys):
    asked = card_commands((out / "README.md").read_text())
    assert [command[:3] for command in asked] == [["mergesmith", "verify", "out"]] * 3
    for command in asked:
        assert cli.run(command[1:]) == 0
    assert [line.rpartition(", ")[2] for line in capsys.readouterr().out.splitlines()] == LAST_WORDS


def test_the_commands_of_the_card_on_the_hub(published, capsys, monkeypatch):
    monkeypatch.setattr(cli, "open_hub", published.open_hub)
    card = published.open_hub().read_file("alice/merged", published.commit, "README.md").decode()
    asked = card_commands(card)
    assert [command[:3] for command in asked] == [["mergesmith", "verify", "alice/merged"]] * 3
    for command in asked:
        assert cli.run(command[1:]) == 0
    assert [line.rpartition(", ")[2] for line in capsys.readouterr().out.splitlines()] == LAST_WORDS


def test_the_command_line(out, capsys):
    assert cli.run(["verify", "out", "--sample", "2"]) == 0
    assert f"and 2 of {TENSORS} tensors" in capsys.readouterr().out
    (out / "config.json").write_text("{}")
    (out / "README.md").write_text("")
    assert cli.run(["verify", "out"]) == 2
    assert sorted(capsys.readouterr().err.splitlines()) == [
        "mergesmith: out: README.md is not the file that was recorded",
        "mergesmith: out: config.json is not the file that was recorded",
    ]
