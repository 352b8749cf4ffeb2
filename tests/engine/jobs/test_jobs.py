"""The queue itself: real processes that publish to the embedded Hub."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from queueing import TOKENS, World, children, told_of, until

from engine.jobs import Job, JobRefusedError, Jobs, Limits


@pytest.fixture
def queue(world: World):
    """Makes the queue of a folder, and stops it."""
    made: list[Jobs] = []

    def make(**limits) -> Jobs:
        jobs = Jobs(world.folder, world.environment, endpoint=world.server.endpoint, limits=Limits(**limits))
        jobs.start()
        made.append(jobs)
        return jobs

    def stop() -> None:
        made.pop().stop()

    make.stop = stop
    yield make
    world.server.clear_faults()
    while made:
        stop()


def look(jobs: Jobs, job: Job) -> Job:
    found = jobs.job(job.id, job.owner)
    assert found is not None
    return found


def reach(jobs: Jobs, job: Job, *states: str) -> Job:
    """Wait for a job to be in one of these states."""
    until(lambda: look(jobs, job).state in states)
    return look(jobs, job)


def runs(jobs: Jobs, job: Job) -> int:
    """Wait for a job's process; returns its id."""
    reach(jobs, job, "running")
    until(lambda: job.id in jobs._children)
    return jobs._children[job.id]._process.pid


def quick(world: World, owner: str = "alice", target: str = "alice/merged"):
    """An order for where no process gets far; made before the Hub is held up."""
    return replace(world.order(owner, target), nbytes=1_000)


def test_a_publish(world, queue):
    jobs = queue()
    order = world.order()
    world.hold(route="commit", path="*/commit/main*")
    job = jobs.submit(order, TOKENS["alice"])
    assert (job.state, job.owner, job.target, job.title) == ("queued", "alice", "alice/merged", "Two tasks")
    assert 0 <= time.time() - job.created < 5
    pid = runs(jobs, job)
    work = world.folder / "work" / job.id
    assert (work / "recipe.yaml").read_text() == order.recipe
    assert (work / "recipe.lock.json").read_text() == order.lock
    assert work.stat().st_mode & 0o077 == 0 or world.folder.stat().st_mode & 0o077 == 0
    told = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    assert [TOKENS["alice"].encode() in text for text in told] == [False, True]
    until(lambda: look(jobs, job).progress.shards)
    assert list((work / "tmp").iterdir()), "its temporary files are with it"
    assert told_of(world.folder, TOKENS["alice"]) == []
    assert TOKENS["alice"] not in repr(jobs) + repr(order) + repr(job)
    running = look(jobs, job)
    assert (running.state, running.place, running.expected_start) == ("running", 0, None)
    assert jobs._tokens == {"alice": TOKENS["alice"]}
    # The request that hangs would be asked again only after a minute; who publishes again need not wait for it.
    assert jobs.cancel(job.id, "alice")
    cancelled = reach(jobs, job, "cancelled", "failed", "waiting", "done")
    assert cancelled.log[-1] == (
        "cancelled while alice/merged was being committed to: look there which of the two came first"
    )
    assert jobs._tokens == {}
    world.server.clear_faults()
    job = jobs.submit(order, TOKENS["alice"])
    done = reach(jobs, job, "done", "failed", "waiting")
    assert (done.state, done.error, done.place) == ("done", None, None)
    assert done.url == f"{world.server.endpoint}/alice/merged"
    assert done.log[1] == "model.safetensors: finished by an earlier run, 1.22 MB"
    assert done.log[-1].startswith(f"done: {done.url}, ")
    progress = done.progress
    assert (progress.tensors, progress.tensors_total, progress.shards, progress.shards_total) == (75, 75, 1, 1)
    assert progress.nbytes == progress.nbytes_total == 1_214_720
    assert {"model.safetensors", "merge.record.json", "README.md"} <= world.files("alice/merged")
    assert list((world.folder / "work").iterdir()) == []
    assert told_of(world.folder, TOKENS["alice"]) == []
    assert jobs._tokens == {}
    assert pid not in children(os.getpid())


def test_one_after_the_other(world, queue):
    jobs = queue()
    orders = quick(world), quick(world, "bob", "bob/x"), quick(world, "alice", "alice/y")
    world.hold()
    first = jobs.submit(replace(orders[0], nbytes=2_000_000_000), TOKENS["alice"])
    runs(jobs, first)
    second, third = (jobs.submit(order, TOKENS[order.owner]) for order in orders[1:])
    time.sleep(1.0)
    assert [job.state for job in (look(jobs, first), look(jobs, second), look(jobs, third))] == [
        "running",
        "queued",
        "queued",
    ]
    assert (look(jobs, second).place, look(jobs, third).place) == (1, 2)
    # 2 GB at 50 MB/s and 10 s to start, less what has passed; then 1,000 bytes and 10 s
    assert 30 < look(jobs, second).expected_start < 50
    assert look(jobs, third).expected_start - look(jobs, second).expected_start == pytest.approx(10, abs=0.2)
    told = jobs.queue()
    assert (told.running, told.queued, told.rate) == (1, 2, 50e6)
    assert "alice" not in repr(told)
    # Whose they are
    assert [job.id for job in jobs.jobs("alice")] == [third.id, first.id]
    assert [job.id for job in jobs.jobs("bob")] == [second.id]
    assert jobs.jobs("carol") == ()
    assert jobs.job(first.id, "bob") is None
    assert jobs.job("0" * 32, "bob") is None
    assert not jobs.cancel(first.id, "bob")
    assert not jobs.cancel("0" * 32, "bob")
    assert len({first.id, second.id, third.id}) == 3
    assert all(len(job.id) == 32 for job in (first, second, third))
    # What has not begun is cancelled at once
    assert jobs.cancel(second.id, "bob")
    cancelled = look(jobs, second)
    assert (cancelled.state, cancelled.place) == ("cancelled", None)
    assert cancelled.log == ("cancelled before it began: bob/x is as it was",)
    assert [kept.is_open for kept in jobs._store.attempts()] == [True, False, True]
    assert not jobs.cancel(second.id, "bob")
    assert look(jobs, third).place == 1
    assert list(jobs._tokens) == ["alice"]
    # What runs takes a moment, and the next one follows
    assert jobs.cancel(first.id, "alice")
    assert jobs.cancel(first.id, "alice")
    ended = reach(jobs, first, "cancelled", "failed", "waiting")
    assert ended.state == "cancelled"
    assert ended.log[-1].startswith("cancelled: alice/merged is as it was. ")
    assert world.files("alice/merged") == set()
    runs(jobs, third)
    assert look(jobs, second).state == "cancelled"


def test_refused_orders_leave_nothing(world, queue):
    jobs = queue(per_owner=1)
    orders = quick(world), quick(world, target="alice/y"), quick(world, "bob", "bob/x")
    world.hold()
    jobs.submit(orders[0], TOKENS["alice"])
    with pytest.raises(JobRefusedError, match="your job for alice/merged has not ended"):
        jobs.submit(orders[0], TOKENS["alice"])
    with pytest.raises(JobRefusedError, match="nobody may have more than 1 unfinished job here"):
        jobs.submit(orders[1], TOKENS["alice"])
    with pytest.raises(JobRefusedError, match="nobody is signed in"):
        jobs.submit(orders[2], "")
    assert len(list((world.folder / "work").iterdir())) == 1
    assert len(jobs.jobs("alice")) == 1


def test_two_to_one_target_never_run_at_once(world, queue):
    jobs = queue(running=2)
    orders = quick(world), quick(world, "bob", "Alice/Merged"), quick(world, target="alice/y")
    world.hold()
    first = jobs.submit(orders[0], TOKENS["alice"])
    runs(jobs, first)
    second = jobs.submit(orders[1], TOKENS["bob"])
    time.sleep(1.0)
    assert look(jobs, second).state == "queued"
    jobs.cancel(first.id, "alice")
    runs(jobs, second)
    assert look(jobs, first).state == "cancelled"
    third = jobs.submit(orders[2], TOKENS["alice"])
    runs(jobs, third)
    assert look(jobs, second).state == "running"


def test_a_failure(world, queue):
    jobs = queue()
    job = jobs.submit(replace(quick(world), lock="{}"), TOKENS["alice"])
    failed = reach(jobs, job, "failed", "done", "waiting")
    assert failed.state == "failed"
    assert failed.error == (
        "mergesmith: recipe.lock.json: not a lock that can be read (engine: Field required); write it again with "
        "`mergesmith lock`"
    )
    assert failed.url is None
    assert jobs._tokens == {}
    assert list((world.folder / "work").iterdir()) == []


def test_a_worn_out_token(world, queue):
    jobs = queue()
    job = jobs.submit(world.order(), "hf_worn_out")
    waiting = reach(jobs, job, "waiting", "failed", "done")
    assert (waiting.state, waiting.place, waiting.expected_start) == ("waiting", None, None)
    assert waiting.error == "alice/merged waits for alice to sign in: the Hub did not accept the last sign-in (401)"
    assert jobs._tokens == {}
    # It keeps nobody from publishing …
    other = jobs.submit(replace(quick(world, "bob", "bob/x"), lock="{}"), TOKENS["bob"])
    reach(jobs, other, "failed")
    # … the same token, which a browser may still have, changes nothing, nor does anybody else's …
    jobs.signed_in("alice", "hf_worn_out")
    jobs.signed_in("alice", "")
    jobs.signed_in("carol", "hf_carol")
    assert look(jobs, job).state == "waiting"
    assert jobs._tokens == {}
    # … and a new one does.
    jobs.signed_in("alice", TOKENS["alice"])
    assert look(jobs, job).state == "queued"
    assert look(jobs, job).error is None
    done = reach(jobs, job, "done", "failed", "waiting")
    assert done.state == "done"
    assert done.url == f"{world.server.endpoint}/alice/merged"


def test_signed_in_while_the_old_token_is_refused(world, queue):
    jobs = queue()
    order = world.order()
    world.hold(delay=1.0)
    job = jobs.submit(order, "hf_worn_out")
    runs(jobs, job)
    jobs.signed_in("alice", TOKENS["alice"])
    until(lambda: jobs._records[job.id].attempt == 2)
    runs(jobs, job)
    assert jobs._tokens == {"alice": TOKENS["alice"]}


def test_what_cannot_be_started_fails(world, queue):
    jobs = queue()
    jobs._environment = {"HF_HOME": "\0"}
    failed = reach(jobs, jobs.submit(quick(world), TOKENS["alice"]), "failed", "waiting", "done")
    assert (failed.state, failed.error) == ("failed", "mergesmith itself failed: ValueError: embedded null byte")


def test_many_threads(world, queue):
    jobs = queue(running=4, per_owner=100)
    order = replace(quick(world), lock="{}")
    taken: list[Job] = []

    def use(number: int) -> None:
        owner = f"user{number}"
        first = jobs.submit(replace(order, owner=owner, target=f"{owner}/a"), "hf_some")
        second = jobs.submit(replace(order, owner=owner, target=f"{owner}/b"), "hf_some")
        jobs.cancel(second.id, owner)
        for _ in range(20):
            assert {job.id for job in jobs.jobs(owner)} == {first.id, second.id}
            jobs.queue()
        taken.extend([first, second])

    users = [threading.Thread(target=use, args=(number,)) for number in range(6)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert len({job.id for job in taken}) == 12
    for job in taken:
        assert reach(jobs, job, "failed", "cancelled", "done", "waiting").state in {"failed", "cancelled"}
    assert jobs._tokens == {}


def test_what_waits_for_its_owner_can_be_cancelled(world, queue):
    jobs = queue()
    job = jobs.submit(world.order(), "hf_worn_out")
    reach(jobs, job, "waiting")
    assert jobs.cancel(job.id, "alice")
    assert look(jobs, job).state == "cancelled"
    jobs.signed_in("alice", TOKENS["alice"])
    time.sleep(0.7)
    assert look(jobs, job).state == "cancelled"
    queue.stop()
    assert look(queue(), job).state == "cancelled"


def threads() -> set[str]:
    """Threads of this process, but for those that the embedded Hub takes as it needs them."""
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}


def test_stopping_and_going_on(world, queue):
    before = threads()
    jobs = queue()
    orders = world.order(), quick(world, "bob", "bob/x")
    world.hold()
    first = jobs.submit(orders[0], TOKENS["alice"])
    pid = runs(jobs, first)
    second = jobs.submit(orders[1], TOKENS["bob"])
    queue.stop()
    assert pid not in children(os.getpid())
    assert jobs._tokens == {}
    until(lambda: threads() == before, 10)
    world.server.clear_faults()
    again = queue()
    for job in (first, second):
        waiting = look(again, job)
        assert (waiting.state, waiting.place) == ("waiting", None)
        assert waiting.error == (
            f"{job.target} waits for {job.owner} to sign in: the service was restarted, and keeps no tokens"
        )
        assert (waiting.created, waiting.title) == (job.created, job.title)
    again.signed_in("alice", TOKENS["alice"])
    assert reach(again, first, "done", "failed", "waiting").state == "done"
    assert look(again, second).state == "waiting"


def test_what_ended_is_kept_and_forgotten(world, queue):
    jobs = queue()
    orders = [replace(quick(world, target=f"alice/{name}"), lock="{}") for name in "ab"]
    ended = [reach(jobs, jobs.submit(order, TOKENS["alice"]), "failed") for order in orders]
    queue.stop()
    again = queue()
    assert [replace(job, progress=ended[0].progress) for job in again.jobs("alice")] == ended[::-1]
    queue.stop()
    fewer = queue(kept=1)
    assert [job.id for job in fewer.jobs("alice")] == [ended[1].id]
    queue.stop()
    assert queue(days=0.0).jobs("alice") == ()
    queue.stop()
    assert queue().jobs("alice") == ()


def test_one_queue_in_a_process_and_a_folder(world, queue):
    jobs = queue()
    other = Jobs(world.tmp / "other", {}, endpoint="http://127.0.0.1:9")
    with pytest.raises(RuntimeError, match="this process has a queue already; stop that one first"):
        other.start()
    assert not (world.tmp / "other").exists()
    assert jobs.jobs("alice") == ()


def test_a_start_that_fails_can_be_tried_again(world, queue):
    world.folder.mkdir()
    (world.folder / "jobs.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(Exception, match="file is not a database"):
        queue()
    (world.folder / "jobs.sqlite").unlink()
    assert queue().jobs("alice") == ()
