"""Processes that go through the same lines: what each gets to know, who does what, and what is left when one ends."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch

from engine.errors import MergeError, TensorError
from engine.run import processes as module
from engine.run.processes import Processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("items", [0, 1, 2, 7, 40])
def test_all_see_all_results_in_order(count, items, tmp_path):
    with Processes(count, 0) as crew:
        results = list(crew.each(lambda item: item * item, range(items)))
        (tmp_path / str(crew.number)).write_text(repr(results))
        crew.together()
    squares = [item * item for item in range(items)]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {str(i): repr(squares) for i in range(count)}


def test_each_item_is_done_by_one_of_them(tmp_path):
    with Processes(3, 0) as crew:
        list(crew.each(lambda item: (tmp_path / f"{item}-{crew.number}").touch(), range(7)))
        crew.run(lambda item: (tmp_path / f"{item}-{crew.number}").touch(), range(7, 10))
    # Dealt from the second one on: the first also reads ahead and hashes.
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"0-1", "1-2", "2-0", "3-1", "4-2", "5-0", "6-1", "7-1", "8-2", "9-0"}


def test_one_item_alone_is_done_by_each_for_itself(tmp_path):
    with Processes(2, 0) as crew:
        list(crew.each(lambda item: (tmp_path / f"{item}-{crew.number}").touch(), ["a"]))
    assert {path.name for path in tmp_path.iterdir()} == {"a-0", "a-1"}


def bits(value):
    return value.flatten().clone().view(torch.uint8).tolist()


def test_tensors_arrive_as_they_were_sent():
    values = [
        torch.tensor([[1.5, -0.0], [float("inf"), float("nan")]], dtype=torch.float64),
        torch.arange(10, dtype=torch.int64)[2:8:3],
        torch.tensor(3.25, dtype=torch.bfloat16),
        torch.empty((0, 4)),
    ]
    with Processes(2, 0) as crew:
        _, *others = crew.each(lambda item: item, [(None, None), *((value, {"it": value}) for value in values)] * 2)
    for value, (got, named) in zip(values, others, strict=False):
        for one in (got, named["it"]):
            assert (one.dtype, one.shape) == (value.dtype, value.shape)
            assert bits(one) == bits(value)


def test_memory_is_the_same_for_all():
    with Processes(2, 8) as crew:
        memory = crew.memory(6)
        crew.run(lambda item: memory.__setitem__(item, item + 1), range(6))
        crew.together()
        assert bytes(memory) == b"\1\2\3\4\5\6"


def test_an_error_in_another_process_is_raised_here():
    def refuse(_item):
        if crew.number == 1:
            raise TensorError("element 7 is infinite")

    with pytest.raises(TensorError, match="element 7 is infinite"), Processes(2, 0) as crew:
        list(crew.each(refuse, range(4)))
    with pytest.raises(OSError, match="No space") as raised, Processes(2, 0) as crew:
        crew.run(lambda item: os.write(os.open("/dev/full", os.O_WRONLY), b"1"), range(4))
    assert raised.value.errno == 28


def test_an_error_here_ends_the_others(tmp_path):
    def interrupted():
        with Processes(2, 0) as crew:
            (tmp_path / str(crew.number)).write_text(str(os.getpid()))
            crew.together()
            if crew.number == 0:
                raise KeyboardInterrupt
            time.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "1").read_text()), 0)


def test_a_process_that_is_killed_is_told():
    message = (
        r"^a process that computes was ended from outside \(SIGKILL\), most likely because memory ran out; "
        r"run again, with less: --threads 1, or a smaller --memory$"
    )

    def killed():
        with Processes(2, 0) as crew:
            if crew.number == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            crew.together()

    with pytest.raises(MergeError, match=message):
        killed()


def test_where_one_cannot_be_made_the_others_go(monkeypatch):
    made = []
    fork = module._fork

    def failing():
        if len(made) == 2:
            raise BlockingIOError("no process more")
        made.append(fork())
        return made[-1]

    monkeypatch.setattr(module, "_fork", failing)
    with pytest.raises(BlockingIOError, match="no process more"), Processes(4, 0):
        pytest.fail("it was not entered")
    assert all(made)
    for child in made:  # it is waited for already
        with pytest.raises(ChildProcessError):
            os.waitpid(child, os.WNOHANG)


def test_none_outlives_the_one_that_parted_them(tmp_path):
    code = (
        "import os, pathlib, time\nfrom engine.run.processes import Processes\n"
        "with Processes(2, 0) as crew:\n"
        f"    pathlib.Path({str(tmp_path)!r}, str(crew.number)).write_text(str(os.getpid()))\n"
        "    crew.together()\n    os.kill(os.getpid(), 9) if crew.number == 0 else time.sleep(60)\n"
    )
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == -signal.SIGKILL
    status = Path("/proc", (tmp_path / "1").read_text(), "status")
    for _ in range(100):
        if not status.exists() or "State:\tZ" in status.read_text():  # gone, or nobody has asked how it ended
            return
        time.sleep(0.05)
    pytest.fail("it went on")
