"""Inner products, and lengths of combinations, also where these cancel."""

from __future__ import annotations

import math

import pytest
from by_hand import WholeChunk, measured

from engine.methods.contract import NoResultError, Sums
from engine.methods.gram import Gram
from engine.methods.gram import measured as gram_of

MODELS = [[1.0, 2.0], [3.0, -4.0], [0.5, 0.25]]
GRAM = Gram(((5.0, -5.0, 1.0), (-5.0, 25.0, 0.5), (1.0, 0.5, 0.3125)))


def result_of(steps, models):
    """Run the steps over whole models; gives the result, and how often they measured."""
    chunk, answer, count = WholeChunk(models, None), None, 0
    try:
        while True:
            measure = steps.send(answer)
            assert isinstance(measure, Sums)
            answer, count = measured(measure, chunk, 1), count + 1
    except StopIteration as stop:
        return stop.value, count


def test_all_pairs():
    assert result_of(gram_of(3), MODELS) == (GRAM, 1)


def test_norms_and_products():
    assert GRAM.norms == pytest.approx([math.sqrt(5), 5.0, math.sqrt(0.3125)], rel=1e-15)
    # 2·(1, 2) - (3, -4) = (-1, 8), with (0.5, 0.25)
    assert GRAM.with_input(2, [2.0, -1.0, 0.0]) == 1.5
    assert GRAM.square([2.0, -1.0, 0.0]) == 65.0


def test_a_square_is_never_negative():
    assert Gram(((1.0, -1.0 - 2**-52), (-1.0 - 2**-52, 1.0))).square([1.0, 1.0]) == 0.0


def test_a_length_needs_no_pass_of_its_own():
    assert result_of(GRAM.length([2.0, -1.0, 0.0]), MODELS) == (math.sqrt(65.0), 0)
    assert result_of(GRAM.length([0.0, 0.0, 0.0]), MODELS) == (0.0, 0)


def test_but_where_inputs_cancel_it_has_one():
    # What is left of (1, 1e-9) - (1, 0) is far below the last digit of the products.
    models = [[1.0, 1e-9], [1.0, 0.0]]
    gram, _ = result_of(gram_of(2), models)
    assert gram == Gram(((1.0, 1.0), (1.0, 1.0)))
    assert result_of(gram.length([3.0, -3.0]), models) == (pytest.approx(3e-9, rel=1e-15), 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e200])
def test_a_norm_that_is_not_finite_is_an_error(value):
    with pytest.raises(NoResultError) as caught:
        result_of(gram_of(2), [[1.0, value], [1.0, 0.0]])
    assert str(caught.value) == (
        "the norm of a model's tensor is not finite; a parent is damaged there, or its values are too large to be "
        "merged; check the parents' weights"
    )
