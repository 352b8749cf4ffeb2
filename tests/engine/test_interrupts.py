"""Interruptions wait where they would do harm, happen where they are looked for, and none is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from engine.interrupts import INTERRUPTIONS, deferred, heed, result_of, results_of


def interrupt(number: signal.Signals = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.fixture
def handled():
    """SIGTERM is handled by a function that notes it, SIGINT as Python does it."""
    noted = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: noted.append(number))
    yield noted
    signal.signal(signal.SIGTERM, before)
    assert [signal.getsignal(number) for number in INTERRUPTIONS] == [signal.default_int_handler, before]


def test_it_waits_until_the_end(handled):
    reached = []

    def body():
        with deferred():
            interrupt()
            reached.append("here")

    with pytest.raises(KeyboardInterrupt):
        body()
    assert reached == ["here"]
    assert handled == []


def test_it_happens_where_it_is_looked_for(handled):
    reached = []

    def body():
        with deferred():
            heed()
            interrupt()
            reached.append("here")
            heed()
            reached.append("there")

    with pytest.raises(KeyboardInterrupt):
        body()
    assert reached == ["here"]


def test_each_signal_goes_to_its_own_handler(handled):
    with deferred():
        interrupt(signal.SIGTERM)
        assert handled == []
        heed()
        assert handled == [signal.SIGTERM]
        heed()
    assert handled == [signal.SIGTERM]


def test_a_second_one_waits_no_longer(handled):
    reached = []

    def body():
        with deferred():
            interrupt(signal.SIGTERM)
            reached.append("here")
            interrupt()
            reached.append("there")

    with pytest.raises(KeyboardInterrupt):
        body()
    assert reached == ["here"]
    assert handled == []  # the first one is answered by it
    heed()
    assert handled == []


def test_one_that_was_heeded_is_the_first_again(handled):
    """What is cleaned up after an interruption is not cut short by the next one either."""
    reached = []

    def body():
        with deferred():
            try:
                interrupt()
                heed()
            finally:
                interrupt()
                reached.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        body()
    assert reached == ["cleaned up"]


def test_an_error_does_not_lose_it(handled):
    def body():
        with deferred():
            interrupt()
            raise ValueError("what went wrong")

    with pytest.raises(KeyboardInterrupt) as caught:
        body()
    assert str(caught.value.__context__) == "what went wrong"


def test_blocks_in_blocks(handled):
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

    with pytest.raises(KeyboardInterrupt):
        body()
    assert reached == ["inside", "after it"]


def test_what_nobody_handles_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred():
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
            interrupt()
            heed()
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_it_does_nothing(handled):
    seen = []

    def body():
        with deferred():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_waiting_for_a_result_is_interrupted(handled):
    never: Future[int] = Future()
    timer = threading.Timer(0.05, interrupt)
    timer.start()
    begin = time.monotonic()

    def body():
        with deferred():
            result_of(never)

    with pytest.raises(KeyboardInterrupt):
        body()
    assert time.monotonic() - begin < 5
    timer.join()


def test_results_come_in_order_and_errors_as_they_are(handled):
    with ThreadPoolExecutor(2) as pool:
        assert results_of([pool.submit(pow, 2, k) for k in range(5)]) == [1, 2, 4, 8, 16]
        with pytest.raises(TimeoutError, match="of its own"):
            result_of(pool.submit(_fail))


def _fail():
    raise TimeoutError("of its own")


def test_after_an_error_what_has_not_begun_never_does(handled):
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
