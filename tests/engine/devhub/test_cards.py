from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.devhub import Server, cards


def test_front_matter_is_read_as_yaml() -> None:
    assert cards.front_matter("---\na: 1\nb: [x, y]\n---\n# Title\n---\nc: 2\n") == ({"a": 1, "b": ["x", "y"]}, [])
    assert cards.front_matter("\ufeff---\r\na: 1\r\n---\r\n") == ({"a": 1}, [])


@pytest.mark.parametrize("text", ["", "# Title", "---\n---\n", "text\n---\na: 1\n---\n", "---\na: 1\n"])
def test_no_front_matter(text: str) -> None:
    assert cards.front_matter(text) == ({}, [])
    assert cards.problems(text) == ([], ["empty or missing yaml metadata in repo card"])


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("license: apache-2.0", None),
        ("license: [mit, gemma]", None),
        ("license: mine", '"license" must be one of the Hub\'s identifiers, not mine'),
        ("license: other", '"license_name" must be a string where "license" is "other"'),
        ("{license: other, license_name: x, license_link: LICENSE}", None),
        ("base_model: org/a", None),
        ("base_model: [org/a, org/b]", None),
        ("base_model: [./local/path]", '"base_model" must name models on the Hub, not ./local/path'),
        ("base_model_relation: merge", None),
        ("base_model_relation: blend", '"base_model_relation" must be one of adapter, finetune, merge, quantized'),
        ("tags: merge", '"tags" must be a list of strings'),
        ("tags: [1]", '"tags" must be a list of strings'),
        ("language: en", None),
        ("language: [en, ja]", None),
        ("language: 3", '"language" must be a list of strings'),
        ("library_name: [a]", '"library_name" must be a string'),
        ("- a", "the front matter must be a mapping"),
    ],
)
def test_what_the_hub_checks(card: str, expected: str | None) -> None:
    assert cards.problems(f"---\n{card}\n---\n") == ([expected] if expected else [], [])


def test_yaml_that_does_not_parse() -> None:
    errors, _ = cards.problems("---\na: [\n---\n")
    assert [error.split(":")[0] for error in errors] == ["invalid YAML"]


SCRIPT = """
import huggingface_hub as hub
good = "---\\nlicense: mit\\nlibrary_name: transformers\\n---\\n# Hi"
hub.ModelCard(good).validate()
try:
    hub.ModelCard("---\\nlicense: mine\\n---\\n").validate()
except ValueError as error:
    assert '"license" must be one of' in str(error), error
else:
    raise AssertionError("accepted")
hub.create_repo("alice/carded")
hub.ModelCard(good).push_to_hub("alice/carded")
print(hub.ModelCard.load("alice/carded").data.license, hub.model_info("alice/carded").card_data.library_name)
"""


def test_the_clients_cards_through_hf_endpoint_alone(devhub: Server, tmp_path: Path) -> None:
    environment = {**os.environ, "HF_ENDPOINT": devhub.endpoint, "HF_TOKEN": devhub.token("alice")}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "mit transformers\n", "")
