"""A folder as a model's place: what is replaced, refused, kept and cleared away."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import families
import folders
import pytest

from engine.commands import merge
from engine.errors import MergeError
from engine.events import Said, ShardDone, ShardKept, silent
from engine.plan.plan import Options

OPTIONS = Options(max_shard_size=folders.SHARD)
NAMES = [f"model-0000{k}-of-00003.safetensors" for k in (1, 2, 3)]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    root = folders.write_home(tmp_path_factory.mktemp("home"))
    (root / "linear.yaml").write_text(
        "merge_method: linear\nmodels:\n"
        "  - {model: alice/one, parameters: {weight: 1}}\n  - {model: alice/two, parameters: {weight: 1}}\n"
    )
    return root


@pytest.fixture(autouse=True)
def _at_home(home, monkeypatch):
    monkeypatch.chdir(home)


def build(out: Path, recipe: str = "ties.yaml", *, options: Options = OPTIONS, force: bool = False):
    """Merge; returns the events of shards and sentences."""
    events = []
    merge(Path(recipe), out, lambda: pytest.fail("no Hub"), options, events.append, force=force)
    return [event for event in events if isinstance(event, ShardDone | ShardKept | Said)]


@pytest.fixture
def out(tmp_path):
    """A finished merge."""
    build(tmp_path / "out")
    return tmp_path / "out"


def refusal(out: Path, recipe: str = "ties.yaml") -> str:
    before = folders.contents(out) if out.is_dir() else None
    with pytest.raises(MergeError) as caught:
        build(out, recipe)
    assert before == (folders.contents(out) if out.is_dir() else None)
    return str(caught.value)


def in_the_way(out: Path, *names: str) -> str:
    return (
        f"{out} already holds files that no merge recorded there, or that were changed since: {', '.join(names)}; "
        "choose another place, remove them, or pass --force to replace them"
    )


def test_a_complete_folder_is_left_alone(out):
    times = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert build(out) == [Said(f"{out} holds this very model already: nothing to do")]
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == times


def test_an_earlier_model_is_replaced_and_its_surplus_shards_go(home, out, tmp_path):
    build(out, "linear.yaml", options=Options())
    build(tmp_path / "fresh", "linear.yaml", options=Options())
    assert folders.contents(out) == folders.contents(tmp_path / "fresh")
    assert [path.name for path in out.glob("*.safetensors*")] == ["model.safetensors"]


def test_files_of_others_stay(home, out, tmp_path):
    (out / "sample.png").write_bytes(b"png")
    (out / "notes").mkdir()
    build(out, "linear.yaml")
    assert (out / "sample.png").read_bytes() == b"png"
    assert (out / "notes").is_dir()


def test_a_folder_with_a_foreign_model_is_refused(tmp_path):
    out = families.write_model(
        tmp_path / "theirs", families.random_tensors(folders.SHAPE, 7), families.config_of(folders.SHAPE)
    )
    names = ("README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    assert refusal(out) == in_the_way(out, *names)
    build(out, force=True)
    build(tmp_path / "fresh")
    assert folders.contents(out) == folders.contents(tmp_path / "fresh")


def test_a_card_edited_by_hand_is_refused(out):
    (out / "README.md").write_text("mine")
    assert refusal(out, "linear.yaml") == in_the_way(out, "README.md")
    assert refusal(out) == in_the_way(out, "README.md")


def test_with_force_a_card_edited_by_hand_is_replaced_and_the_weights_are_kept(out):
    whole = folders.contents(out)
    (out / "README.md").write_text("mine")
    events = build(out, force=True)
    assert events == [ShardKept(name, len(whole[name])) for name in NAMES]
    assert folders.contents(out) == whole


def test_a_changed_card_costs_no_computing(home, out, tmp_path):
    """The same weights with another description: shards stay in their place, even the same inodes."""
    inodes = {name: (out / name).stat().st_ino for name in NAMES}
    recipe = tmp_path / "ties.yaml"
    recipe.write_text(folders.TIES + "publish: {repo: alice/m, description: Another text}\n")
    assert [type(event) for event in build(out, str(recipe))] == [ShardKept] * 3
    assert {name: (out / name).stat().st_ino for name in NAMES} == inodes
    build(tmp_path / "fresh", str(recipe))
    assert folders.contents(out) == folders.contents(tmp_path / "fresh")
    assert "Another text" in (out / "README.md").read_text()


def test_equal_weights_in_another_layout_are_not_mixed(out, tmp_path):
    assert [type(event) for event in build(out, options=Options())] == [ShardDone]
    build(tmp_path / "fresh", options=Options())
    assert folders.contents(out) == folders.contents(tmp_path / "fresh")


def test_weights_damaged_since_are_refused(out):
    data = bytearray((out / NAMES[1]).read_bytes())
    data[-1] ^= 1
    (out / NAMES[1]).write_bytes(data)
    assert refusal(out) == in_the_way(out, NAMES[1])


def test_a_missing_shard_is_made_again(out):
    whole = folders.contents(out)
    (out / NAMES[1]).unlink()
    assert [(type(event), event.file) for event in build(out)] == [
        (ShardKept, NAMES[0]),
        (ShardDone, NAMES[1]),
        (ShardKept, NAMES[2]),
    ]
    assert folders.contents(out) == whole


def test_a_record_that_is_none_is_refused_and_forced(out):
    whole = folders.contents(out)
    record = out / "merge.record.json"
    record.write_text("{}")
    assert refusal(out) == f"{record} is not a record of a merge; remove it, or pass --force to replace it"
    build(out, force=True)
    assert folders.contents(out) == whole


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "out").write_text("")
    assert refusal(tmp_path / "out") == f"{tmp_path}/out is a file, and a folder is needed; name another place"


def test_a_place_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    message = f"{tmp_path}/file/out/.mergesmith cannot be made (Not a directory); name another place"
    assert refusal(tmp_path / "file" / "out") == message


@pytest.mark.parametrize("force", [False, True])
def test_a_parent_is_never_overwritten(home, force):
    out = home / "alice" / "one"
    with pytest.raises(MergeError) as caught:
        build(out, force=force)
    assert str(caught.value) == f"{out} is a model that the recipe merges, and would be overwritten; name another place"
    assert not (out / ".mergesmith").exists()


def stopped_after(shards: int, out: Path, recipe: str = "ties.yaml") -> None:
    """Begin a merge, and stop it when so many shards are whole and kept."""
    done = []

    def stop(event):
        if isinstance(event, ShardDone):
            done.append(event)
        elif len(done) == shards:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        merge(Path(recipe), out, lambda: pytest.fail("no Hub"), OPTIONS, stop)


def test_the_journal_says_what_is_whole(tmp_path):
    out = tmp_path / "out"
    stopped_after(2, out)
    work = out / ".mergesmith"
    journal = json.loads((work / "journal.json").read_text())
    for shard in journal["shards"]:
        data = (work / shard["file"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (shard["size"], shard["sha256"])
    assert [shard["file"] for shard in journal["shards"]] == NAMES[:2]
    assert [(type(event), event.file) for event in build(out)] == [
        (ShardKept, NAMES[0]),
        (ShardKept, NAMES[1]),
        (ShardDone, NAMES[2]),
    ]


def test_a_shard_that_was_changed_since_is_made_again(tmp_path):
    out = tmp_path / "out"
    stopped_after(1, out)
    (out / ".mergesmith" / NAMES[0]).write_bytes(b"x" * (out / ".mergesmith" / NAMES[0]).stat().st_size)
    assert [type(event) for event in build(out)] == [ShardDone] * 3


@pytest.mark.parametrize("text", ["", "[]", "{", '{"weights_digest": 1}', '{"shards": [{"file": 1}]}'])
def test_a_damaged_journal_counts_as_none(tmp_path, text):
    out = tmp_path / "out"
    stopped_after(1, out)
    (out / ".mergesmith" / "journal.json").write_text(text)
    assert [type(event) for event in build(out)] == [ShardDone] * 3


def test_leavings_of_another_merge_are_cleared_away_at_the_start(tmp_path):
    """Else two models' worth of shards would lie on the disk at once."""
    out = tmp_path / "out"
    stopped_after(2, out)

    def look(event):
        if isinstance(event, ShardDone):
            seen.append({path.name for path in (out / ".mergesmith").iterdir()})

    seen = []
    merge(Path("linear.yaml"), out, lambda: pytest.fail("no Hub"), Options(max_shard_size=12_000), look)
    assert seen[0] == {"claim", "journal.json", "model-00001-of-00002.safetensors.partial"}


def test_nothing_is_left_of_the_work_folder_after_a_kill_at_the_very_end(out):
    (out / ".mergesmith").mkdir()
    (out / ".mergesmith" / "journal.json").write_text("{}")
    build(out)
    assert not (out / ".mergesmith").exists()


def test_merging_into_the_same_folder_many_times_keeps_no_file_open(out):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for recipe in ("linear.yaml", "ties.yaml") * 3:
        build(out, recipe)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_silent_is_silent():
    assert silent(Said("x")) is None


def test_the_same_meaning_in_other_words_is_written_again_without_computing(home, out):
    text = (home / "ties.yaml").read_text() + "# a comment\n"
    (home / "renamed.yaml").write_text(text)
    events = build(out, "renamed.yaml")
    assert {type(event) for event in events} == {ShardKept, Said} or {type(event) for event in events} == {ShardKept}
    assert (out / "mergekit_config.yml").read_text() == text
    assert "# renamed\n" in (out / "README.md").read_text()


def test_a_folder_where_a_file_is_to_be_made_stops_it_even_with_force(home, tmp_path):
    out = tmp_path / "out"
    (out / "README.md").mkdir(parents=True)
    (out / "config.json").write_text("mine")
    with pytest.raises(MergeError) as caught:
        build(out, force=True)
    assert str(caught.value) == (
        f"{out / 'README.md'} is a folder, and a file of that name is to be made; move it away"
    )
    assert (out / "config.json").read_text() == "mine"


def test_weights_pinned_by_their_header_are_not_taken_on_trust(home, tmp_path, monkeypatch):
    """Large local weights may change without their pin: what was made from them before is made again."""
    monkeypatch.setattr("engine.checkpoints.local.LARGEST_HASHED", 100)
    out = tmp_path / "out"
    build(out)
    first = folders.contents(out)
    victim = home / "alice" / "two" / "model-00001-of-00002.safetensors"
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-2] + b"\x00\x3f")
    try:
        events = build(out)
        assert not [event for event in events if isinstance(event, ShardKept)]
        assert folders.contents(out)["merge.record.json"] != first["merge.record.json"]
    finally:
        victim.write_bytes(whole)
