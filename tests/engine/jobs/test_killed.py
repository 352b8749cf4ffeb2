"""A web process that is killed outright, and the one that comes after it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from queueing import TOKENS, World, alive, children, told_of, until

from engine.errors import MergeError
from engine.jobs import Jobs, Order

ROOT = Path(__file__).parents[3]
PROCESS = """
import json, os, sys, threading
from pathlib import Path
from engine.jobs import Jobs, Order
given = json.loads(sys.stdin.readline())
jobs = Jobs(Path(given["folder"]), dict(os.environ), endpoint=given["endpoint"])
jobs.start()
print(json.dumps([jobs.submit(Order(**order), token).id for order, token in given["orders"]]), flush=True)
line = sys.stdin.readline()
if line:  # cancel the first one, whose process does not leave
    (ident, child), = jobs._children.items()
    child.interrupt = lambda grace: None
    print(jobs.cancel(ident, line.strip()), flush=True)
threading.Event().wait()
"""


@dataclass(frozen=True)
class Web:
    """A process that has a queue, and the jobs that it took."""

    process: subprocess.Popen[str]
    ids: list[str]

    def kill(self) -> None:
        self.process.kill()
        with self.process:
            self.process.wait()


def serve(world: World, *orders: Order) -> Web:
    environment = world.environment | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=world.tmp,
        text=True,
    )
    given = [(asdict(order), TOKENS[order.owner]) for order in orders]
    told = {"folder": str(world.folder), "endpoint": world.server.endpoint, "orders": given}
    process.stdin.write(json.dumps(told) + "\n")
    process.stdin.flush()
    return Web(process, json.loads(process.stdout.readline()))


def state(jobs: Jobs, ident: str, owner: str = "alice") -> str:
    found = jobs.job(ident, owner)
    assert found is not None
    return found.state


@pytest.fixture
def restarted(world: World):
    """The queue of the folder, in this process."""
    jobs = Jobs(world.folder, world.environment, endpoint=world.server.endpoint)

    def start() -> Jobs:
        jobs.start()
        return jobs

    yield start
    world.server.clear_faults()
    jobs.stop()


def test_killed_and_started_again(world, restarted):
    orders = world.order(), world.order(target="alice/second")
    later = world.order("bob", "bob/other")
    world.hold(route="commit", path="*/alice/merged/commit/main*")
    web = serve(world, *orders)
    running, queued = web.ids
    until(lambda: any(e.route == "commit" and e.path.endswith("/commit/main") for e in world.server.log))
    (child,) = children(web.process.pid)
    assert TOKENS["alice"].encode() in Path(f"/proc/{child}/environ").read_bytes()
    web.kill()
    began = time.monotonic()
    until(lambda: not alive(child), 5.0)
    assert time.monotonic() - began < 3.0
    assert told_of(world.folder, TOKENS["alice"]) == []
    world.server.clear_faults()

    jobs = restarted()
    for ident, target in ((running, "alice/merged"), (queued, "alice/second")):
        job = jobs.job(ident, "alice")
        assert (job.state, job.place, job.expected_start) == ("waiting", None, None)
        assert job.error == f"{target} waits for alice to sign in: the service was restarted, and keeps no tokens"
    # Somebody else goes first, though taken later …
    assert (jobs.queue().running, jobs.queue().queued) == (0, 0)
    world.hold(path="*/bob/other*")
    other = jobs.submit(later, TOKENS["bob"])
    until(lambda: state(jobs, other.id, "bob") == "running" and jobs._children)
    assert [state(jobs, ident) for ident in web.ids] == ["waiting", "waiting"]
    # … until the owner is there, whose jobs have their order again, before what came after them.
    last = jobs.submit(Order("bob", "bob/last", "x", later.recipe, "{}", 1), TOKENS["bob"])
    assert jobs.job(last.id, "bob").place == 1
    jobs.signed_in("alice", TOKENS["alice"])
    assert [jobs.job(ident, "alice").place for ident in web.ids] == [1, 2]
    assert jobs.job(last.id, "bob").place == 3
    world.server.clear_faults()
    jobs.cancel(other.id, "bob")
    until(lambda: state(jobs, running) in {"done", "failed"})
    done = jobs.job(running, "alice")
    assert (done.state, done.error) == ("done", None)
    assert done.log[1] == "model.safetensors: finished by an earlier run, 1.22 MB"
    assert "merge.record.json" in world.files("alice/merged")
    until(lambda: state(jobs, queued) in {"done", "failed"})
    assert state(jobs, queued) == "done"
    assert state(jobs, last.id, "bob") in {"queued", "running"}
    until(lambda: state(jobs, last.id, "bob") == "failed")
    assert told_of(world.folder, TOKENS["alice"]) == []
    assert list((world.folder / "work").iterdir()) == []


def test_killed_while_it_cancelled(world, restarted):
    order = world.order()
    world.hold()
    web = serve(world, order)
    until(lambda: children(web.process.pid))
    until(lambda: world.server.log)
    web.process.stdin.write("alice\n")
    web.process.stdin.flush()
    assert web.process.stdout.readline() == "True\n"
    web.kill()
    world.server.clear_faults()
    jobs = restarted()
    jobs.signed_in("alice", TOKENS["alice"])
    until(lambda: state(jobs, web.ids[0]) == "cancelled")
    assert jobs.job(web.ids[0], "alice").log == (
        "cancelled: alice/merged is as it was. What was uploaded waits on a staging branch there, and publishing the "
        "same recipe again goes on from it",
    )


def test_killed_by_a_signal_that_can_be_caught(world, restarted):
    order = world.order()
    world.hold()
    web = serve(world, order)
    until(lambda: children(web.process.pid))
    (child,) = children(web.process.pid)
    os.kill(web.process.pid, signal.SIGTERM)
    web.kill()
    until(lambda: not alive(child), 5.0)


def test_a_folder_has_one_queue(world):
    web = serve(world)
    try:
        with pytest.raises(MergeError) as refused:
            Jobs(world.folder, {}, endpoint=world.server.endpoint).start()
        assert str(refused.value) == (
            f"{world.folder} is another process's queue; stop that one, or name another folder"
        )
    finally:
        web.kill()
    with Jobs(world.folder, {}, endpoint=world.server.endpoint) as jobs:
        assert jobs.jobs("alice") == ()


def test_what_a_killed_process_left_is_tidied(world):
    left = world.folder / "work" / ("0" * 32)
    left.mkdir(parents=True)
    (left / "recipe.yaml").write_text("x")
    with Jobs(world.folder, {}, endpoint=world.server.endpoint):
        assert not left.exists()
