"""Recipes of every method over base, one and two, each with its formula evaluated on whole float64 tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import reference

from engine.run.streams import bernoulli, stream_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

MODELS = ("base", "one", "two")
"""What ``$base``, ``$one`` and ``$two`` stand for."""


@dataclass(frozen=True)
class Case:
    """A recipe and its formula.

    ``local`` if a bad element of a parent shows in that element of the result alone. ``slack`` is the relative error
    that factors have in float64: a formula's value that is no further from a midpoint may be rounded either way.
    """

    recipe: str
    expected: Callable[[str, Mapping[str, Mapping[str, Tensor]]], Tensor]
    local: bool = True
    slack: float = 0.0


def task(**options):
    """The formula of a task-vector method over base, one and two."""
    weights = options.pop("weights")
    thinned = options.pop("thin", lambda _name: lambda _source, delta: delta)

    def expected(name, models):
        base, one, two = (models[m][name] for m in MODELS)
        return reference.task_vectors(base, [one, two], weights, thinned(name), **options)

    return expected


def dare(density: float, seed: int):
    def thin(name):
        # Which elements are dropped is the random stream's; what is made of them is the formula's.
        def drop(source, delta):
            kept = bernoulli(stream_key(seed, "", name, source), density, 0, delta.numel()).view(delta.shape)
            return delta * kept / density

        return drop

    return thin


def largest(density: float):
    def trim(_source, delta):
        return reference.largest(delta, density) if delta.numel() else delta

    return lambda _name: trim


def merged_slerp(t: float):
    def expected(name, models):
        base, one = models["base"][name], models["one"][name]
        return reference.slerp(base, one, t) if base.numel() else base.double()

    return expected


def task_recipe(method: str, parameters: str = "", more: str = "") -> str:
    return f"""
merge_method: {method}
base_model: $base
parameters: {{{parameters}}}
models:
  - model: $base
  - {{model: $one, parameters: {{weight: 0.7{more}}}}}
  - {{model: $two, parameters: {{weight: -0.4{more}}}}}
"""


CASES = {
    "linear": Case(
        "merge_method: linear\nmodels:\n"
        "  - {model: $base, parameters: {weight: 0.3}}\n"
        "  - {model: $one, parameters: {weight: 0.9}}\n"
        "  - {model: $two, parameters: {weight: 0.5}}\n",
        lambda name, m: reference.linear([m[k][name] for k in MODELS], [0.3, 0.9, 0.5]),
    ),
    "linear as it is": Case(
        "merge_method: linear\nparameters: {normalize: false}\nmodels:\n"
        "  - {model: $base, parameters: {weight: 0.3}}\n"
        "  - {model: $two, parameters: {weight: -0.6}}\n",
        lambda name, m: reference.linear([m[k][name] for k in ("base", "two")], [0.3, -0.6], normalize=False),
    ),
    "slerp": Case(
        "merge_method: slerp\nbase_model: $base\nparameters: {t: 0.3}\nmodels:\n  - model: $base\n  - model: $one\n",
        merged_slerp(0.3),
    ),
    "task_arithmetic": Case(task_recipe("task_arithmetic", "lambda: 0.8"), task(weights=[0.7, -0.4], scale=0.8)),
    "ties": Case(
        task_recipe("ties", more=", density: 0.4"),
        task(weights=[0.7, -0.4], thin=largest(0.4), consensus=True, normalize=True),
    ),
    "dare_linear": Case(
        task_recipe("dare_linear", more=", density: 0.6") + "seed: 5\n",
        task(weights=[0.7, -0.4], thin=dare(0.6, 5)),
    ),
    "dare_ties": Case(
        task_recipe("dare_ties", "normalize: true", ", density: 0.53"),
        task(weights=[0.7, -0.4], thin=dare(0.53, 0), consensus=True, normalize=True),
    ),
    "passthrough": Case(
        "merge_method: passthrough\nslices:\n  - sources:\n"
        "      - {model: $two, layer_range: [0, 1], parameters: {scale: 1.3}}\n",
        lambda name, m: m["two"][name].double() * 1.3,
    ),
}
