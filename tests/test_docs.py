"""Documents agree with the code that they describe."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def writer():
    spec = importlib.util.spec_from_file_location("write_docs", ROOT / "scripts" / "write_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_methods_page_is_up_to_date(writer):
    assert (ROOT / "docs" / "methods.md").read_text(encoding="utf-8") == writer.methods_page()


def test_readme_table_is_up_to_date(writer):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert writer.START in readme
    assert readme == writer.with_table(readme)


def commands_of_the_readme() -> set[str]:
    return set(re.findall(r"`mergesmith ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")))


def test_readme_names_every_command_and_no_other():
    shown = subprocess.run(
        [sys.executable, "-m", "engine", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    listed = set(re.findall(r"^  ([a-z]+) {2,}\S", shown.stdout.split("Commands:")[1], flags=re.MULTILINE))
    assert commands_of_the_readme() == listed


def test_links_lead_somewhere():
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
