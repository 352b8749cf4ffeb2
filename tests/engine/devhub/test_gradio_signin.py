"""Gradio's own sign-in, unmodified and in a process of its own, with the embedded Hub as its provider."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from huggingface_hub import HfApi
from huggingface_hub.utils import httpx

from engine import devhub as embedded
from engine.devhub import App, Server

APP = """
import sys, uvicorn
from fastapi import FastAPI, Request
import gradio as gr
with gr.Blocks() as page:
    gr.LoginButton()
app = FastAPI()
@app.get("/who")
def who(request: Request):
    return request.session.get("oauth_info")
gr.mount_gradio_app(app, page, path="/")
from gradio.oauth import attach_oauth
attach_oauth(app)
uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
"""
PATIENCE = 120.0


class Browser:
    """A client that keeps its cookies, those for https too, as a browser does at an address of this machine."""

    def __init__(self) -> None:
        self.cookies: SimpleCookie = SimpleCookie()

    def send(self, method: str, address: str, **data: str) -> httpx.Response:
        told = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())
        answer = httpx.request(method, address, headers={"Cookie": told}, data=data or None, timeout=60)
        for header in answer.headers.get_list("set-cookie"):
            self.cookies.load(header)
        return answer


@pytest.fixture
def space(tmp_path: Path) -> Iterator[tuple[str, Server]]:
    """A page with a sign-in button, as a Space has it, and the Hub that it signs in with."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    at = f"http://127.0.0.1:{port}"
    apps = {"client": App("A Space", "space-secret", (f"{at}/login/callback",))}
    with embedded.serve(tmp_path / "hub", users={"alice": "hf_a"}, apps=apps) as hub:
        environment = {
            **os.environ,
            "SYSTEM": "spaces",
            "SPACE_ID": "alice/app",
            "OAUTH_CLIENT_ID": "client",
            "OAUTH_CLIENT_SECRET": "space-secret",
            "OAUTH_SCOPES": "openid profile contribute-repos",
            "OPENID_PROVIDER_URL": hub.endpoint,
            "GRADIO_ANALYTICS_ENABLED": "False",
        }
        process = subprocess.Popen([sys.executable, "-c", APP, str(port)], env=environment, cwd=tmp_path)
        try:
            wait_for(at, process)
            yield at, hub
        finally:
            process.terminate()
            process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(address)
            return
        time.sleep(0.1)
    raise AssertionError("the page did not start")


def test_signing_in_to_a_gradio_page(space: tuple[str, Server]) -> None:
    at, hub = space
    browser = Browser()
    asked = browser.send("GET", f"{at}/login/huggingface")
    assert asked.headers["Location"].startswith(f"{hub.endpoint}/oauth/authorize?")
    chosen = browser.send("POST", asked.headers["Location"], user="alice")
    back = browser.send("GET", chosen.headers["Location"])
    assert (back.status_code, urlsplit(back.headers["Location"]).path) == (307, "/")
    info = browser.send("GET", f"{at}/who").json()
    assert info["userinfo"]["preferred_username"] == "alice"
    assert info["userinfo"]["picture"] == f"{hub.endpoint}/avatars/alice.svg"
    api = HfApi(endpoint=hub.endpoint, token=info["access_token"])
    assert api.create_repo("alice/made") == f"{hub.endpoint}/alice/made"
