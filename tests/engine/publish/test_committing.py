"""A commit is made once, and compared with what the Hub holds afterwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from targets import NAMES, TARGET, expected, held, history, options, send, staging

from engine.commands import publish
from engine.errors import HubError
from engine.events import silent
from engine.hub_client import Hub


def test_a_commit_whose_answer_is_lost_is_found(server, tmp_path):
    server.inject("commit", drop="after")
    send(server)
    assert history(server) == ["Merge merged with mergesmith", "initial commit"]
    assert held(server) == expected(server, "ties.yaml", tmp_path)
    assert server.store.repo(TARGET).private is False


class Forgetful(Hub):
    """A Hub that has one file changed wherever there is also ``beside``."""

    spoil = beside = ""

    def model(self, repo, revision):
        found = super().model(repo, revision)
        if repo != TARGET or all(file.name != self.beside for file in found.files):
            return found
        wrong = {"sha256": "0" * 64} if self.spoil.endswith(".safetensors") else {"blob_id": "0" * 40}
        files = tuple(replace(f, **wrong) if f.name == self.spoil else f for f in found.files)
        return replace(found, files=files)


JOURNAL = ".mergesmith/journal.json"


@pytest.mark.parametrize(
    ("name", "beside", "place", "then"),
    [
        (NAMES[2], "config.json", "", "publish again with --force"),
        ("config.json", "config.json", "", "publish again with --force"),
        (NAMES[2], JOURNAL, "/tree/{branch}", "run again"),
        (JOURNAL, NAMES[1], "/tree/{branch}", "run again"),
    ],
)
def test_what_the_hub_holds_is_compared_with_what_was_sent(server, name, beside, place, then, monkeypatch):
    hub = Forgetful(endpoint=server.endpoint, token=server.token("alice"))
    monkeypatch.setattr(Forgetful, "spoil", name)
    monkeypatch.setattr(Forgetful, "beside", beside)
    with pytest.raises(HubError) as caught:
        publish(Path("ties.yaml"), lambda: hub, options(server), silent)
    where = f"{server.endpoint}/{TARGET}{place.format(branch=staging(server)[0])}"
    assert str(caught.value) == f"{where} does not hold what was sent: {name}; {then}"
    assert server.store.repo(TARGET).private is True


class Overtaken(Hub):
    """A Hub whose answer to the last commit is lost, and where somebody else commits at that moment."""

    store = None

    def commit(self, repo, **change):
        if change["revision"] == "main":
            self.store.commit_files(TARGET, {"sample.png": b"png"}, "Add a picture")
            raise HubError("no answer")
        return super().commit(repo, **change)


def test_somebody_elses_commit_is_not_taken_for_the_one_whose_answer_was_lost(server, monkeypatch):
    hub = Overtaken(endpoint=server.endpoint, token=server.token("alice"))
    monkeypatch.setattr(Overtaken, "store", server.store)
    with pytest.raises(HubError, match=r"^no answer$"):
        publish(Path("ties.yaml"), lambda: hub, options(server), silent)
    assert server.store.repo(TARGET).private is True
