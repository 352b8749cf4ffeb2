from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.utils import get_session, httpx

from engine import devhub

ROOT = Path(__file__).parents[3]


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    with devhub.serve(tmp_path, users={"alice": "hf_a"}) as first:
        api = HfApi(endpoint=first.endpoint, token="hf_a")
        api.create_repo("alice/m", private=True)
        api.upload_file(path_or_fileobj=b"w" * 1000, path_in_repo="w.safetensors", repo_id="alice/m")
        api.create_tag("alice/m", tag="v1")
        api.create_discussion("alice/m", title="Question")
        api.update_repo_settings("alice/m", gated="auto")
        before = api.model_info("alice/m", files_metadata=True)
    with devhub.serve(tmp_path) as second:
        assert second.token("alice") == "hf_a"
        api = HfApi(endpoint=second.endpoint, token="hf_a")
        assert api.model_info("alice/m", files_metadata=True) == before
        assert api.model_info("alice/m", revision="v1").sha == before.sha
        assert Path(api.hf_hub_download("alice/m", "w.safetensors", cache_dir=tmp_path)).read_bytes() == b"w" * 1000
        assert [d.title for d in api.get_repo_discussions("alice/m")] == ["Question"]
        assert (before.private, before.gated) == (True, "auto")


def test_without_users_there_is_one_whose_token_stays(tmp_path: Path) -> None:
    with devhub.serve(tmp_path) as first:
        token = first.token()
        assert re.fullmatch(r"hf_[0-9a-f]{34}", token)
        assert HfApi(endpoint=first.endpoint, token=token).whoami()["name"] == "demo"
    with devhub.serve(tmp_path) as second:
        assert second.token("demo") == token
        with pytest.raises(KeyError):
            second.token("alice")


def test_it_listens_on_this_machine_only(tmp_path: Path) -> None:
    with devhub.serve(tmp_path) as server:
        assert httpx.URL(server.endpoint).host == "127.0.0.1"
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", httpx.URL(server.endpoint).port or 0), timeout=1)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with devhub.serve(tmp_path / "a") as server, pytest.raises(OSError, match="in use"):  # noqa: SIM117
        with devhub.serve(tmp_path / "b", port=httpx.URL(server.endpoint).port or 0):
            pass


def test_in_the_foreground_until_interrupted(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from engine.devhub import run; run(Path(sys.argv[1]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    endpoint, token, xet, last = (process.stdout.readline().strip() for _ in range(4))
    assert xet == "HF_HUB_DISABLE_XET=1"
    assert last == "# Set these for the program that is to use this Hub. The token is demo's. Ctrl-C stops."
    headers = {"Authorization": f"Bearer {token.removeprefix('HF_TOKEN=')}"}
    url = f"{endpoint.removeprefix('HF_ENDPOINT=')}/api/whoami-v2"
    assert get_session().get(url, headers=headers).json()["name"] == "demo"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0


def test_a_token_shows_in_no_repr(tmp_path: Path) -> None:
    with devhub.serve(tmp_path, users={"alice": "hf_secret"}) as server:
        HfApi(endpoint=server.endpoint, token="hf_secret").whoami()
        assert "hf_secret" not in f"{server!r} {server.log!r}"
