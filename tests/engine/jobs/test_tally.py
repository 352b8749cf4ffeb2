"""How far a run is, by its events."""

from __future__ import annotations

from engine.events import Published, Said, ShardDone, ShardKept, ShardUploaded, Started, TensorDone
from engine.jobs.tally import Tally
from engine.jobs.values import Progress


def tally(*events):
    """Count events that come a second after each other, from second 100 on."""
    counted = Tally()
    for second, event in enumerate(events):
        counted = counted.after(event, 100.0 + second)
    return counted


START = Started(tensors=4, shards=2, nbytes=1000)
A, B = TensorDone("a", "s1", 100), TensorDone("b", "s1", 300)


def test_before_it_starts_nothing_is_known():
    assert tally(Said("x")).progress(200.0) == Progress()
    assert Tally().left(1e9) is None
    assert Tally().share == 0.0


def test_tensors_and_bytes():
    counted = tally(START, A, B, ShardDone("s1", 410, "ab"))
    # 400 bytes in 4 s; missing are 600 to compute and 1000 to upload, at 100 a second
    assert counted.progress(104.0) == Progress(2, 4, 0, 2, 400, 1000, 100.0, 16.0)
    assert counted.share == 0.2


def test_at_first_there_is_no_speed():
    assert tally(START, A).progress(100.9).left is None
    assert tally(START, A).progress(101.0).left == 19.0
    assert tally(START).progress(130.0) == Progress(0, 4, 0, 2, 0, 1000, None, None)


def test_a_shard_is_done_when_it_is_on_the_hub():
    counted = tally(START, A, B, ShardDone("s1", 410, "ab"), ShardUploaded("s1", 400))
    assert counted.progress(108.0) == Progress(2, 4, 1, 2, 400, 1000, 50.0, 12.0)
    assert counted.share == 0.4
    assert not counted.whole


def test_what_was_kept_is_done_and_tells_no_speed():
    counted = tally(START, ShardKept("s1", 400), TensorDone("c", "s2", 200))
    assert counted.progress(102.0) == Progress(1, 4, 1, 2, 600, 1000, 100.0, 10.0)  # 400 + 600 missing
    assert counted.share == 0.1


def test_whole():
    counted = tally(START, ShardKept("s1", 410), TensorDone("c", "s2", 600), ShardUploaded("s2", 610))
    assert counted.whole
    assert counted.progress(110.0) == Progress(4, 4, 2, 2, 1000, 1000, 60.0, 0.0)
    assert tally(START, *[TensorDone("a", "s", 500), ShardUploaded("s", 510)] * 2, Published("x", 1, 1)).share == 1.0


def test_a_new_run_begins_anew():
    assert tally(START, A, B, Started(9, 3, 50)) == Tally(103.0, 0, 9, 0, 3, 50)
