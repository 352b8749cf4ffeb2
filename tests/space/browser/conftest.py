"""A real browser, the page as a Space runs it, and an embedded Hub that people sign in with."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser_help import free_port, wait_for
from playwright.sync_api import Browser, Page, sync_playwright

from engine import devhub as embedded
from engine.demo import parents
from engine.devhub.grants import App
from space.local import callback, variables

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "docs" / "images"
USERS = {"demo": "hf_demo_token", "alice": "hf_alice_token", "bob": "hf_bob_token"}
SECRET = "of-a-test"


@dataclass(frozen=True)
class Stage:
    """What a test drives: the Hub, the page's address, and the folder that its process works in."""

    hub: embedded.Server
    url: str
    home: Path
    secrets: tuple[str, ...] = (SECRET, "hf_oauth_", *USERS.values())


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "the browser tests need Chromium; install it with: sudo apt-get install chromium fonts-noto-cjk"
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-background-networking"]
        )
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    home, port = tmp_path_factory.mktemp("space"), free_port()
    app = App("mergesmith", SECRET, callback(port))
    with embedded.serve(home / "hub", users=USERS, apps={"mergesmith": app}) as hub:
        parents.upload(hub.store)
        environment = {**os.environ, **variables(hub.endpoint, "mergesmith", SECRET, port, home / "work")}
        command = [sys.executable, "-P", "-m", "space.main"]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/", process, home / "log")
            yield Stage(hub, f"http://127.0.0.1:{port}/", home)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


@pytest.fixture
def open_page(browser: Browser, stage: Stage) -> Iterator[Callable[..., Page]]:
    """Opens the page in a fresh profile; any error in its scripts fails the test."""
    contexts, errors = [], []

    def _open(path: str = "", **options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1360, "height": 1000}, **options})
        # Gradio's own header for Spaces, and its fonts, are not on this machine.
        context.route(lambda url: "127.0.0.1" not in url and not url.startswith("blob:"), lambda route: route.abort())
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.set_default_timeout(20_000)
        page.goto(stage.url + path)
        page.locator(".ms-form").wait_for()
        page.locator(".ms-live").wait_for()
        return page

    yield _open
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def shot() -> Callable[[Page, str], None]:
    """Keeps a picture of the page for the docs, where MERGESMITH_SHOTS asks for them."""

    def _shot(page: Page, name: str) -> None:
        if os.environ.get("MERGESMITH_SHOTS"):
            IMAGES.mkdir(exist_ok=True)
            size = page.viewport_size
            if size and size["width"] >= 1000:  # all of the column beside the form
                page.set_viewport_size({**size, "height": 1500})
            page.mouse.move(0, 0)
            page.evaluate("window.scrollTo(0, 0)")
            page.wait_for_timeout(400)
            page.screenshot(path=IMAGES / f"{name}.png", full_page=True)
            if size:
                page.set_viewport_size(size)

    return _shot
