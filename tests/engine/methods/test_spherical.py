"""nuslerp, multislerp, karcher, model_stock and nearswap: values worked out by hand, and what always holds.

Right angles, 60° and 30° give the values; no two expected values of a case are equal or opposed.
"""

from __future__ import annotations

import math

import pytest
import reference_spherical as reference
import torch
from by_hand import merged
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.methods import METHODS
from engine.methods.contract import Mix, NoResultError

ROOT2, ROOT3, ROOT5 = math.sqrt(2), math.sqrt(3), math.sqrt(5)
ROWS, COLUMNS = {"nuslerp_flatten": False}, {"nuslerp_flatten": False, "nuslerp_row_wise": True}
NARROW = 1e-6
"""Radians that are left to 180°: the cosine of such an angle has only four digits in a float's distance to -1."""
NEARLY_OPPOSED = [[1.0, 0.0], [-math.cos(NARROW), math.sin(NARROW)]]
MIDWAY = [math.sin(NARROW / 2), math.cos(NARROW / 2)]


def about(values):
    return pytest.approx(values, rel=1e-14, abs=1e-15)


def nuslerp(models, weights, base=None, **parameters):
    return merged("nuslerp", models, base, [{"weight": weight} for weight in weights], **parameters)


def multislerp(models, weights, base=None, **parameters):
    return merged("multislerp", models, base, [{"weight": weight} for weight in weights], **parameters)


# nuslerp


def test_nuslerp_goes_as_far_as_the_second_weight_says():
    # θ = 90°, t = 2/3: the factors are cos 60° and sin 60° of the original tensors.
    assert nuslerp([[4.0, 0.0], [0.0, 2.0]], [1.0, 2.0]) == about([2.0, ROOT3])


def test_nuslerp_of_task_vectors():
    # The same about (1, 3).
    assert nuslerp([[5.0, 3.0], [1.0, 5.0]], [1.0, 2.0], base=[1.0, 3.0]) == about([3.0, 3.0 + ROOT3])


def test_nuslerp_of_an_obtuse_angle():
    # θ = 120° and t = 1/2: both factors are sin 60° / sin 120° = 1; (2, 0) + (-1, √3).
    assert nuslerp([[2.0, 0.0], [-1.0, ROOT3]], [1.0, 1.0]) == about([1.0, ROOT3])


@pytest.mark.parametrize(("weights", "expected"), [((1.0, 0.0), [0.1, 0.7]), ((0.0, 3.0), [-0.3, 1.1])])
def test_nuslerp_ends_are_the_models_to_the_last_bit(weights, expected):
    assert nuslerp([[0.1, 0.7], [-0.3, 1.1]], weights) == expected


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((2.0, -1.0), [0.0, -2.0]),  # t = -1: sin 180° and sin -90°
        ((3.0, -1.0), [4 / ROOT2, -2 / ROOT2]),  # t = -1/2: sin 135° and sin -45°
        ((-1.0, -2.0), [2.0, ROOT3]),  # t = 2/3
        ((-1.0, 5.0), [-4.0 * math.sin(math.pi / 8), 2.0 * math.cos(math.pi / 8)]),  # t = 5/4: sin -22.5°, sin 112.5°
    ],
)
def test_nuslerp_beyond_the_ends(weights, expected):
    assert nuslerp([[4.0, 0.0], [0.0, 2.0]], weights) == pytest.approx(expected, abs=2e-15)


@pytest.mark.parametrize("weights", [(0.0, 0.0), (0.3, -0.3), (0.1 + 0.2, -0.3)])
def test_nuslerp_goes_half_way_where_the_weights_cancel(weights):
    assert nuslerp([[4.0, 0.0], [0.0, 2.0]], weights) == about([4 / ROOT2, 2 / ROOT2])


@pytest.mark.parametrize("factor", [3.0, -2.0, -0.5])
def test_nuslerp_of_collinear_tensors_is_linear(factor):
    # A quarter of the way.
    assert nuslerp([[1.0, 2.0], [factor, 2 * factor]], [3.0, 1.0]) == about([c * (3 + factor) / 4 for c in (1.0, 2.0)])


@pytest.mark.parametrize("parameters", [{}, ROWS, COLUMNS])
def test_nuslerp_of_opposed_tensors_is_linear_though_their_product_is_not_exact(parameters):
    # 3·0.1, 3·0.7 and 3·1.3 are rounded. t = 1/2: (1 - 3)/2.
    opposed = [[[0.1], [0.7], [1.3]], [[-0.3], [-3 * 0.7], [-3 * 1.3]]]
    if parameters == ROWS:
        opposed = [[[row[0] for row in model]] for model in opposed]
    assert nuslerp(opposed, [1.0, 1.0], **parameters) == about([-0.1, -0.7, -1.3])


@pytest.mark.parametrize("parameters", [{}, ROWS, COLUMNS])
def test_nuslerp_of_nearly_opposed_tensors_is_exact(parameters):
    # Midway between them is the right angle to both, turned by half of what is left; both have length 1.
    models = NEARLY_OPPOSED
    if parameters:
        models = [[model] if parameters == ROWS else [[element] for element in model] for model in models]
    assert nuslerp(models, [1.0, 1.0], **parameters) == pytest.approx(MIDWAY, rel=0, abs=1e-9)


@pytest.mark.parametrize("parameters", [{}, ROWS, COLUMNS])
def test_nuslerp_does_not_divide_by_tiny_norms(parameters):
    # Norms of 1e-8 count as 1e-7: equal tensors have a cosine of 0.01. At t = 1/2 both factors are
    # 1 / (2 cos θ/2) = 1 / √(2 · 1.01).
    tiny = [[[1e-8]], [[1e-8]]]
    assert nuslerp(tiny, [1.0, 1.0], **parameters) == pytest.approx([2e-8 / math.sqrt(2.02)], rel=1e-14)


@pytest.mark.parametrize("parameters", [{}, ROWS, COLUMNS])
def test_nuslerp_with_a_zero_tensor(parameters):
    # cos θ = 0; t = 1/3: the factors are cos 30° and sin 30°.
    assert nuslerp([[[2.0]], [[0.0]]], [2.0, 1.0], **parameters) == about([ROOT3])


FIRST, SECOND = [[3.0, 0.0], [1.0, 1.0]], [[0.0, 3.0], [2.0, 2.0]]


def turned(matrix):
    return [list(column) for column in zip(*matrix, strict=True)]


def test_nuslerp_row_by_row():
    # t = 1/3. At a right angle: 3 cos 30° and 3 sin 30°; collinear: 2/3 + 2/3.
    assert nuslerp([FIRST, SECOND], [2.0, 1.0], **ROWS) == about([1.5 * ROOT3, 1.5, 4 / 3, 4 / 3])


def test_nuslerp_column_by_column():
    # The same matrices, turned.
    result = nuslerp([turned(FIRST), turned(SECOND)], [2.0, 1.0], **COLUMNS)
    assert result == about([1.5 * ROOT3, 4 / 3, 1.5, 4 / 3])


def test_nuslerp_of_the_flattened_matrix_is_another():
    # Products: 9 + 2, 9 + 8, 2 + 2; cos θ = 4 / √(11·17). Factors by the sine rule at t = 1/3.
    theta = math.acos(4 / math.sqrt(187))
    one, other = math.sin(2 * theta / 3) / math.sin(theta), math.sin(theta / 3) / math.sin(theta)
    expected = [3 * one, 3 * other, one + 2 * other, one + 2 * other]
    assert nuslerp([FIRST, SECOND], [2.0, 1.0]) == about(expected)
    assert nuslerp([FIRST, SECOND], [2.0, 1.0], nuslerp_row_wise=True) == about(expected)


def test_nuslerp_by_the_first_and_by_the_last_of_three_dimensions():
    # One vector of two along the first (or last) dimension, in each of two places: a right angle, t = 2/3.
    first, second = [[[4.0, 6.0]], [[0.0, 0.0]]], [[[0.0, 0.0]], [[2.0, 8.0]]]
    assert nuslerp([first, second], [1.0, 2.0], **COLUMNS) == about([2.0, 3.0, ROOT3, 4 * ROOT3])
    first, second = [[[4.0, 0.0]], [[6.0, 0.0]]], [[[0.0, 2.0]], [[0.0, 8.0]]]
    assert nuslerp([first, second], [1.0, 2.0], **ROWS) == about([2.0, ROOT3, 3.0, 4 * ROOT3])


@pytest.mark.parametrize("parameters", [ROWS, COLUMNS])
@pytest.mark.parametrize("shape", ["vector", "number"])
def test_nuslerp_takes_a_vector_or_a_number_as_a_whole(parameters, shape):
    if shape == "vector":
        assert nuslerp([[4.0, 0.0], [0.0, 2.0]], [1.0, 2.0], **parameters) == about([2.0, ROOT3])
    else:
        assert nuslerp([4.0, 2.0], [1.0, 2.0], **parameters) == about([8 / 3])


def test_nuslerp_of_rows_about_a_base():
    base = [[1.0, 1.0], [5.0, 7.0]]
    models = [[[4.0, 1.0], [6.0, 8.0]], [[1.0, 4.0], [7.0, 9.0]]]
    expected = [1 + 1.5 * ROOT3, 2.5, 5 + 4 / 3, 7 + 4 / 3]
    assert nuslerp(models, [2.0, 1.0], base=base, **ROWS) == about(expected)


@pytest.mark.parametrize(
    ("parameters", "shape", "row", "sweeps"),
    [
        ({}, (6, 5, 4), 1, 2),
        (ROWS, (6, 5, 4), 4, 0),
        (COLUMNS, (6, 5, 4), 20, 2),
        (COLUMNS, (6,), 1, 2),
        (ROWS, (), 1, 2),
        (COLUMNS, (0, 4), 1, 2),
        (ROWS, (4, 0), 1, 0),
    ],
)
def test_nuslerp_says_what_it_reads(parameters, shape, row, sweeps):
    method = METHODS["nuslerp"]
    mix = Mix(shape, (), method.parameters(**parameters), has_base=False)
    assert (method.row(mix), method.sweeps(mix)) == (row, sweeps)


# multislerp


def test_multislerp_takes_mean_direction_and_mean_length():
    # Directions add up to (3, 1)/4, lengths to 3.5.
    assert multislerp([[4.0, 0.0], [0.0, 2.0]], [3.0, 1.0]) == pytest.approx(
        [10.5 / ROOT2 / ROOT5, 3.5 / ROOT2 / ROOT5]
    )


def test_multislerp_without_dividing_by_the_weights():
    # The lengths add up to 14 instead.
    result = multislerp([[4.0, 0.0], [0.0, 2.0]], [3.0, 1.0], normalize_weights=False)
    assert result == pytest.approx([42 / math.sqrt(10), 14 / math.sqrt(10)])


def test_multislerp_of_three_task_vectors():
    # δ = (2, 0), (0, 4), (6, 0), weights 1/4, 1/4, 1/2: directions add up to (3, 1)/4, lengths to 0.5 + 1 + 3.
    result = multislerp([[3.0, 5.0], [1.0, 9.0], [7.0, 5.0]], [1.0, 1.0, 2.0], base=[1.0, 5.0])
    assert result == pytest.approx([1 + 13.5 / math.sqrt(10), 5 + 4.5 / math.sqrt(10)])


def test_multislerp_of_a_negative_weight():
    # Directions add up to (2, -1), lengths to 8 - 2.
    assert multislerp([[4.0, 0.0], [0.0, 2.0]], [2.0, -1.0]) == pytest.approx([12 / ROOT5, -6 / ROOT5])


def test_multislerp_adds_eps_to_the_norms():
    # (4, 0)/5 and (0, 2)/3 add up to a multiple of (6, 5); the lengths are 4 and 2 all the same.
    result = multislerp([[4.0, 0.0], [0.0, 2.0]], [1.0, 1.0], eps=1.0)
    assert result == pytest.approx([18 / math.sqrt(61), 15 / math.sqrt(61)])


@pytest.mark.parametrize("parameters", [{}, {"normalize_weights": False}])
def test_multislerp_of_one_model_is_the_model(parameters):
    assert multislerp([[0.1, -0.7]], [3.0], **parameters) == [0.1, -0.7]
    assert multislerp([[1.5, -2.0]], [3.0], base=[1.0, 4.0], **parameters) == [1.5, -2.0]


def test_multislerp_of_two_opposed_models_is_linear():
    # 4/2 - 2/2 and 8/2 - 4/2, and twice as much
    assert multislerp([[4.0, 8.0], [-2.0, -4.0]], [0.5, 0.5]) == about([1.0, 2.0])
    assert multislerp([[4.0, 8.0], [-2.0, -4.0]], [0.5, 0.5], eps=0.0) == about([1.0, 2.0])
    assert multislerp([[4.0, 8.0], [-2.0, -4.0]], [1.0, 1.0], normalize_weights=False) == about([2.0, 4.0])


def test_multislerp_of_opposed_models_whose_product_is_not_exact():
    result = multislerp([[0.1, 0.7, 1.3], [-0.3, -3 * 0.7, -3 * 1.3]], [1.0, 1.0])
    assert result == about([-0.1, -0.7, -1.3])


def test_multislerp_of_nearly_opposed_models_is_exact():
    assert multislerp(NEARLY_OPPOSED, [1.0, 1.0]) == pytest.approx(MIDWAY, rel=0, abs=1e-9)


def test_multislerp_of_more_opposed_models_is_an_error():
    with pytest.raises(NoResultError) as caught:
        multislerp([[4.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -3.0]], [1.0, 1.0, 1.0, 1.0])
    assert str(caught.value) == (
        "the directions of its 4 models cancel as they are weighted, so that they have no mean; change a `weight`, or "
        "choose another method"
    )


def test_multislerp_of_models_that_equal_the_base_is_the_base():
    assert multislerp([[0.1, 0.7]] * 3, [1.0, 2.0, 3.0], base=[0.1, 0.7]) == [0.1, 0.7]
    assert multislerp([[0.0, 0.0]] * 3, [1.0, 2.0, 3.0], eps=0.0) == [0.0, 0.0]


def test_multislerp_of_tiny_models_is_no_error():
    # Norms of 1e-20 are nothing beside eps, but their directions do not cancel: (2, 1)/√5.
    result = multislerp([[1e-20, 0.0], [1e-20, 0.0], [0.0, 1e-20]], [1.0, 1.0, 1.0])
    assert result == pytest.approx([2e-20 / ROOT5, 1e-20 / ROOT5], rel=1e-14)


# karcher


def test_karcher_of_two_is_midway_at_their_mean_length():
    assert merged(
        "karcher",
        [
            [5.0, 0.0],
            [0.0, 1.0],
        ],
    ) == about([3 / ROOT2, 3 / ROOT2])


def test_karcher_finds_the_mean_angle():
    # Directions at 0°, 0° and 90°: in a plane ways add up as angles do: 30°. Their sum is at atan ½ = 26.6°.
    models = [[2.0, 0.0], [4.0, 0.0], [0.0, 3.0]]
    assert merged("karcher", models) == about([1.5 * ROOT3, 1.5])


@pytest.mark.parametrize("parameters", [{"max_iter": 0}, {"tol": 0.1}])
def test_karcher_starts_at_the_mean_of_directions(parameters):
    # The first step would be 3.4° = 0.06.
    models = [[2.0, 0.0], [4.0, 0.0], [0.0, 3.0]]
    assert merged("karcher", models, **parameters) == about([6 / ROOT5, 3 / ROOT5])


def test_karcher_stops_where_a_step_is_shorter_than_tol():
    # From 0.06 it does go on, to 30°.
    models = [[2.0, 0.0], [4.0, 0.0], [0.0, 3.0]]
    assert merged("karcher", models, tol=0.05) == about([1.5 * ROOT3, 1.5])


def test_karcher_takes_its_second_step_too():
    """In space one step does not do: each is compared with whole vectors gone the same way."""
    models = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-0.5, 0.4, 1.0]]
    tensors = [torch.tensor(model, dtype=torch.float64) for model in models]
    results = [merged("karcher", models, max_iter=steps, tol=0.0) for steps in (1, 2, 3, 30)]
    for steps, result in zip((1, 2, 3, 30), results, strict=True):
        assert result == pytest.approx(reference.karcher(tensors, max_iter=steps, tol=0.0).tolist(), rel=1e-13)
    assert results[0] != pytest.approx(results[1], rel=1e-4)


def test_karcher_takes_the_mean_of_the_ways_to_what_has_a_direction():
    # One step from 26.6° to 30°, whatever has no direction; (2 + 4 + 3 + 0)/4 long.
    models = [[2.0, 0.0], [4.0, 0.0], [0.0, 3.0], [0.0, 0.0]]
    assert merged("karcher", models, max_iter=1) == about([1.125 * ROOT3, 1.125])


def test_karcher_counts_what_has_no_direction_in_the_length():
    # 45°, and a third of 3 + 0 + 3
    assert merged("karcher", [[3.0, 0.0], [0.0, 0.0], [0.0, 3.0]]) == about([ROOT2, ROOT2])
    # of a norm of tol or less too: (2 + 0.25)/2
    assert merged("karcher", [[2.0, 0.0], [0.0, 0.25]], tol=0.25) == about([1.125, 0.0])


def test_karcher_without_any_direction_is_the_mean():
    assert merged("karcher", [[1e-6, 4e-6], [3e-6, -2e-6]]) == about([2e-6, 1e-6])
    assert merged("karcher", [[0.0, 0.0], [0.0, 0.0]]) == [0.0, 0.0]


@pytest.mark.parametrize("opposite", [-2.0, -3.0])
def test_karcher_of_opposed_models_starts_at_the_first_and_stays(opposite):
    # Of the first, lengthened to the mean of both lengths.
    expected = [x * (1 - opposite) / 2 for x in (0.1, 0.7, 1.3)]
    models = [[0.1, 0.7, 1.3], [opposite * 0.1, opposite * 0.7, opposite * 1.3]]
    assert merged("karcher", models) == about(expected)
    assert merged("karcher", [[0.0, 0.0, 0.0], *models]) == about([x * 2 / 3 for x in expected])


def test_karcher_of_opposed_models_stays_though_their_product_is_not_exact():
    # The cosine comes out a little above -1, and the way there would be any.
    models = [[0.1, 0.3, 0.9], [-0.7, -7 * 0.3, -7 * 0.9]]
    assert merged("karcher", models) == about([0.4, 1.2, 3.6])


def test_karcher_of_nearly_opposed_models_is_exact():
    narrow = 1e-4
    models = [[1.0, 0.0], [-math.cos(narrow), math.sin(narrow)]]
    expected = [math.sin(narrow / 2), math.cos(narrow / 2)]
    assert merged("karcher", models) == pytest.approx(expected, rel=0, abs=1e-11)


def test_karcher_is_not_drawn_to_the_opposite_point():
    # The mean of directions is at -u; from there no way to u is the shortest. (1 + 2 + 6)/3 long.
    assert merged("karcher", [[0.6, 0.8], [-1.2, -1.6], [-3.6, -4.8]]) == about([-1.8, -2.4])


def test_karcher_of_one_is_the_model():
    assert merged("karcher", [[0.1, -0.7]]) == [0.1, -0.7]
    assert merged("karcher", [[0.0, 1e-9]]) == [0.0, 1e-9]


# model_stock


def test_model_stock_goes_towards_the_mean_as_far_as_task_vectors_agree():
    # δ at 60°: t = 2·½ / (1 + ½) = 2/3 of their mean (1.5, √3/2).
    result = merged("model_stock", [[3.0, 5.0], [2.0, 5.0 + ROOT3]], base=[1.0, 5.0])
    assert result == about([2.0, 5.0 + ROOT3 / 3])


def test_model_stock_of_three_takes_the_mean_of_all_pairs():
    # Cosines 1, 0, 0: c = 1/3, t = 1 / (1 + 2/3) = 0.6 of (2/3, 1/3, 0).
    result = merged("model_stock", [[2.0, 0.0, 7.0], [3.0, 0.0, 7.0], [1.0, 1.0, 7.0]], base=[1.0, 0.0, 7.0])
    assert result == about([1.6, 0.2, 7.0])


def test_model_stock_goes_the_other_way_where_task_vectors_disagree():
    # 120°: t = -1 / ½ = -2 times the mean (½, √3/2).
    result = merged("model_stock", [[3.0, 5.0], [0.0, 5.0 + ROOT3]], base=[1.0, 5.0])
    assert result == about([0.0, 5.0 - ROOT3])


def test_model_stock_of_opposed_task_vectors_is_the_base():
    # c = -1: the divisor 1 + c is 0, or what rounding leaves of it.
    for rows in (False, True):
        assert merged("model_stock", [[0.5, 6.0], [3.0, 1.0]], base=[1.0, 5.0], filter_wise=rows) == [1.0, 5.0]
        opposed = [[0.1, 0.3, 0.9], [-0.7, -7 * 0.3, -7 * 0.9]]
        assert merged("model_stock", opposed, base=[0.0, 0.0, 0.0], filter_wise=rows) == [0.0, 0.0, 0.0]


def test_model_stock_of_models_that_equal_the_base_is_the_base():
    for rows in (False, True):
        assert merged("model_stock", [[0.1, 0.7]] * 2, base=[0.1, 0.7], filter_wise=rows) == [0.1, 0.7]


@pytest.mark.parametrize("rows", [False, True])
def test_model_stock_does_not_divide_by_tiny_norms(rows):
    # ‖δ‖² = 1e-8 counts as 1e-6: c = 0.01, t = 0.02 / 1.01 of the mean.
    result = merged("model_stock", [[1e-4], [1e-4]], base=[0.0], filter_wise=rows)
    assert result == pytest.approx([2e-6 / 1.01], rel=1e-13)


def test_model_stock_row_by_row():
    # A right angle: the base. 60° and half as long: 2/3 of (0.75, √3/4).
    base = [[1.0, 5.0], [7.0, 9.0]]
    models = [[[2.0, 5.0], [8.0, 9.0]], [[1.0, 6.0], [7.5, 9.0 + ROOT3 / 2]]]
    assert merged("model_stock", models, base=base, filter_wise=True) == about([1.0, 5.0, 7.5, 9.0 + ROOT3 / 6])


def test_model_stock_as_a_whole_is_another():
    # Products: 1 + 1, 1 + 1, 0 + ½: c = ¼, t = ½ / 1¼ = 0.4 of the means.
    base = [[1.0, 5.0], [7.0, 9.0]]
    models = [[[2.0, 5.0], [8.0, 9.0]], [[1.0, 6.0], [7.5, 9.0 + ROOT3 / 2]]]
    assert merged("model_stock", models, base=base) == about([1.2, 5.2, 7.3, 9.0 + ROOT3 / 10])


@pytest.mark.parametrize(
    ("rows", "shape", "expected"), [(False, (3, 4), (1, 1)), (True, (3, 4), (4, 0)), (True, (), (1, 0))]
)
def test_model_stock_says_what_it_reads(rows, shape, expected):
    method = METHODS["model_stock"]
    mix = Mix(shape, (), method.parameters(filter_wise=rows), has_base=True)
    assert (method.row(mix), method.sweeps(mix)) == expected


# nearswap


def test_nearswap_goes_over_where_the_models_are_near():
    # w = 0.25 / (0.5, 0.25, 2, 0.125), at most 1
    result = merged("nearswap", [[1.5, 2.25, -2.0, 6.875]], base=[1.0, 2.0, -4.0, 7.0], t=0.25)
    assert result == [1.25, 2.25, -3.75, 6.875]


def test_nearswap_at_zero_is_the_base():
    assert merged("nearswap", [[1.5, 2.0, 0.1]], base=[1.0, 2.0, 0.7], t=0.0) == [1.0, 2.0, 0.7]


def test_nearswap_does_not_divide_by_a_tiny_distance():
    # 5e-7 / 1e-6: half way, where 1e-7 would be near enough to go over
    assert merged("nearswap", [[1e-7]], base=[0.0], t=5e-7) == pytest.approx([5e-8], rel=1e-15)


def test_nearswap_divides_once():
    # 49 · (1/49) is less than 1 in floats; 49/49 is not.
    assert merged("nearswap", [[49.0]], base=[0.0], t=49.0) == [49.0]


# what always holds

VECTORS = st.integers(1, 6).flatmap(
    lambda width: st.lists(
        st.lists(st.floats(-8.0, 8.0, width=16), min_size=width, max_size=width), min_size=2, max_size=4
    )
)
POSITIVE = st.floats(0.125, 8.0, width=16)


def sources(name, weights):
    return [{"weight": w} if name in ("nuslerp", "multislerp") else {} for w in weights]


@pytest.mark.parametrize("name", ["nuslerp", "multislerp", "karcher", "model_stock"])
@given(models=VECTORS, weights=st.lists(POSITIVE, min_size=4, max_size=4))
@settings(max_examples=30)
def test_equal_models_give_that_model(name, models, weights):
    count = 2 if name == "nuslerp" else len(models)
    base = [0.0] * len(models[0]) if name == "model_stock" else None
    model = [max(x, 2.0**-6) for x in models[0]]
    result = merged(name, [model] * count, base, sources(name, weights[:count]))
    assert result == pytest.approx(model, rel=4e-15)


@pytest.mark.parametrize("name", ["nuslerp", "multislerp", "karcher", "model_stock"])
@given(models=VECTORS, weights=st.lists(POSITIVE, min_size=4, max_size=4))
@settings(max_examples=30)
def test_the_order_of_models_does_not_matter(name, models, weights):
    count = 2 if name == "nuslerp" else len(models)
    # Away from opposed and from zero tensors, where the first one may have a role of its own.
    models = [[abs(x) + 0.125 for x in model] for model in models[:count]]
    base = [0.0] * len(models[0]) if name == "model_stock" else None
    result = merged(name, models, base, sources(name, weights[:count]))
    turned_around = merged(name, models[::-1], base, sources(name, weights[:count][::-1]))
    assert result == pytest.approx(turned_around, rel=1e-12)


@pytest.mark.parametrize("name", ["nuslerp", "multislerp", "karcher"])
@given(models=VECTORS, weights=st.lists(POSITIVE, min_size=4, max_size=4))
@settings(max_examples=30)
def test_unit_vectors_give_a_unit_vector(name, models, weights):
    count = 2 if name == "nuslerp" else len(models)
    vectors = [[abs(x) + 0.125 for x in model] for model in models[:count]]
    units = [[x / math.hypot(*vector) for x in vector] for vector in vectors]
    result = merged(name, units, None, sources(name, weights[:count]))
    assert math.hypot(*result) == pytest.approx(1.0, rel=1e-12)


@given(
    shape=st.lists(st.integers(1, 4), max_size=3),
    seed=st.integers(0, 1000),
    weights=st.tuples(POSITIVE, POSITIVE),
    axis=st.sampled_from([None, 0, -1]),
)
@settings(max_examples=40)
def test_nuslerp_is_the_formula_on_every_shape(shape, seed, weights, axis):
    generator = torch.Generator().manual_seed(seed)
    models = [torch.randn(shape, dtype=torch.float64, generator=generator) for _ in weights]
    result = nuslerp([m.tolist() for m in models], weights, **{None: {}, 0: COLUMNS, -1: ROWS}[axis])
    # A vector and its neighbour in reverse: single numbers are opposed every other time.
    expected = reference.nuslerp(models, weights, axis=axis)
    assert result == pytest.approx(expected.flatten().tolist(), rel=1e-9, abs=1e-12)
