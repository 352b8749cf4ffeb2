"""The command line that ends with whoever started it."""

from __future__ import annotations

import subprocess
import sys
import time

from engine.process import command, leashed

# Holds interruptions back, as a command does that loads modules, and would go on for a minute.
DEAF = """
import sys, threading, time
from engine import leash
from engine.interrupts import deferred, take_over
sys.argv[1:] = ["methods"]
take_over()
with deferred():
    threading.Thread(target=leash._watch, args=(0,), daemon=True).start()
    print("ready", flush=True)
    time.sleep(60)
"""

# As `leashed` starts it, but with more patience, so that leaving is not taken for being put an end to.
PATIENT = """
import sys
from engine import leash
leash.GRACE = 30.0
leash.main()
"""


def start(arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def let_go(process: subprocess.Popen[bytes]) -> tuple[int, float, bytes]:
    """Close its standard input; returns its status, how many seconds it lived on, and its errors."""
    began = time.monotonic()
    with process:
        process.stdin.close()
        status = process.wait(30)
        lived = time.monotonic() - began
        return status, lived, process.stderr.read()


def test_held_it_is_the_command_line():
    plain = subprocess.run(command("methods", "ties"), capture_output=True, check=True)
    with start(leashed("methods", "ties")) as process:
        assert process.stdout.read() == plain.stdout
        assert process.wait(30) == 0
    with start(leashed("methods", "none")) as process:
        plain = subprocess.run(command("methods", "none"), capture_output=True, check=False)
        assert process.stderr.read() == plain.stderr != b""
        assert process.wait(30) == plain.returncode == 1


def test_let_go_it_is_interrupted(tmp_path):
    process = start([sys.executable, "-c", PATIENT, "devhub", "--root", str(tmp_path)])
    assert process.stdout.readline().startswith(b"HF_ENDPOINT=")
    status, lived, errors = let_go(process)
    # The embedded Hub takes an interruption as its end, but for the moment before it waits for one.
    assert (status, errors) in [(0, b""), (130, b"mergesmith: interrupted\n")]
    assert lived < 20.0


def test_let_go_at_once_it_leaves():
    status, lived, _ = let_go(start(leashed("methods")))
    assert status in {0, 130}
    assert lived < 10.0


def test_deaf_it_is_gone_after_a_second():
    process = start([sys.executable, "-c", DEAF])
    assert process.stdout.readline() == b"ready\n"
    status, lived, _ = let_go(process)
    assert status == 130
    assert 0.9 < lived < 3.0


def test_interruptions_that_were_ignored_are_heard(tmp_path):
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    process = start([sys.executable, "-c", ignoring, sys.executable, "-c", PATIENT, "devhub", "--root", str(tmp_path)])
    assert process.stdout.readline().startswith(b"HF_ENDPOINT=")
    status, lived, _ = let_go(process)
    assert status in {0, 130}
    assert lived < 20.0
