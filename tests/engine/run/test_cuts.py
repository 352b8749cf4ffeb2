"""The exact cut of a selection by size, against a full sort."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from engine.methods.contract import CUTS_SWEEPS, Cut, Cuts
from engine.run import brackets
from engine.run import cuts as module
from engine.run.chunks import TensorChunk
from engine.run.cuts import find_cuts

SPAN, CHUNK = 8192, 4096


def sweep_over(values, counter=None):
    """Spans of a tensor, each in chunks, in threads; as the engine does it, on a small scale."""

    def chunks(begin):
        for start in range(begin, min(begin + SPAN, values.numel()), CHUNK):
            yield TensorChunk(start, (values[start : min(start + CHUNK, begin + SPAN)],), None, ())

    class Sweep:
        def over(self, function, only=None, *, single=False):
            if counter is not None and only is None:
                counter.append(1)
            starts = list(range(0, values.numel(), SPAN))
            with ThreadPoolExecutor(2) as pool:
                chosen = starts if only is None else [starts[number] for number in only]
                return list(pool.map(lambda b: function(chunks(b)), chosen))

        def deal(self, function, items):
            return map(function, items)

    return Sweep()


def selected(values, keep, counter=None):
    measure = Cuts(lambda chunk, _: (chunk.models[0].abs(),), (keep,))
    (cut,) = find_cuts(measure, sweep_over(values, counter), values.numel(), -(-values.numel() // SPAN))
    return cut.selects(values.abs(), cut.last + 1).nonzero().squeeze(1).tolist()


def by_sorting(values, keep):
    """Larger first, then the lower flat index."""
    return sorted(sorted(range(values.numel()), key=lambda i: (-abs(float(values[i])), i))[:keep])


def tensors():
    generator = torch.Generator().manual_seed(3)
    normal = torch.randn(9_000, dtype=torch.float64, generator=generator)
    coarse = normal.to(torch.bfloat16).double()
    few = torch.randint(-3, 4, (9_000,), generator=generator).double()
    return {
        "normal": normal,
        "coarse": coarse,
        "few values": few,
        "all equal": torch.full((9_000,), -0.25, dtype=torch.float64),
        "zeros": torch.zeros(9_000, dtype=torch.float64),
        "mostly zeros": torch.where(torch.arange(9_000) % 97 == 0, normal, 0.0),
        "subnormal": normal * 2.0**-1060,
        "huge": normal * 2.0**1000,
        "one": torch.tensor([-3.0], dtype=torch.float64),
    }


@pytest.mark.parametrize("bracketed", [0, 64, 2**21])
@pytest.mark.parametrize("collected", [1, 64, 2**18])
@pytest.mark.parametrize("many", [0, 64])
@pytest.mark.parametrize("name", tensors())
def test_selects_exactly_what_sorting_does(name, many, collected, bracketed, monkeypatch):
    monkeypatch.setattr(module, "COLLECTED", collected)
    monkeypatch.setattr(brackets, "COLLECTED", bracketed)
    monkeypatch.setattr(brackets, "MANY", many)
    values = tensors()[name]
    size = values.numel()
    for keep in sorted({1, min(2, size), max(1, size // 3), max(1, int(0.53 * size)), max(1, size - 1), size}):
        assert selected(values, keep) == by_sorting(values, keep)


def test_reads_a_tensor_at_most_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr(module, "COLLECTED", 1)
    monkeypatch.setattr(brackets, "COLLECTED", 0)
    for values in tensors().values():
        counter = []
        selected(values, max(1, values.numel() // 2), counter)
        assert len(counter) <= CUTS_SWEEPS


@pytest.mark.parametrize("name", ["normal", "coarse", "huge", "subnormal"])
def test_an_ordinary_cut_takes_one_sweep(name, monkeypatch):
    monkeypatch.setattr(module, "COLLECTED", 1)
    counter = []
    selected(tensors()[name], 4_770, counter)
    assert len(counter) == 1


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_what_is_no_number_counts_as_the_largest(odd, monkeypatch):
    monkeypatch.setattr(module, "COLLECTED", 1)
    values = tensors()["normal"]
    values[7_000] = odd
    measure = Cuts(lambda chunk, _: (chunk.models[0].abs(),), (2,))
    (cut,) = find_cuts(measure, sweep_over(values), 9_000, 2)
    rest = values.clone()
    rest[7_000] = 0.0
    assert cut.value == float(rest.abs().max())


def test_several_cuts_at_once():
    values = tensors()["coarse"]
    measure = Cuts(lambda chunk, which: [(chunk.models[0] * (1, 3)[i]).abs() for i in which], (5, 7000))
    one, two = find_cuts(measure, sweep_over(values), values.numel(), -(-values.numel() // SPAN))
    assert one.selects(values.abs(), one.last + 1).nonzero().squeeze(1).tolist() == by_sorting(values, 5)
    assert two.selects((values * 3).abs(), two.last + 1).nonzero().squeeze(1).tolist() == by_sorting(values * 3, 7000)


def sweep_over_stored(base, model):
    """As ``sweep_over``, of a task vector of what is stored, in as few bits where that is asked for."""
    looked = base.dtype if base.dtype == model.dtype else torch.float32

    def difference(dtype, part):
        return model[part].to(dtype) - base[part].to(dtype)

    def chunks(begin, single):
        def exact(indices):
            return TensorChunk(begin, (difference(torch.float64, indices),), None, ())

        for start in range(begin, min(begin + SPAN, base.numel()), CHUNK):
            part = slice(start, min(start + CHUNK, begin + SPAN))
            yield TensorChunk(
                start,
                (difference(looked if single else torch.float64, part),),
                None,
                (),
                exact=exact if single else None,
            )

    class Sweep:
        def over(self, function, only=None, *, single=False):
            starts = list(range(0, base.numel(), SPAN))
            asked.append((only, single))
            chosen = starts if only is None else [starts[number] for number in only]
            return [function(chunks(begin, single)) for begin in chosen]

        def deal(self, function, items):
            return map(function, items)

    asked: list[tuple[list[int] | None, bool]] = []
    return Sweep(), asked


def stored():
    """Pairs of base and model: differences that float32 rounds, or cannot tell apart, or finds on a coarse grid."""
    generator = torch.Generator().manual_seed(7)
    base = torch.randn(9_000, generator=generator).to(torch.bfloat16)
    ones = torch.ones(9_000, dtype=torch.bfloat16)
    steps = (torch.arange(9_000) * 7 % 256).to(torch.bfloat16)
    return {
        "tuned": (base, (base.float() + 0.1 * torch.randn(9_000, generator=generator)).to(torch.bfloat16)),
        "far apart": (base, (torch.randn(9_000, generator=generator) * 2.0**9).to(torch.bfloat16)),
        "equal in float32": (steps * 2.0**-40, ones),
        "nearly equal in float32": (steps * 2.0**-29, ones),
        "not exact in float64 either": (steps * 2.0**-60, ones),
        "float32": (torch.randn(9_000, generator=generator), torch.randn(9_000, generator=generator)),
        "float16": (
            torch.randn(9_000, generator=generator).to(torch.float16),
            (torch.randn(9_000, generator=generator) * 2.0**-12).to(torch.float16),
        ),
        "two kinds": (base, torch.randn(9_000, generator=generator)),
        "next to float32's neighbours": (steps.float() * 2.0**-31, ones.float()),
    }


@pytest.mark.parametrize("name", stored())
def test_as_few_bits_find_the_same_cuts(name, monkeypatch):
    monkeypatch.setattr(module, "COLLECTED", 1)
    base, model = stored()[name]
    values = model.double() - base.double()
    measure = Cuts(lambda chunk, _: (chunk.models[0].abs(),), (0,), plain=True)
    for keep in (1, 2, 90, 3_000, 4_770, 8_999, 9_000):
        sweep, asked = sweep_over_stored(base, model)
        (cut,) = find_cuts(replace(measure, keep=(keep,)), sweep, 9_000, 2)
        assert cut.selects(values.abs(), cut.last + 1).nonzero().squeeze(1).tolist() == by_sorting(values, keep)
        assert (None, True) in asked
        if cut.single:
            single, last = Cut(cut.value, cut.last), cut.last + 1
            assert torch.equal(single.kept(model.float() - base.float(), last) != 0, single.kept(values, last) != 0)


@pytest.mark.parametrize(("size", "single"), [(1.0, True), (2.0**120, False)])
def test_float32_cannot_tell_what_it_does_not_hold(size, single, monkeypatch):
    """Differences beyond its largest number, as those of two large numbers of bfloat16 may be."""
    monkeypatch.setattr(module, "COLLECTED", 1)
    base = -(torch.arange(1, 9_001) * size * 2.0**-8).to(torch.bfloat16)
    sweep, _ = sweep_over_stored(base, -base)
    (cut,) = find_cuts(Cuts(lambda chunk, _: (chunk.models[0].abs(),), (10,), plain=True), sweep, 9_000, 2)
    assert cut.single is single


def test_elements_up_to_an_index():
    values = (torch.zeros(5, dtype=torch.float64),)
    run = TensorChunk(100, values, None, ())
    assert [run.upto(index) for index in (0, 99, 100, 102, 104, 105, 1000)] == [0, 0, 1, 3, 5, 5, 5]
    scattered = TensorChunk(100, values, None, (), places=torch.tensor([0, 3, 4, 9, 20]))
    assert [scattered.upto(index) for index in (99, 100, 102, 103, 104, 109, 119, 120)] == [0, 1, 1, 2, 3, 4, 4, 5]


def test_float32_tells_a_cut_that_nothing_else_rounds_to(monkeypatch):
    monkeypatch.setattr(module, "COLLECTED", 1)
    # 1 - 2⁻³⁰ and 1 - 2⁻³¹ are both 1 in float32, and so one cannot be told from the other.
    told = {}
    for name, small in {"apart": 2.0**-20, "close": 2.0**-30}.items():
        base = torch.tensor([small, small / 2] * 500, dtype=torch.float32)
        sweep, _ = sweep_over_stored(base, torch.ones(1000))
        measure = Cuts(lambda chunk, _: (chunk.models[0].abs(),), (700,), plain=True)
        (cut,) = find_cuts(measure, sweep, 1000, 1)
        told[name] = (cut.value, cut.last, cut.single)
    # The 500 nearer to one come first, then 200 of the others: at places 0, 2, … 398.
    assert told == {"apart": (1 - 2.0**-20, 398, True), "close": (1 - 2.0**-30, 398, False)}


def test_an_ordinary_cut_takes_one_sweep_in_few_bits(monkeypatch):
    monkeypatch.setattr(module, "COLLECTED", 1)
    sweep, asked = sweep_over_stored(*stored()["tuned"])
    find_cuts(Cuts(lambda chunk, _: (chunk.models[0].abs(),), (4_770,), plain=True), sweep, 9_000, 2)
    assert [single for only, single in asked if only is None] == [True]
    assert all(single for _, single in asked)
