"""Recipes of breadcrumbs, breadcrumbs_ties, della and della_linear over base, one and two, with their formulas."""

from __future__ import annotations

import reference_thinned as reference
import torch
from cases import Case, task, task_recipe

from engine.run.streams import bernoulli, stream_key

WEIGHTS = [0.7, -0.4]
"""Those of ``task_recipe``."""


def band(density: float, gamma: float, *, rescale: bool = False):
    def thin(_source, delta):
        if not delta.numel():
            return delta
        kept = reference.without_outliers(delta, density, gamma)
        return reference.restored(delta, kept) if rescale else kept

    return lambda _name: thin


def ranked(density: float, epsilon: float, seed: int, *, by_norm: bool = False):
    def thin(name):
        # Which elements are dropped is the random stream's; with which probability is the formula's.
        def drop(source, delta):
            if not delta.numel():
                return delta
            p = reference.probabilities(delta, density, epsilon)
            drawn = bernoulli(stream_key(seed, "", name, source), p.flatten(), 0, p.numel()).view(p.shape)
            kept = delta * drawn
            return reference.restored(delta, kept) if by_norm else torch.where(drawn == 1, kept / p, 0.0)

        return drop

    return thin


CASES = {
    "breadcrumbs": Case(
        task_recipe("breadcrumbs", more=", density: 0.6, gamma: 0.1"),
        task(weights=WEIGHTS, thin=band(0.6, 0.1)),
        local=False,
    ),
    "breadcrumbs by norm": Case(
        task_recipe("breadcrumbs", "rescale: true", ", density: 0.9, gamma: 0.3"),
        task(weights=WEIGHTS, thin=band(0.9, 0.3, rescale=True)),
        local=False,
        slack=2.0**-50,
    ),
    "breadcrumbs_ties": Case(
        task_recipe("breadcrumbs_ties", "normalize: true, lambda: 1.1", ", density: 0.5"),
        task(weights=WEIGHTS, thin=band(0.5, 0.01), consensus=True, normalize=True, scale=1.1),
        local=False,
    ),
    "della": Case(
        task_recipe("della", more=", density: 0.6, epsilon: 0.3") + "seed: 3\n",
        task(weights=WEIGHTS, thin=ranked(0.6, 0.3, 3), consensus=True, normalize=True),
    ),
    "della_linear": Case(
        task_recipe("della_linear", more=", density: 0.9"), task(weights=WEIGHTS, thin=ranked(0.9, 0.15, 0))
    ),
    "della_linear by norm": Case(
        task_recipe("della_linear", "rescale_norm: l1", ", density: 0.4, epsilon: 0.1"),
        task(weights=WEIGHTS, thin=ranked(0.4, 0.1, 0, by_norm=True)),
        local=False,
        slack=2.0**-50,
    ),
}
