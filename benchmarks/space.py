"""``python -m benchmarks.space``: how soon the page answers, and what 200 readers leave in its memory.

The page runs as a Space does, in a process of its own, beside an embedded Hub. Each reader is a fresh browser profile
that names two models, moves the slider, and leaves.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from engine import devhub
from engine.demo import parents
from engine.devhub.grants import App
from space.local import callback, variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

SECRET = "of-a-benchmark"  # noqa: S105 - of a Hub on this machine, for a minute
READERS = 200
MOVES = 2


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.space", description=__doc__)
    parser.add_argument("--readers", type=int, default=READERS)
    readers = parser.parse_args().readers
    chromium = shutil.which("chromium") or sys.exit("chromium is missing; install it with: apt-get install chromium")
    with _page() as (url, process), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        _visit(browser, url)  # what is loaded once is none of the readers'
        before = _resident(process.pid)
        painted, first, moves = [], [], []
        for number in range(readers):
            one = _visit(browser, url)
            painted.append(one[0])
            first.append(one[1])
            moves += one[2]
            if (number + 1) % 50 == 0:
                sys.stderr.write(f"{number + 1} readers: {_resident(process.pid):.0f} MB\n")
        after = _resident(process.pid)
        browser.close()
    sys.stdout.write("| what | median | 95 % |\n| --- | ---: | ---: |\n")
    for name, values in (("page to first form", painted), ("two names to a plan", first), ("slider to a plan", moves)):
        sys.stdout.write(f"| {name} | {statistics.median(values):.2f} s | {_high(values):.2f} s |\n")
    sys.stdout.write(f"\nMemory: {before:.0f} MB after one reader, {after:.0f} MB after {readers} more.\n")


def _visit(browser: Browser, url: str) -> tuple[float, float, list[float]]:
    """Be one reader; returns seconds to the form, to the first plan, and to the plan after each move of the slider."""
    context = browser.new_context()
    context.route(lambda address: "127.0.0.1" not in address, lambda route: route.abort())
    page = context.new_page()
    started = time.perf_counter()
    page.goto(url)
    page.locator(".ms-live").wait_for()
    painted = time.perf_counter() - started
    page.get_by_label("Model 1").first.fill("demo/tiny-reverse")
    started = time.perf_counter()
    page.get_by_label("Model 2").first.fill("demo/tiny-upper")
    page.locator(".ms-plan.ms-fine").wait_for()
    first = time.perf_counter() - started
    moves = []
    for number in range(1, MOVES + 1):
        value = f"0.{number:02d}"
        started = time.perf_counter()
        page.get_by_role("spinbutton", name="t", exact=True).fill(value)
        page.locator(".ms-band-values", has_text=value.rstrip("0")).first.wait_for()
        moves.append(time.perf_counter() - started)
    context.close()
    return painted, first, moves


@contextmanager
def _page() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        home = Path(name)
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
        free.close()
        app = App("mergesmith", SECRET, callback(port))
        with devhub.serve(home / "hub", users={"demo": "hf_demo"}, apps={"mergesmith": app}) as hub:
            parents.upload(hub.store)
            environment = os.environ | variables(hub.endpoint, "mergesmith", SECRET, port, home / "work")
            process = subprocess.Popen([sys.executable, "-m", "space.main"], env=environment)
            url = f"http://127.0.0.1:{port}/"
            try:
                _wait(url)
                yield url, process
            finally:
                process.terminate()
                process.wait(30)


def _wait(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url).close()  # noqa: S310 - our own address
        except urllib.error.URLError:
            time.sleep(0.2)
        else:
            return
    sys.exit("the page did not come up")


def _resident(process: int) -> float:
    """Megabytes of memory that a process has."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def _high(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


if __name__ == "__main__":
    main()
