"""Which process computes which tensor."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from engine.plan.plan import Input, Mixture, OutputTensor
from engine.run import sharing as module
from engine.run.sharing import Sharing, held_together
from engine.run.workers import Workers


@dataclass
class Crew:
    """A process that notes who was waited for."""

    number: int
    count: int = 2
    waited: list[int] = field(default_factory=list)

    def done_by(self, number):
        self.waited.append(number)


@dataclass
class Model:
    remote: bool


LOCAL, REMOTE = 0, 1
MODELS = [Model(remote=False), Model(remote=True)]


def tensor(size, model=LOCAL, reading="hold"):
    source = Input(model, "x", "uint8", size)
    return OutputTensor("x", "uint8", (size,), None, Mixture("", "x", 0, "linear", None, (source,), {}, ()), reading)


@pytest.fixture(autouse=True)
def _small_spans(monkeypatch):
    monkeypatch.setattr(module, "SPAN", 100)


def whoever(crew, workers, tensors, given=()):
    """Who computes each of these, by the crew member that is asked: all, its leader's threads, itself, or nobody."""
    sharing, names = Sharing(crew, workers, MODELS), []
    for one in tensors:
        with sharing.of(one, given) as who:
            name = "all" if who is crew else "threads" if who is workers else "itself"
            names.append("nobody" if who is None else name)
    return names


def test_large_tensors_are_shared_and_small_ones_dealt_to_who_has_least_to_do():
    tensors = [tensor(101), tensor(60), tensor(40), tensor(30), tensor(100)]
    for number, expected in (
        # 60 to the second process, 40 and then 30 to the first, which has 70 now; 100 to the second, which had 60
        (0, ["all", "nobody", "itself", "itself", "nobody"]),
        (1, ["all", "itself", "nobody", "nobody", "itself"]),
    ):
        crew = Crew(number)
        assert whoever(crew, Workers(2), tensors) == expected
        assert crew.waited == [1, 0, 0, 1]


def test_what_is_asked_of_the_hub_the_leader_asks():
    tensors = [tensor(500, REMOTE), tensor(50, REMOTE)]
    assert whoever(Crew(0), Workers(2), tensors) == ["threads", "threads"]
    assert whoever(Crew(1), Workers(2), tensors) == ["nobody", "nobody"]
    given = {Input(REMOTE, "x", "uint8", size) for size in (500, 50)}
    assert whoever(Crew(1), Workers(2), tensors, given) == ["all", "itself"]


def test_one_process_leaves_all_to_its_threads():
    crew = Crew(0, count=1)
    assert whoever(crew, Workers(2), [tensor(500), tensor(50)]) == ["threads", "threads"]
    assert crew.waited == []


def test_what_is_held_together_is_the_largest_that_is_held_and_shared():
    assert held_together([tensor(99), tensor(120), tensor(300, reading="stream"), tensor(110)]) == 120
    assert held_together([tensor(99), tensor(300, reading="again")]) == 0
