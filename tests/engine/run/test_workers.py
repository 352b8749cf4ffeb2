"""Threads that keep order, keep few results, and stop."""

from __future__ import annotations

import threading
import time

import pytest

from engine.run.workers import Workers


def test_results_come_in_order():
    def slowest_first(number):
        time.sleep(0.02 / (number + 1))
        return number * number

    with Workers(4) as workers:
        assert list(workers.each(slowest_first, range(20))) == [number * number for number in range(20)]


def test_it_runs_as_many_at_once_as_there_are_threads():
    meeting = threading.Barrier(3, timeout=10)
    with Workers(3) as workers:
        workers.run(lambda _number: meeting.wait(), range(9))
    assert not meeting.broken


def test_no_more_than_twice_the_threads_are_ahead():
    begun = []
    with Workers(2) as workers:
        results = workers.each(begun.append, range(100))
        next(results)
        time.sleep(0.05)
        assert len(begun) <= 4
        results.close()
    assert len(begun) <= 4


def test_an_error_waits_for_what_runs_and_begins_nothing_more():
    started, finished = [], []

    def work(number):
        started.append(number)
        if number == 0:
            raise ValueError("as asked")
        time.sleep(0.05)
        finished.append(number)

    with Workers(2) as workers:
        with pytest.raises(ValueError, match="as asked"):
            workers.run(work, range(100))
        assert sorted(finished) == sorted(set(started) - {0})
        assert len(started) <= 4


def test_one_item_needs_no_thread():
    with Workers(2) as workers:
        assert list(workers.each(lambda _item: threading.current_thread(), ["one"])) == [threading.current_thread()]


def test_nothing_to_do():
    with Workers(1) as workers:
        assert list(workers.each(str, [])) == []


def test_the_threads_are_gone_at_the_end():
    before = threading.active_count()
    with Workers(3) as workers:
        workers.run(str, range(10))
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_memory_is_used_again_and_grows():
    with Workers(1) as workers:
        first = workers.memory(8)
        first[:] = b"abcdefgh"
        assert bytes(workers.memory(5)) == b"abcde"
        workers.memory(5)[0] = ord("x")
        assert bytes(first) == b"xbcdefgh"
        assert len(workers.memory(100)) == 100
        assert len(workers.memory(0)) == 0
