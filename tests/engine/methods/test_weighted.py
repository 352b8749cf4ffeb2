"""Weighted sums and how far off their estimates may be, against rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.methods.contract import Estimated, Stored
from engine.methods.weighted import estimate_of, of_base_and_models, of_models, of_task_vectors
from engine.run.chunks import TensorChunk

SMALL = st.floats(-4.0, 4.0, width=32)
WIDE = st.floats(-(2.0**90), 2.0**90, width=32)


def chunk_of(base: list[float] | None, *models: list[float]) -> TensorChunk:
    made = [torch.tensor(model, dtype=torch.float64) for model in models]
    return TensorChunk(0, tuple(made), None if base is None else torch.tensor(base, dtype=torch.float64), ())


def test_values_by_hand():
    assert of_models([0.5, 2.0])(chunk_of(None, [2.0, 4.0], [1.0, -1.0])).tolist() == [3.0, 0.0]
    assert of_base_and_models([0.5, 2.0])(chunk_of([2.0, 4.0], [1.0, -1.0])).tolist() == [3.0, 0.0]
    assert of_task_vectors([0.5, 2.0])(chunk_of([10.0], [2.0], [1.0])).tolist() == [13.0]
    assert of_task_vectors([0.5, 2.0], 3.0)(chunk_of([10.0], [2.0], [1.0])).tolist() == [19.0]


def stored(operands: list[list[float]]) -> Stored:
    return Stored(tuple(map(torch.tensor, operands)), lambda: pytest.fail("not asked"))


def single(blend: Estimated, *operands: list[float]):
    return blend.estimate(stored(list(operands)))


def test_estimates_by_hand():
    """Operands as they are stored: of task vectors, the base counts as often as the factors leave."""
    assert single(of_models([0.5, 2.0]), [2.0, 4.0], [1.0, -1.0]).values.tolist() == [3.0, 0.0]
    assert single(of_base_and_models([0.5, 2.0]), [2.0, 4.0], [1.0, -1.0]).values.tolist() == [3.0, 0.0]
    # 10 + 3·(0.5·(12 - 10) + 2·(11 - 10)) = 19
    assert single(of_task_vectors([0.5, 2.0], 3.0), [10.0], [12.0], [11.0]).values.tolist() == [19.0]


def test_the_error_by_hand():
    """Two terms of at most 0.5·4 and 2·1; sizes 1 + 2.5 times 4 + 1."""
    estimate = single(of_models([0.5, 2.0]), [2.0, -4.0], [1.0, 1.0])
    error = 6 * (4 * 2.0**-24 + 4 * 2.0**-53 * 3.5 * 5 + 6 * 2.0**-126)
    assert estimate.error == pytest.approx(error, rel=1e-12)
    assert estimate.largest == pytest.approx(4 + error, rel=1e-12)


@given(st.data(), st.sampled_from([SMALL, WIDE]), st.integers(1, 5))
def test_the_error_covers_what_is_rounded(data, kind, count):
    factors = data.draw(st.lists(st.floats(-3.0, 3.0), min_size=count, max_size=count))
    operands = [data.draw(st.lists(kind, min_size=4, max_size=4)) for _ in range(count)]
    estimate = estimate_of(factors)(stored(operands))
    for place in range(4):
        true = sum(Fraction(f) * Fraction(own[place]) for f, own in zip(factors, operands, strict=True))
        value = Fraction(float(estimate.values[place]))
        # Two roundings more are the caller's.
        room = 2 * Fraction(2) ** -24 * (abs(value) + 3 * Fraction(estimate.error))
        assert abs(value - true) + room <= Fraction(estimate.error)
        assert abs(true) <= Fraction(estimate.largest)


@given(st.lists(SMALL, min_size=3, max_size=3), st.lists(st.floats(-2.0, 2.0), min_size=2, max_size=2))
def test_estimates_of_task_vectors_cover_the_float64_value(values, factors):
    blend = of_task_vectors(factors, 1.25)
    base, *models = values
    exact = float(blend(chunk_of([base], *([model - base] for model in models)))[0])
    estimate = single(blend, *([value] for value in values))
    assert abs(float(estimate.values[0]) - exact) <= estimate.error * (1 - 2.0**-20)


@pytest.mark.parametrize("factor", [2.0**100, -(2.0**100), float("nan"), float("inf")])
def test_factors_that_float32_has_no_room_for_are_not_estimated(factor):
    assert not isinstance(of_models([0.5, factor]), Estimated)
    assert isinstance(of_models([0.5, 2.0**99]), Estimated)
