"""Sums of thinned task vectors in float32: how far off they are, by rational arithmetic, and what is in doubt."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.methods import METHODS
from engine.methods.contract import Cut, Estimated, Mix, Stored
from engine.methods.single import WITHIN, estimate_of_consensus, estimate_of_sum
from engine.run.chunks import TensorChunk

SMALL = st.floats(-4.0, 4.0, width=16)
TINY = st.sampled_from([0.0, -0.0, 2.0**-133, -(2.0**-133), 3 * 2.0**-133, 2.0**-126, 1.0, -1.0, 0.25])
"""Small numbers of bfloat16, and some others."""
WEIGHTS = st.floats(2.0**-10, 8.0) | st.sampled_from([0.5, 1.0])


def stored(base: list[float], models: list[list[float]]) -> Stored:
    operands = tuple(torch.tensor(values) for values in (base, *models))

    def chunk() -> TensorChunk:
        deltas = tuple(model - operands[0] for model in operands[1:])
        return TensorChunk(0, deltas, operands[0], (), dtype=torch.float32)

    return Stored(operands, chunk)


def everything(chunk):
    return list(chunk.models)


def lists(data, kind, count):
    return [data.draw(st.lists(kind, min_size=6, max_size=6)) for _ in range(count)]


def consensus(base, deltas, weights, scale, *, normalize):
    """By the formula, in exact numbers; and what the other sign would have given."""
    results = []
    total = sum(w * d for w, d in zip(weights, deltas, strict=True))
    for sign in (1, -1) if total >= 0 else (-1, 1):
        agreeing = [(w, d) for w, d in zip(weights, deltas, strict=True) if d * sign > 0]
        summed = sum((w * d for w, d in agreeing), Fraction(0))
        divisor = sum(w for w, _ in agreeing) if normalize and agreeing else 1
        results.append(base + scale * summed / divisor)
    return results


@given(st.data(), st.sampled_from([SMALL, TINY]), st.integers(1, 4), st.booleans(), st.floats(-3.0, 3.0))
def test_consensus_is_within_the_error_or_in_doubt(data, kind, count, normalize, scale):
    weights = data.draw(st.lists(WEIGHTS, min_size=count, max_size=count))
    base, *models = lists(data, kind, count + 1)
    estimate = estimate_of_consensus(everything, weights, scale, normalize=normalize)(stored(base, models))
    assert estimate.doubt is not None
    for place in range(6):
        own = Fraction(base[place])
        deltas = [Fraction(model[place]) - own for model in models]
        exact = [Fraction(w) for w in weights]
        true, other = consensus(own, deltas, exact, Fraction(scale), normalize=normalize)
        near = abs(sum(w * d for w, d in zip(exact, deltas, strict=True))) < Fraction(2) ** -50 * max(map(abs, deltas))
        wanted = [true, other] if near else [true]  # float64 may elect either
        value, doubt = Fraction(float(estimate.values[place])), float(estimate.doubt[place])
        room = 2 * Fraction(2) ** -24 * (abs(value) + Fraction(estimate.error))
        far = max(abs(value - one) for one in wanted) + room > Fraction(estimate.error)
        assert not far or doubt > 0.0
        assert doubt > 0.0 or abs(true) <= Fraction(estimate.largest)


@given(st.data(), st.sampled_from([SMALL, TINY]), st.integers(1, 4), st.floats(-3.0, 3.0))
def test_a_sum_is_within_the_error(data, kind, count, scale):
    weights = data.draw(st.lists(st.floats(-4.0, 4.0), min_size=count, max_size=count))
    base, *models = lists(data, kind, count + 1)
    estimate = estimate_of_sum(everything, weights, scale)(stored(base, models))
    assert estimate.doubt is None
    for place in range(6):
        own = Fraction(base[place])
        summed = sum(Fraction(w) * (Fraction(m[place]) - own) for w, m in zip(weights, models, strict=True))
        true, value = own + Fraction(scale) * summed, Fraction(float(estimate.values[place]))
        room = 2 * Fraction(2) ** -24 * (abs(value) + Fraction(estimate.error))
        assert abs(value - true) + room <= Fraction(estimate.error)
        assert abs(true) <= Fraction(estimate.largest)


def drawn(seed: int, low: float, high: float, count: int) -> list[float]:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(count, dtype=torch.float64, generator=generator) * (high - low) + low).tolist()


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("least", [0.3, 2.0**-9])
@pytest.mark.parametrize("seed", range(20))
def test_the_error_is_that_of_the_sum_where_the_base_cancels_it(seed, least, normalize):
    """What is left is rounding alone, and nothing larger covers for it. It is not overdone either."""
    weights = drawn(seed, least, 1.1 * least, 3)
    deltas = torch.tensor(drawn(100 + seed, 0.5, 1.0, 3)).tolist()
    exact = [(Fraction(w), Fraction(d)) for w, d in zip(weights, deltas, strict=True)]
    summed = sum(w * d for w, d in exact) / (sum(w for w, _ in exact) if normalize else 1)
    base = torch.tensor([-float(summed)])
    chunk = TensorChunk(0, tuple(torch.tensor([delta]) for delta in deltas), base, (), dtype=torch.float32)
    given = Stored((base,), lambda: chunk)
    told = estimate_of_consensus(everything, weights, 1.0, normalize=normalize)(given)
    off = abs(Fraction(float(told.values[0])) - (summed + Fraction(float(base[0]))))
    assert off <= Fraction(told.error)
    assert told.error <= 120 * 2.0**-24 * float(summed)
    if not normalize:
        chunk = TensorChunk(0, tuple(torch.tensor([delta]) for delta in deltas), base, (), dtype=torch.float32)
        told = estimate_of_sum(everything, weights, 1.0)(Stored((base,), lambda: chunk))
        off = abs(Fraction(float(told.values[0])) - (summed + Fraction(float(base[0]))))
        assert off <= Fraction(told.error)
        assert told.error <= 25 * 2.0**-24 * float(summed)


def test_a_sign_that_float32_gets_wrong_is_in_doubt():
    """The second task vector nearly cancels the first; what is left is smaller than float32's roundings."""
    first, second = drawn(1, 0.1, 1.0, 400), drawn(2, 0.1, 1.0, 400)
    wrong = 0
    for one, two in zip(first, second, strict=True):
        ratio = float(torch.tensor(one / two))
        told = estimate_of_consensus(everything, [one, two], 1.0, normalize=False)(stored([0.0], [[1.0], [-ratio]]))
        positive = Fraction(one) - Fraction(two) * Fraction(ratio) >= 0
        assert float(told.doubt[0]) > 0.0
        wrong += (float(told.values[0]) > 0) is not positive
    assert wrong > 20


def test_values_by_hand():
    """Of task vectors (3, -1), (-1, 2) and (2, -4): what has the sign of the weighted sum, 4·3 - 1 + 2, and 0."""
    given = stored([1.0, 0.0], [[4.0, -1.0], [0.0, 2.0], [3.0, -4.0]])
    told = estimate_of_consensus(everything, [4.0, 1.0, 1.0], 0.5, normalize=False)(given)
    # 1 + 0.5·(4·3 + 2) and 0.5·(-4·1 - 4)
    assert told.values.tolist() == [8.0, -4.0]
    assert told.doubt.tolist() == [0.0, 0.0]
    told = estimate_of_consensus(everything, [4.0, 1.0, 1.0], 0.5, normalize=True)(given)
    assert told.values.tolist() == pytest.approx([1 + 0.5 * 14 / 5, -0.5 * 8 / 5], rel=1e-6)
    assert estimate_of_sum(everything, [4.0, 1.0, 1.0], 0.5)(given).values.tolist() == [7.5, -3.0]


def test_a_sum_that_cancels_is_in_doubt_and_zeros_are_not():
    told = estimate_of_consensus(everything, [0.5, 0.5], 1.0, normalize=True)(
        stored([0.0, 0.0, 1.0], [[3.0, 0.0, 2.0], [-3.0, -0.0, 1.5]])
    )
    assert [one > 0 for one in told.doubt.tolist()] == [True, False, False]
    assert told.values.tolist()[1:] == [0.0, 1.75]


def blend(name, weights, cut=None, **parameters):
    method = METHODS[name]
    more = {"gamma": 0.25} if name.startswith("breadcrumbs") else {}  # two cuts, of which the first one tells
    sources = tuple(method.source_parameters(weight=weight, density=0.5, **more) for weight in weights)
    steps = method.steps(Mix((8,), sources, method.parameters(**parameters), has_base=True))
    try:
        next(steps)
        steps.send([cut] * len(weights) if name == "ties" else [SINGLE, cut])
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it has one measure at most")


SINGLE, OTHER = Cut(1.0, 3, single=True), Cut(1.0, 3)


@pytest.mark.parametrize(
    ("name", "weights", "cut", "parameters", "told"),
    [
        ("ties", [0.5, 0.3], SINGLE, {}, True),
        ("ties", [0.5, 0.3], OTHER, {}, False),  # float32 would thin it out otherwise
        ("ties", [0.5, -0.3], SINGLE, {}, False),
        ("ties", [0.5, 1.0 / WITHIN], SINGLE, {}, False),
        ("ties", [0.5, 0.3], SINGLE, {"lambda": WITHIN}, False),
        ("ties", [0.5, 0.3], SINGLE, {"lambda": -1.0 / WITHIN}, False),
        ("ties", [0.5, 0.3], SINGLE, {"lambda": 0.0}, True),
        ("dare_linear", [0.5, 1e-44], None, {}, False),
        ("dare_linear", [0.5, 0.0], None, {}, True),
        ("dare_ties", [0.5, 0.3], None, {}, True),
        ("dare_linear", [0.5, -0.3], None, {}, True),
        ("dare_linear", [0.5, WITHIN], None, {}, False),
        ("dare_linear", [2 * WITHIN, WITHIN], None, {"normalize": True}, True),
        ("della", [0.5, 0.3], None, {}, False),  # the ranks of float32 may be others
        ("breadcrumbs", [0.5, -0.3], SINGLE, {}, True),
        ("breadcrumbs", [0.5, -0.3], OTHER, {}, False),
        ("breadcrumbs_ties", [0.5, 0.3], SINGLE, {}, True),
    ],
)
def test_what_is_estimated(name, weights, cut, parameters, told):
    if name.startswith("breadcrumbs"):
        weights = weights[:1]
    assert isinstance(blend(name, weights, cut, **parameters), Estimated) is told
