"""What lies beside the weights."""

from __future__ import annotations

import json
from pathlib import Path

import families
import folders
import pytest

from engine.commands import merge, plan_locked
from engine.events import silent
from engine.plan.plan import Options
from engine.publish.assemble import file_names


@pytest.fixture
def home(tmp_path, monkeypatch):
    folders.write_home(tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@pytest.mark.parametrize("size", [folders.SHARD, 10**9])
def test_the_names_are_known_before_anything_is_made(home, tmp_path, size):
    options = Options(max_shard_size=size)
    merge(Path("ties.yaml"), tmp_path / "out", None, options, silent)
    names = file_names(plan_locked(Path("ties.yaml"), None, options).plan)
    assert sorted(names) == sorted(folders.contents(tmp_path / "out"))
    assert len(set(names)) == len(names)


def test_side_files_are_the_lenders_bytes(home, tmp_path):
    base = home / "alice" / "base"
    (base / "LICENSE.txt").write_bytes(b"terms\r\n")
    (base / "modeling_x.py").write_bytes(b"# code\n")
    config = families.config_of(folders.SHAPE, auto_map={"AutoModel": "modeling_x.M"})
    (base / "config.json").write_text(json.dumps(config))
    (home / "alice" / "one" / "generation_config.json").write_bytes(b'{"temperature": 0.5}')
    (home / "alice" / "one" / "LICENSE.txt").write_bytes(b"other terms")
    merge(Path("ties.yaml"), tmp_path / "out", None, Options(), silent)
    made = folders.contents(tmp_path / "out")
    for name in ("LICENSE.txt", "modeling_x.py", "tokenizer.json", "tokenizer_config.json"):
        assert made[name] == (base / name).read_bytes()
    assert made["generation_config.json"] == b'{"temperature": 0.5}'


def test_without_the_tokenizer(home, tmp_path):
    merge(Path("ties.yaml"), tmp_path / "out", None, Options(copy_tokenizer=False), silent)
    assert not [name for name in folders.contents(tmp_path / "out") if "tokenizer" in name]


@pytest.mark.parametrize(
    ("name", "data", "chats"),
    [
        ("chat_template.jinja", b"{{ messages }}", True),
        ("tokenizer_config.json", b'{"chat_template": "{{ messages }}"}', True),
        ("tokenizer_config.json", b'{"chat_template": null}', False),
        ("tokenizer_config.json", b"{", False),
        ("tokenizer_config.json", b"[1]", False),
    ],
)
def test_the_card_shows_a_chat_where_there_is_a_template(home, tmp_path, name, data, chats):
    (home / "alice" / "base" / name).write_bytes(data)
    merge(Path("ties.yaml"), tmp_path / "out", None, Options(), silent)
    record = json.loads((tmp_path / "out" / "merge.record.json").read_text())
    assert (record["card"]["has_tokenizer"], record["card"]["has_chat_template"]) == (True, chats)
