"""Starting the page: what the environment says, and the Space without torch as it would be pushed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml
from browser_help import free_port, wait_for

from engine import devhub as embedded
from engine.demo import parents
from engine.devhub.grants import App
from space.local import callback, variables
from space.main import SIGN_IN, refusal, settings_from

ROOT = Path(__file__).parents[2]
SPACES = dict.fromkeys(SIGN_IN, "x") | {"SYSTEM": "spaces"}


def test_settings_have_a_spaces_defaults() -> None:
    settings = settings_from({})
    assert (settings.endpoint, settings.home, settings.port) == (
        "https://huggingface.co",
        Path("/tmp/mergesmith"),
        7860,
    )
    given = settings_from({"HF_ENDPOINT": "http://h/", "MERGESMITH_HOME": "/d", "PORT": "1"})
    assert (given.endpoint, given.home, given.port) == ("http://h", Path("/d"), 1)


@pytest.mark.parametrize("name", SIGN_IN)
def test_nobody_acts_with_this_machines_token(name: str) -> None:
    assert refusal(SPACES) is None
    assert refusal({**SPACES, name: ""}) == (
        f"mergesmith-space: no sign-in: {name} is not set; in a Space, say `hf_oauth: true` in its README; "
        "on your machine, run `make space`"
    )


def test_outside_a_space_it_does_not_start() -> None:
    environment = {key: value for key, value in os.environ.items() if key not in SPACES}
    command = [sys.executable, "-P", "-m", "space.main"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("mergesmith-space: no sign-in: SPACE_ID, OAUTH_CLIENT_ID")


def test_the_space_asks_for_the_scopes_that_the_form_uses() -> None:
    text = (ROOT / "space/README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert (front["sdk"], front["app_port"], front["hf_oauth"]) == ("docker", 7860, True)
    assert {"openid", "profile", *front["hf_oauth_scopes"]} == set(
        variables("", "", "", 1, Path("/"))["OAUTH_SCOPES"].split()
    )
    assert len(front["short_description"]) <= 60  # the Hub's limit


NO_TORCH = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "dbos"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Blocked())
"""


def test_the_plain_space_runs_without_torch(tmp_path: Path) -> None:
    space, port = tmp_path / "space", free_port()
    subprocess.run([sys.executable, ROOT / "scripts/write_plain_space.py", space], check=True)
    front = yaml.safe_load((space / "README.md").read_text().split("---")[1])
    assert (front["sdk"], front["app_file"], front["hf_oauth"]) == ("gradio", "app.py", True)
    assert re.fullmatch(r"6\.\d+\.\d+", front["sdk_version"])
    wanted = (space / "requirements.txt").read_text()
    assert not re.search(r"^(torch|dbos|gradio)\b", wanted, re.MULTILINE)
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked/sitecustomize.py").write_text(NO_TORCH)
    app = App("mergesmith", "s", callback(port))
    with embedded.serve(tmp_path / "hub", users={"demo": "hf_demo"}, apps={"mergesmith": app}) as hub:
        parents.upload(hub.store)
        environment = {
            **os.environ,
            **variables(hub.endpoint, "mergesmith", "s", port, tmp_path / "work"),
            "PYTHONPATH": f"{tmp_path / 'blocked'}:{space}",
        }
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "app.py"], cwd=space, env=environment, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/", process, tmp_path / "log")
            page = httpx.get(f"http://127.0.0.1:{port}/config").text
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
    (publish,) = [part for part in json.loads(page)["components"] if part["props"].get("elem_id") == "ms-publish"]
    assert publish["props"]["visible"] is False
    assert "This Space plans and proposes; it does not merge." in page
    assert "Your merges" not in page
    assert not (tmp_path / "work/jobs").exists()
