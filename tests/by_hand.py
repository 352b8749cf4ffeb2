"""Runs a method on plain lists, its measures by their definition: for values that are worked out by hand."""

from __future__ import annotations

import math

import torch

from engine.methods import METHODS
from engine.methods.contract import Columns, Cut, Mix, Rows, Sums


class WholeChunk:
    """All elements of a tensor at once, as flat float64 tensors."""

    start = 0

    def __init__(self, models, base, keeps=()):
        self.models = tuple(torch.tensor(model, dtype=torch.float64).flatten() for model in models)
        self.base = None if base is None else torch.tensor(base, dtype=torch.float64).flatten()
        self._keeps = keeps
        self.probabilities = []

    def upto(self, index):
        return min(max(index + 1, 0), self.models[0].numel())

    def bernoulli(self, source, probability):
        """Say what the test keeps, and note with which probability the method asked."""
        self.probabilities.append(probability.tolist() if isinstance(probability, torch.Tensor) else probability)
        return torch.tensor(self._keeps[source], dtype=torch.float64).flatten()


def measured(measure, chunk, row):
    """Measure by the definition: sums in Python, cuts by a full sort."""
    if isinstance(measure, Sums):
        return tuple(math.fsum(term.tolist()) for term in measure.terms(chunk))
    if isinstance(measure, Rows):
        return measure.values(chunk)
    if isinstance(measure, Columns):
        columns = [zip(*term.view(-1, row).tolist(), strict=True) for term in measure.terms(chunk)]
        return tuple(torch.tensor([math.fsum(c) for c in each], dtype=torch.float64) for each in columns)
    cuts = []
    for magnitudes, keep in zip(measure.magnitudes(chunk, range(len(measure.keep))), measure.keep, strict=True):
        order = sorted(range(magnitudes.numel()), key=lambda i: (-float(magnitudes[i]), i))
        cuts.append(Cut(float(magnitudes[order[keep - 1]]), order[keep - 1]))
    return tuple(cuts)


def merged(name, models, base=None, sources=None, keeps=(), **parameters):
    """Merge lists (nested, for a tensor of more than one dimension); flat values of the result."""
    return merging(name, models, base, sources, keeps, **parameters)[0]


def merging(name, models, base=None, sources=None, keeps=(), **parameters):
    """Merge as ``merged`` does; also gives the probabilities that the method drew with."""
    method = METHODS[name]
    tensors = [torch.tensor(model, dtype=torch.float64) for model in models]
    if method.inputs.task_vectors and base is not None:
        models = [(tensor - torch.tensor(base, dtype=torch.float64)).tolist() for tensor in tensors]
    sources = sources if sources is not None else [{} for _ in models]
    mix = Mix(
        tuple(tensors[0].shape),
        tuple(method.source_parameters(**source) for source in sources),
        method.parameters(**parameters),
        base is not None,
    )
    chunk = WholeChunk(models, base, keeps)
    steps, count = method.steps(mix), 0
    try:
        measure = next(steps)
        while True:
            count += 1
            measure = steps.send(measured(measure, chunk, method.row(mix)))
    except StopIteration as stop:
        assert (count == 0) == (method.sweeps(mix) == 0)
        return stop.value(chunk).tolist(), chunk.probabilities
