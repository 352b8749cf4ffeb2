"""The exact cut of a selection by size, against a full sort."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from engine.methods.contract import CUTS_SWEEPS, Cuts
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

    def sweep(function, only=None):
        if counter is not None and only is None:
            counter.append(1)
        starts = list(range(0, values.numel(), SPAN))
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda b: function(chunks(b)), starts if only is None else [starts[only]]))

    return sweep


def selected(values, keep, counter=None):
    measure = Cuts(lambda chunk: (chunk.models[0].abs(),), (keep,))
    (cut,) = find_cuts(measure, sweep_over(values, counter), values.numel(), -(-values.numel() // SPAN))
    return cut.selects(values.abs(), 0).nonzero().squeeze(1).tolist()


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
@pytest.mark.parametrize("name", tensors())
def test_selects_exactly_what_sorting_does(name, collected, bracketed, monkeypatch):
    monkeypatch.setattr(module, "COLLECTED", collected)
    monkeypatch.setattr(brackets, "COLLECTED", bracketed)
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
    measure = Cuts(lambda chunk: (chunk.models[0].abs(),), (2,))
    (cut,) = find_cuts(measure, sweep_over(values), 9_000, 2)
    rest = values.clone()
    rest[7_000] = 0.0
    assert cut.value == float(rest.abs().max())


def test_several_cuts_at_once():
    values = tensors()["coarse"]
    measure = Cuts(lambda chunk: (chunk.models[0].abs(), (chunk.models[0] * 3).abs()), (5, 7000))
    one, two = find_cuts(measure, sweep_over(values), values.numel(), -(-values.numel() // SPAN))
    assert one.selects(values.abs(), 0).nonzero().squeeze(1).tolist() == by_sorting(values, 5)
    assert two.selects((values * 3).abs(), 0).nonzero().squeeze(1).tolist() == by_sorting(values * 3, 7000)
