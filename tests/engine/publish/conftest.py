"""Fixtures for publishing: parents at the embedded Hub, and a folder for temporary files that tests look into."""

from __future__ import annotations

import tempfile

import pytest
from targets import seed_parents, write_recipes


@pytest.fixture(scope="session")
def parents(tmp_path_factory):
    """A folder with the parents and the recipes."""
    return write_recipes(tmp_path_factory.mktemp("parents"))


@pytest.fixture
def server(devhub, parents, monkeypatch, tmp_path):
    """The embedded Hub with the parents; the recipes are in the working folder."""
    seed_parents(devhub, parents)
    monkeypatch.chdir(parents)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _seconds: None)  # between its own tries
    return devhub
