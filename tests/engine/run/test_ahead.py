"""What is fetched from the Hub before it is needed: which bytes, in how many pieces, and never too many at once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from engine.checkpoints.header import TensorInfo
from engine.errors import HubError
from engine.plan.plan import Input, Mixture, OutputTensor
from engine.run import ahead as module
from engine.run.ahead import batches_of, rooms_for, stretches_of
from engine.run.ahead import reading_ahead as reading_ahead_of
from engine.run.workers import Workers

SIZES = {"a": 100, "b": 60, "c": 40, "d": 1000, "e": 10}
"""Bytes of the tensors of each model; they lie in this order in one file, a gap before ``d``."""
GAP = 500


@dataclass
class Remote:
    """A checkpoint of float32 tensors that notes what is read of it."""

    number: int
    remote: bool = True
    reads: list[tuple[int, int]] = field(default_factory=list)
    most: int = 0
    """Most bytes that were asked for and not yet let go of."""

    @property
    def tensors(self):
        infos, begin = {}, 1000
        for name, size in SIZES.items():
            begin += GAP if name == "d" else 0
            infos[name] = TensorInfo(name, "uint8", (size,), "f", begin, begin + size)
            begin += size
        return infos

    def byte(self, offset):
        return (offset * 7 + self.number) % 251

    def read(self, tensor, begin, out):
        start = tensor.begin + begin
        self.reads.append((start, start + len(out)))
        out[:] = bytes(self.byte(i) for i in range(start, start + len(out)))


def tensor(name, *models, reading="hold"):
    sources = tuple(Input(model, name, "uint8", SIZES[name]) for model in models)
    mixture = Mixture("", name, 0, "linear", None, sources, {}, ())
    return OutputTensor(name, "uint8", (SIZES[name],), None, mixture, reading)


def all_of(reading="hold"):
    return [tensor(name, 0, 1, reading=reading) for name in SIZES]


def reading_ahead(batches, models):
    return reading_ahead_of(batches, models, rooms_for(batches), Workers(1))


def names(batches):
    return ["".join(t.name for t in batch.tensors) for batch in batches]


def test_batches_hold_so_many_bytes_or_one_tensor():
    models = [Remote(0), Remote(1)]
    assert names(batches_of(all_of(), models, 2000)) == ["abc", "d", "e"]  # 200+120+80, 2000 and 20
    assert names(batches_of(all_of(), models, 2020)) == ["abc", "de"]
    assert names(batches_of(all_of(), models, 320)) == ["ab", "cde"]  # d weighs more than twice 320: it waits its turn
    inputs = batches_of(all_of(), models, 320)[1].inputs
    assert [(item.model, item.tensor) for item in inputs] == [(0, "c"), (1, "c"), (0, "e"), (1, "e")]


@pytest.mark.parametrize("reading", ["spool", "again", "stream"])
def test_what_is_spooled_or_read_in_passing_is_not_fetched(reading):
    (batch,) = batches_of(all_of(reading), [Remote(0), Remote(1)], 10)
    assert batch.inputs == {}


def test_folders_are_not_fetched_and_a_tensor_that_goes_in_twice_is_fetched_once():
    models = [Remote(0), Remote(1, remote=False)]
    tied = OutputTensor("head", "uint8", (100,), None, tensor("a", 0).mixture, "copy")
    (batch,) = batches_of([*all_of("copy"), tied], models, 10_000)
    assert [(item.model, item.tensor) for item in batch.inputs] == [(0, name) for name in SIZES]


def test_neighbours_are_read_together_and_nothing_else():
    models = [Remote(0), Remote(1)]
    inputs = [Input(model, name, "uint8", SIZES[name]) for name in ("e", "c", "a", "d") for model in (1, 0)]
    # In the file: a 1000-1100, (b), c 1160-1200, a gap of 500, d 1700-2700, e 2700-2710.
    spans = [(s.inputs[0][0].model, s.first.begin, s.first.begin + s.length) for s in stretches_of(inputs, models)]
    assert spans == [(model, *span) for model in (0, 1) for span in ((1000, 1100), (1160, 1200), (1700, 2710))]


def test_each_input_gets_its_own_bytes(monkeypatch):
    monkeypatch.setattr(module, "PIECE", 64)
    models = [Remote(0), Remote(1)]
    with reading_ahead(batches_of(all_of(), models, 500), models) as ahead:
        for made, given in ahead:
            for item in made.inputs if made.name != "d" else ():
                info = models[item.model].tensors[item.tensor]
                expected = bytes(models[item.model].byte(i) for i in range(info.begin, info.end))
                assert bytes(given[item](0, SIZES[item.tensor])) == expected
                assert bytes(given[item](3, 9)) == expected[3:9]
    # a, b and c of each model in pieces of 64 of 200 bytes, then e; d is not read here
    assert sorted(models[0].reads) == [(1000, 1064), (1064, 1128), (1128, 1192), (1192, 1200), (2700, 2710)]


def test_the_next_batch_comes_while_one_is_computed_and_no_more():
    models = [Remote(0)]
    tensors = [tensor(name, 0) for name in "abcd"]
    batches = [batch for name in tensors for batch in batches_of([name], models, 1000)]
    seen = []
    with reading_ahead(batches, models) as ahead:
        for made, given in ahead:
            seen.append(given)
            wait_for(lambda: len(models[0].reads) == min(len(seen) + 1, 4))
            assert {item.tensor for item in given} == {made.name}
            assert all(not earlier for earlier in seen[:-1])  # what was computed is let go of
    assert len(models[0].reads) == 4


def wait_for(condition):
    for _ in range(200):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen")


def test_an_error_ends_it_and_the_rest_is_never_asked_for():
    class Broken(Remote):
        def read(self, tensor, begin, out):
            super().read(tensor, begin, out)
            if tensor.name == "b":
                raise HubError("cut")

    models = [Broken(0)]
    batches = [batch for name in "abc" for batch in batches_of([tensor(name, 0)], models, 1000)]
    with pytest.raises(HubError, match="cut"), reading_ahead(batches, models) as ahead:
        assert [made.name for made, _ in ahead] == ["a"]
    assert max(models[0].reads)[0] < 1160  # c was not read


def test_leaving_early_waits_for_what_is_under_way():
    begun, gate, done = threading.Event(), threading.Event(), []

    class Slow(Remote):
        def read(self, tensor, begin, out):
            if tensor.name == "b":
                begun.set()
                gate.wait(5)
            super().read(tensor, begin, out)
            done.append(tensor.name)

    models = [Slow(0)]
    batches = [batch for name in "abc" for batch in batches_of([tensor(name, 0)], models, 1000)]
    with reading_ahead(batches, models) as ahead:
        next(ahead)
        assert begun.wait(5)
        threading.Timer(0.05, gate.set).start()
    assert done == ["a", "b"]
