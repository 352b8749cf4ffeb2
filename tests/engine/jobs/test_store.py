"""DBOS as we use it: it says nothing, asks nobody, and is gone afterwards."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from engine.jobs.record import Facts
from engine.jobs.store import _facts

ROOT = Path(__file__).parents[3]
ALONE = """
import sys
asked = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind", "socket.sendto"):
        asked.append((event, arguments))
sys.addaudithook(watch)
import time, threading
from pathlib import Path
from engine.jobs import Jobs, Order
for _ in range(2):
    with Jobs(Path(sys.argv[1]), {"PATH": "/bin"}, endpoint="http://127.0.0.1:9") as jobs:
        job = jobs.submit(Order("alice", "alice/m", "", "x", "{}", 9), "hf_token")
        while jobs.job(job.id, "alice").state != "failed":
            time.sleep(0.02)
assert asked == [], asked
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
assert "torch" not in sys.modules
"""


def test_quiet_and_alone(tmp_path):
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", ALONE, str(tmp_path / "jobs")],
        capture_output=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_what_an_earlier_version_kept_is_read():
    facts = Facts("alice", "alice/m", "A merge", 9, False, 3, 1.5)
    assert _facts({**asdict(facts), "private": True}) == facts
