"""Interruptions wait where they would do harm, happen where they are looked for, and none is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from engine import interrupts as module
from engine.interrupts import deferred, heed, pause, result_of, results_of, take_over

INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)


def interrupt(number: signal.Signals = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def _taken_over():
    before = {number: signal.getsignal(number) for number in INTERRUPTIONS}
    take_over()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    assert not module._state.deferring


def interrupted(body) -> None:
    with pytest.raises(KeyboardInterrupt):
        body()


@pytest.mark.parametrize("number", INTERRUPTIONS)
def test_elsewhere_they_are_raised_at_once(number):
    interrupted(lambda: interrupt(number))


@pytest.mark.parametrize("number", INTERRUPTIONS)
def test_it_waits_until_the_end(number):
    reached = []

    def body():
        with deferred():
            interrupt(number)
            reached.append("here")

    interrupted(body)
    assert reached == ["here"]
    with deferred():  # it is over
        heed()


def test_it_happens_where_it_is_looked_for():
    reached = []

    def body():
        with deferred():
            heed()
            interrupt()
            reached.append("here")
            heed()
            reached.append("there")

    interrupted(body)
    assert reached == ["here"]


def test_the_same_one_told_twice_is_one():
    """A terminal tells all processes of a group, and whoever started them may tell them once more."""
    reached = []

    def body():
        with deferred():
            try:
                interrupt()
                interrupt(signal.SIGTERM)
                heed()
            finally:
                interrupt()
                heed()
                reached.append("cleaned up")

    interrupted(body)
    assert reached == ["cleaned up"]


@pytest.mark.parametrize("heeded", [False, True])
def test_a_second_one_waits_no_longer(heeded, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    reached = []

    def body():
        with deferred():
            try:
                interrupt()
                if heeded:
                    heed()
                reached.append("went on")
            finally:
                interrupt()
                reached.append("cleaned up")

    interrupted(body)
    assert reached == ([] if heeded else ["went on"])


def test_an_error_does_not_lose_it():
    def body():
        with deferred():
            interrupt()
            raise ValueError("what went wrong")

    with pytest.raises(KeyboardInterrupt) as caught:
        body()
    assert str(caught.value.__context__) == "what went wrong"


def test_after_an_error_all_is_as_before():
    def body():
        with deferred():
            raise ValueError("what went wrong")

    with pytest.raises(ValueError, match="what went wrong"):
        body()
    interrupted(interrupt)


def test_blocks_in_blocks():
    reached = []

    def body():
        with deferred():
            with deferred():
                interrupt()
                reached.append("inside")
            reached.append("after it")
            with deferred():
                heed()
            reached.append("after the next")

    interrupted(body)
    assert reached == ["inside", "after it"]


def test_what_is_ignored_stays_so():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    take_over()
    interrupt()
    with deferred():
        interrupt()
        heed()


def test_another_programs_handlers_are_left_alone():
    noted = []
    signal.signal(signal.SIGINT, lambda number, _frame: noted.append(number))
    with deferred():
        interrupt()
        heed()
        assert noted == [signal.SIGINT]
    assert noted == [signal.SIGINT]


def test_in_another_thread_nothing_is_deferred():
    seen = []

    def body():
        with deferred():
            seen.append(module._state.deferring)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [False]


def test_other_threads_never_take_it_but_leave_once_it_happened():
    reached, asked, left = [], threading.Event(), threading.Event()

    def work():
        heed()
        reached.append("nothing yet")
        asked.set()
        try:
            pause(60)
        except KeyboardInterrupt:
            left.set()

    def body():
        with deferred():
            thread = threading.Thread(target=work)
            try:
                interrupt()
                thread.start()
                asked.wait(10)
                heed()
            finally:
                thread.join(10)

    begin = time.monotonic()
    interrupted(body)
    assert reached == ["nothing yet"]
    assert left.is_set()
    assert time.monotonic() - begin < 5
    heed()  # no block, no interruption


@pytest.mark.parametrize("wait", [lambda: result_of(Future()), lambda: pause(60)])
def test_waiting_is_interrupted(wait):
    timer = threading.Timer(0.05, interrupt)
    timer.start()
    begin = time.monotonic()

    def body():
        with deferred():
            wait()

    interrupted(body)
    assert time.monotonic() - begin < 5
    timer.join()


def test_a_pause_lasts_as_long_as_asked():
    begin = time.monotonic()
    pause(0.25)
    assert 0.25 <= time.monotonic() - begin < 5
    pause(0)


def test_results_come_in_order_and_errors_as_they_are():
    with ThreadPoolExecutor(2) as pool:
        assert results_of([pool.submit(pow, 2, k) for k in range(5)]) == [1, 2, 4, 8, 16]
        with pytest.raises(TimeoutError, match="of its own"):
            result_of(pool.submit(_fail))


def _fail():
    raise TimeoutError("of its own")


def test_after_an_error_what_has_not_begun_never_does():
    begun, gate = [], threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(gate.wait)
        first: Future[int] = Future()
        first.set_exception(ValueError("no"))
        others = [pool.submit(begun.append, k) for k in range(3)]
        with pytest.raises(ValueError, match="no"):
            results_of([first, *others])
        gate.set()
        assert waiting.result()
    assert begun == []
