"""Each method's values, worked out by hand, on tensors of a few elements.

Every case fails when the result is negated, scaled or made constant: the expected values differ from one another,
from their negatives, and from every input.
"""

from __future__ import annotations

import math

import pytest
from by_hand import merged


def test_linear_divides_by_the_sum_of_weights():
    result = merged("linear", [[1.0, 2.0], [5.0, -6.0]], sources=[{"weight": 3.0}, {"weight": 1.0}])
    assert result == [2.0, 0.0]


def test_linear_without_normalize():
    result = merged("linear", [[1.0, 2.0], [5.0, -6.0]], sources=[{"weight": 3.0}, {"weight": 1.0}], normalize=False)
    assert result == [8.0, 0.0]


def test_slerp_at_a_right_angle():
    # θ = 90°: the factors are cos(t·90°) and sin(t·90°); t = 1/3 gives √3/2 and 1/2.
    result = merged("slerp", [[0.0, 4.0]], base=[2.0, 0.0], t=1 / 3)
    assert result == pytest.approx([math.sqrt(3), 2.0], rel=1e-15)


def test_slerp_weights_the_original_tensors_not_the_unit_ones():
    # Angle of (1,0) and (1,1) is 45°; at t = 1/2 both factors are sin 22.5° / sin 45° = 0.541196100146197.
    factor = 0.541196100146197
    result = merged("slerp", [[3.0, 3.0]], base=[1.0, 0.0], t=0.5)
    assert result == pytest.approx([factor * 4.0, factor * 3.0], rel=1e-14)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_slerp_of_nearly_collinear_tensors_is_linear(sign):
    result = merged("slerp", [[sign * 3.0, sign * 6.0]], base=[1.0, 2.0], t=0.25)
    assert result == [0.75 + 0.25 * sign * 3.0, 1.5 + 0.25 * sign * 6.0]


def test_slerp_with_a_zero_tensor_divides_by_nothing():
    # The zero tensor's norm counts as 1, the dot product is 0, θ = 90°.
    result = merged("slerp", [[0.0, 0.0]], base=[2.0, -6.0], t=1 / 3)
    assert result == pytest.approx([math.sqrt(3), -3 * math.sqrt(3)], rel=1e-15)


@pytest.mark.parametrize(("t", "expected"), [(0.0, [2.0, 1.0]), (1.0, [-1.0, 4.0])])
def test_slerp_ends(t, expected):
    assert merged("slerp", [[-1.0, 4.0]], base=[2.0, 1.0], t=t) == pytest.approx(expected, rel=1e-15)


def test_passthrough_gives_the_tensor_itself():
    assert merged("passthrough", [[1.5, -2.0]]) == [1.5, -2.0]


def test_passthrough_scales():
    assert merged("passthrough", [[1.5, -2.0]], sources=[{"scale": 0.5}]) == [0.75, -1.0]


BASE = [1.0, 1.0, 1.0, 1.0]
ONE = [5.0, -1.0, 1.5, 1.0]  # δ = 4, -2, 0.5, 0
TWO = [0.0, -3.0, 2.0, 9.0]  # δ = -1, -4, 1, 8
WEIGHTS = [{"weight": 0.5}, {"weight": 0.25}]


def test_task_arithmetic():
    # Σ wδ = 2-0.25, -1-1, 0.25+0.25, 0+2
    assert merged("task_arithmetic", [ONE, TWO], BASE, WEIGHTS) == [2.75, -1.0, 1.5, 3.0]


def test_task_arithmetic_lambda_and_normalize():
    # (Σ wδ) ÷ 0.75 × 3
    result = merged("task_arithmetic", [ONE, TWO], BASE, WEIGHTS, normalize=True, **{"lambda": 3.0})
    assert result == pytest.approx([8.0, -7.0, 3.0, 9.0], rel=1e-15)


def test_ties_elects_a_sign_and_divides_by_the_weights_that_agree():
    # Sums 1.75, -2, 0.5, 2 elect +, -, +, +. Agreeing: δ1; both; both; δ2 (a zero never agrees).
    # 2/0.5, -2/0.75, 0.5/0.75, 2/0.25
    result = merged("ties", [ONE, TWO], BASE, WEIGHTS)
    assert result == pytest.approx([5.0, 1 - 8 / 3, 1 + 2 / 3, 9.0], rel=1e-15)


def test_ties_without_normalize():
    result = merged("ties", [ONE, TWO], BASE, WEIGHTS, normalize=False)
    assert result == [3.0, -1.0, 1.5, 3.0]


def test_ties_keeps_the_largest():
    # density 0.5 of 4: δ1 keeps 4 and -2, δ2 keeps -4 and 8.
    # Sums 2, -1-1, 0, 2; agreeing: δ1 (2/0.5), both (-2/0.75), none (0/1), δ2 (2/0.25)
    sources = [{"weight": 0.5, "density": 0.5}, {"weight": 0.25, "density": 0.5}]
    result = merged("ties", [ONE, TWO], BASE, sources)
    assert result == pytest.approx([5.0, 1 - 8 / 3, 1.0, 9.0], rel=1e-15)


def test_ties_of_equal_magnitudes_keeps_the_lower_index():
    sources = [{"weight": 1.0, "density": 0.5}]
    assert merged("ties", [[3.0, -1.0, 3.0, 3.0]], BASE, sources) == [3.0, -1.0, 1.0, 1.0]


def test_ties_keeps_at_least_one_and_none_at_density_zero():
    assert merged("ties", [ONE], BASE, [{"weight": 1.0, "density": 0.01}]) == [5.0, 1.0, 1.0, 1.0]
    assert merged("ties", [ONE], BASE, [{"weight": 1.0, "density": 0.0}]) == BASE


def test_ties_rescale_restores_the_l1_norm():
    # ‖δ1‖₁ = 6.5, of the kept 4 and -2 it is 6.
    result = merged("ties", [ONE], BASE, [{"weight": 1.0, "density": 0.5}], rescale=True)
    assert result == pytest.approx([1 + 4 * 6.5 / 6, 1 - 2 * 6.5 / 6, 1.0, 1.0], rel=1e-15)


def test_a_sum_of_zero_elects_plus():
    # Weighted δ are 1 and -1: the sum is 0, so plus is elected and only the first agrees.
    result = merged("ties", [[2.0], [0.0]], [1.0], [{"weight": 1.0}, {"weight": 1.0}])
    assert result == [2.0]


def test_opposed_weights_turn_signs_before_the_election():
    # Weighted δ: 4 and (-1)(-1) = 1 agree; divisor 1 + (-1) = 0 counts as 1.
    result = merged("ties", [ONE, TWO], BASE, [{"weight": 1.0}, {"weight": -1.0}])
    assert result[0] == 1 + 5.0


KEEPS = ([1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0])
HALVES = [{"weight": 0.5, "density": 0.5}, {"weight": 0.25, "density": 0.25}]


def test_dare_linear_rescales_by_the_density():
    # δ1 kept 4, 0.5, 0, twice as large; δ2 kept -4, 1, 8, four times as large.
    result = merged("dare_linear", [ONE, TWO], BASE, HALVES, KEEPS)
    assert result == [1 + 4.0, 1 - 4.0, 1 + 0.5 + 1.0, 1 + 8.0]


def test_dare_linear_without_rescale():
    result = merged("dare_linear", [ONE, TWO], BASE, HALVES, KEEPS, rescale=False)
    assert result == [1 + 2.0, 1 - 1.0, 1 + 0.25 + 0.25, 1 + 2.0]


def test_dare_ties_keeps_one_sign():
    # As dare_linear, but where both are kept and disagree only the elected one counts; not normalised.
    two = [0.0, -3.0, -1.0, 9.0]  # δ = -1, -4, -2, 8: at element 2 it is 0.5·0.5·2 = 0.5 against -2
    result = merged("dare_ties", [ONE, two], BASE, HALVES, KEEPS)
    assert result == [5.0, -3.0, 1 - 2.0, 9.0]


def test_dare_by_l1_norm():
    # ‖δ1‖₁ = 6.5 before and 4.5 after dropping.
    result = merged("dare_linear", [ONE], BASE, [{"weight": 1.0, "density": 0.5}], KEEPS, rescale_norm="l1")
    assert result == pytest.approx([1 + 4 * 6.5 / 4.5, 1.0, 1 + 0.5 * 6.5 / 4.5, 1.0], rel=1e-15)


def test_dare_with_everything_kept_is_task_arithmetic():
    sources = [{"weight": 0.5, "density": 1.0}, {"weight": 0.25, "density": 1.0}]
    assert merged("dare_linear", [ONE, TWO], BASE, sources) == [2.75, -1.0, 1.5, 3.0]


@pytest.mark.parametrize(
    ("method", "base", "more"), [("linear", None, {}), ("task_arithmetic", [0.0], {"normalize": True})]
)
def test_weights_are_added_exactly_whatever_the_version_of_python(method, base, more):
    # Ten times 0.1 added one by one is 0.9999999999999999 (up to Python 3.11); it is 1.0, rounded once.
    models = [[0.0]] * 9 + [[1.0]]
    assert merged(method, models, base, [{"weight": 0.1}] * 10, **more) == [0.1]
