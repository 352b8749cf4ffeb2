"""What gives way to a new model, and what stops it."""

from __future__ import annotations

import pytest

from engine.errors import MergeError
from engine.publish.replacing import replaced

NEW = ("config.json", "model.safetensors", "README.md")
RECORDED = {"config.json": "c", "README.md": "r", "model-00001-of-00002.safetensors": "1", "notes.txt": "n"}


def decide(present, *, force=False, recorded=RECORDED):
    return replaced(present, recorded, NEW, where="out", force=force)


def refusal(present, **options):
    with pytest.raises(MergeError) as caught:
        decide(present, **options)
    return str(caught.value)


def test_what_is_recorded_and_unchanged_gives_way():
    present = {"config.json": "c", "README.md": "r", "model-00001-of-00002.safetensors": "1"}
    assert decide(present) == ("README.md", "config.json", "model-00001-of-00002.safetensors")


def test_other_peoples_files_stay_where_they_do_not_matter():
    assert decide({"LICENSE": None, ".gitattributes": None, "sample.png": None, "notes.txt": "changed"}) == ()


def test_a_changed_file_of_a_name_that_is_needed_stops_it():
    assert refusal({"README.md": "edited", "config.json": "c"}) == (
        "out already holds files that no merge recorded there, or that were changed since: README.md; "
        "choose another place, remove them, or pass --force to replace them"
    )


@pytest.mark.parametrize(
    "name",
    [
        "model-00003-of-00003.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "x/y.pth",
        "q4.gguf",
        "adapter_config.json",
        "chat_template.jinja",
        "special_tokens_map.json",
        "generation_config.json",
    ],
)
def test_what_a_reader_would_mix_up_with_the_model_always_stops_it(name):
    assert f"changed since: {name};" in refusal({name: "w"})
    assert decide({name: "w"}, force=True) == (name,)


def test_with_force_all_that_is_in_the_way_gives_way_and_nothing_else():
    present = {"README.md": "edited", "config.json": "c", "old.bin": None, "LICENSE": None}
    assert decide(present, force=True) == ("README.md", "config.json", "old.bin")


def test_unknown_hash_is_not_ours():
    assert "config.json" in refusal({"config.json": None})


def test_a_long_list_is_cut():
    assert refusal({f"{i}.bin": None for i in range(7)}, recorded={}) == (
        "out already holds files that no merge recorded there, or that were changed since: "
        "0.bin, 1.bin, 2.bin, 3.bin, 4.bin and 2 more; "
        "choose another place, remove them, or pass --force to replace them"
    )
