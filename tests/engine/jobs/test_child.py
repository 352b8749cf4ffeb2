"""The process that publishes: real ones, of small programs."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from engine.jobs.child import Child, arguments, variables

SECRET = "hf_secret"


def child(tmp_path, program: str) -> Child:
    return Child([sys.executable, "-c", program], {"PATH": "/bin", "HF_TOKEN": SECRET}, tmp_path, SECRET)


def test_arguments():
    start = [sys.executable, "-P", "-m", "engine.leash", "publish", "--events", "json", "--require-lock"]
    plain = arguments("recipe.yaml", "alice/m", create_pr=False)
    assert plain == [*start, "--repo", "alice/m", "--", "recipe.yaml"]
    assert arguments("recipe.yaml", "alice/m", create_pr=True) == [
        *start,
        "--repo",
        "alice/m",
        "--create-pr",
        "--",
        "recipe.yaml",
    ]


def test_it_gets_the_token_and_none_of_our_secrets():
    ours = {
        "PATH": "/bin",
        "HF_HOME": "/h",
        "HF_TOKEN": "hf_ours",
        "OAUTH_CLIENT_SECRET": "s",
        "HF_ENDPOINT": "http://else",
        "TMPDIR": "/tmp",
        "HF_OIDC_RESOURCE": "a/b",
    }
    assert variables(ours, SECRET, "alice/m", "http://hub", Path("/w/tmp")) == {
        "PATH": "/bin",
        "HF_HOME": "/h",
        "HF_TOKEN": SECRET,
        "HF_ENDPOINT": "http://hub",
        "HF_HUB_CACHE": "/dev/null",
        "TMPDIR": "/w/tmp",
    }


def test_what_it_says_without_the_token(tmp_path):
    program = (
        "import os, sys; print('one', os.environ['HF_TOKEN'], flush=True); sys.stderr.write('so\\r\\n');"
        "sys.stderr.flush(); print(os.getcwd()); print('\\udcff'.encode('utf-8', 'surrogateescape')); sys.exit(2)"
    )
    running = child(tmp_path, program)
    assert list(running.lines()) == ["one ***", "so", str(tmp_path), "b'\\xff'"]
    assert running.wait() == 2


def test_interrupted(tmp_path):
    program = "import time\ntry:\n  print('ready', flush=True); time.sleep(60)\nexcept KeyboardInterrupt: print('left')"
    running = child(tmp_path, program)
    lines = running.lines()
    assert next(lines) == "ready"
    # Ctrl-C at our terminal is not for it: a terminal signals the processes of one session.
    assert os.getsid(running._process.pid) == running._process.pid
    running.interrupt(60.0)
    running.interrupt(60.0)
    assert list(lines) == ["left"]
    assert running.wait() == 0


def test_killed_where_it_does_not_leave(tmp_path):
    program = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    )
    running = child(tmp_path, program)
    lines = running.lines()
    assert next(lines) == "ready"
    began = time.monotonic()
    running.interrupt(0.3)
    assert list(lines) == []
    assert running.wait() == -signal.SIGKILL
    assert 0.3 <= time.monotonic() - began < 5
