"""What the browser tests do again and again."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import httpx
from playwright.sync_api import Page

START = 60.0
"""Seconds that the page may take to come up on a busy machine."""


def sign_in(page: Page, user: str) -> None:
    """Sign in on the Hub's own page and come back."""
    page.locator("#ms-login").click()
    page.get_by_role("button", name=f"Sign in as {user}").click()
    page.locator(".ms-form").wait_for()
    page.locator("#ms-login", has_text=user).wait_for()


def choose(page: Page, *models: str) -> None:
    """Name the models, from the first row on, and wait for the plan."""
    for number, model in enumerate(models, start=1):
        page.get_by_label(f"Model {number}").first.fill(model)
    page.locator(".ms-plan.ms-fine").wait_for()


def text_of(page: Page) -> str:
    """The recipe as its editor shows it."""
    return "\n".join(page.locator("#ms-yaml .cm-line").all_inner_texts()).replace("\u200b", "").rstrip("\n") + "\n"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"the page did not come up: {log.read_text()}")
