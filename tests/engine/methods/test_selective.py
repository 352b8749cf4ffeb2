"""Values of sce, ram, ramplus_tl and arcee_fusion, worked out by hand."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
import torch
from by_hand import merged
from hypothesis import given
from hypothesis import strategies as st

from engine.methods.arcee_fusion import divergence

BASE = [1.0, 2.0, 3.0, 4.0, 5.0]


def plus(*deltas):
    return [base + delta for base, delta in zip(BASE, deltas, strict=True)]


ONE = plus(3.0, -1.0, 1.0, 1.0, 0.0)  # squares: 12 in all
TWO = plus(1.0, 1.0, 1.0, 0.0, 1.0)  # 4


def test_sce_weights_by_squares_and_keeps_the_elected_sign():
    # Weights 12/16 and 4/16. ¾·3 + ¼·1 = 2.5; -1 + 1 = 0 elects plus, so that of two alone; 1; a zero never agrees, so
    # that of one alone; that of two alone.
    assert merged("sce", [ONE, TWO], BASE) == [3.5, 3.0, 4.0, 5.0, 6.0]


def test_sce_divides_by_the_weights_that_agree():
    # δ = 2, 2, -1 with squares 4, 4, 1 (of which the other element adds nothing): (4·2 + 4·2) / 8, not / 9.
    # At the second element only the third moves: -1 is -1, whatever its weight of 2/10.
    models = [[3.0, 1.0], [3.0, 1.0], [0.0, 0.0]]
    assert merged("sce", models, [1.0, 1.0]) == pytest.approx([3.0, 0.0], rel=1e-15)


def test_sce_selects_the_largest_variance_among_those_that_differ():
    # Differences 2, -2, 0, 1, -1: four differ, half of them stay, both of the larger ones. Squares are then 9 + 1 and
    # 1 + 1: (10·3 + 2·1) / 12 = 8/3; of the second only two's agrees.
    result = merged("sce", [ONE, TWO], BASE, select_topk=0.5)
    assert result == pytest.approx([1 + 8 / 3, 3.0, 3.0, 4.0, 5.0], rel=1e-15)


def test_sce_of_equal_variances_selects_the_lower_index():
    # Three of four: also the fourth element, not the fifth. Squares 9 + 1 + 1 and 1 + 1: (11·3 + 2·1) / 13.
    result = merged("sce", [ONE, TWO], BASE, select_topk=0.75)
    assert result == pytest.approx([1 + 35 / 13, 3.0, 3.0, 5.0, 5.0], rel=1e-15)


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_sce_that_selects_nothing_gives_the_base(share):
    # ⌊0.2·4⌋ = 0
    assert merged("sce", [ONE, TWO], BASE, select_topk=share) == BASE


def test_sce_below_one_leaves_out_what_all_changed_alike():
    assert merged("sce", [ONE, TWO], BASE, select_topk=0.999)[2] == 3.0
    assert merged("sce", [ONE, TWO], BASE, select_topk=1.0)[2] == 4.0


def test_sce_goes_by_variance_not_by_range():
    # 0, 0, 3 has variance 2; 0, 1.5, 3.25 has the larger range but variance 15.875 / 9 = 1.76.
    models = [[0.0, 0.0], [0.0, 1.5], [3.0, 3.25]]
    assert merged("sce", models, [0.0, 0.0], select_topk=0.5) == [3.0, 0.0]


def test_sce_weights_tiny_changes_too():
    # Squares 9 and 1, in units of 2⁻²⁸: 0.9·3 + 0.1·1. Where weights were uniform below a sum of 1e-6 it would be 2.
    unit = 2.0**-14
    assert merged("sce", [[3 * unit], [unit]], [0.0]) == pytest.approx([2.8 * unit], rel=1e-15)


def test_sce_floors_the_divisor():
    # The second model's weight is 0.25 / 1000000.25, less than the floor of 1e-6.
    result = merged("sce", [[1001.0, 1.0], [1.0, 1.5]], [1.0, 1.0])
    assert result == pytest.approx([1001.0, 1 + 0.5 * (0.25 / 1000000.25) / 1e-6], rel=1e-15)


def test_sce_of_models_that_are_the_base_gives_the_base():
    assert merged("sce", [BASE, BASE], BASE) == BASE


@pytest.mark.parametrize("damage", [math.nan, math.inf])
def test_sce_leaves_damage_where_it_is(damage):
    first, *others = merged("sce", [[damage, 2.0, 3.0], [1.0, 2.0, 5.0]], [1.0, 1.0, 1.0])
    assert not math.isfinite(first)
    assert others == [2.0, 4.0]  # equal weights


def test_ram_averages_what_several_changed_and_keeps_what_one_did():
    # With ε = ½: 2 and 4; 3 alone (½ is not larger than ε); -1 alone; none.
    models = [[3.0, 1.5, 0.0, 1.0], [5.0, 4.0, 1.25, 1.25]]
    assert merged("ram", models, [1.0, 1.0, 1.0, 1.0], epsilon=0.5) == [4.0, 4.0, 0.0, 1.0]


def test_ram_averages_over_those_that_changed_it():
    # 3, 0 and 6: (3 + 6) / 2; opposite signs too: (-4 + 1) / 2; all three: (1 + 2 + 6) / 3
    models = [[3.0, -4.0, 1.0], [0.0, 0.0, 2.0], [6.0, 1.0, 6.0]]
    assert merged("ram", models, [0.0, 0.0, 0.0]) == [4.5, -1.5, 3.0]


def test_ram_by_default_ignores_changes_of_up_to_a_hundred_thousandth():
    assert merged("ram", [[1.1e-5, -0.9e-5]], [0.0, 0.0]) == [1.1e-5, 0.0]


OVERLAPPING = [[2.0, 2.0, -3.0, 0.0, 0.0, 1.0], [4.0, 0.0, 0.0, 5.0, 0.0, 3.0]]
"""Two elements are shared; the first model has two more of its own, the second has one."""


def test_ramplus_tl_scales_what_one_model_changed_alone():
    # Overlap 2/2 and 2/1, both below alpha: factors 1 + ½·1 and 1 + ½·2.
    result = merged("ramplus_tl", OVERLAPPING, [0.0] * 6, r=0.5, alpha=3.0)
    assert result == [3.0, 3.0, -4.5, 10.0, 0.0, 2.0]


def test_ramplus_tl_clips_the_overlap():
    # Factors 1 + ½·1 and 1 + ½·1.5.
    result = merged("ramplus_tl", OVERLAPPING, [0.0] * 6, r=0.5, alpha=1.5)
    assert result == [3.0, 3.0, -4.5, 8.75, 0.0, 2.0]


def test_ramplus_tl_by_default():
    # Both overlaps are clipped to 0.2: 1 + 0.1·0.2 = 1.02.
    result = merged("ramplus_tl", OVERLAPPING, [0.0] * 6)
    assert result == pytest.approx([3.0, 2.04, -3.06, 5.1, 0.0, 2.0], rel=1e-15)


def test_ramplus_tl_floors_the_count_by_epsilon():
    # ε = 4 leaves 8 and 6 shared, and 9 alone in the first: 1 / max(1, 4) = ¼, and 1 + ½·¼.
    result = merged("ramplus_tl", [[8.0, 9.0, 1.0], [6.0, 4.0, 1.0]], [0.0] * 3, r=0.5, alpha=9.0, epsilon=4.0)
    assert result == [7.0, 10.125, 0.0]


def test_ramplus_tl_without_overlap_is_ram():
    models = [[2.0, 1.0, 3.0], [1.0, 5.0, 1.0]]
    assert merged("ramplus_tl", models, [1.0, 1.0, 1.0]) == merged("ram", models, [1.0, 1.0, 1.0]) == [2.0, 5.0, 3.0]


def test_ramplus_tl_with_nothing_alone_divides_by_nothing():
    assert merged("ramplus_tl", [[2.0], [4.0]], [0.0], epsilon=0.0) == [3.0]


FENCED = [1.0, -2.0, 3.0, -4.0, 5.0, -6.0, 7.0, 20.0]


@pytest.mark.parametrize(("last", "taken"), [(20.0, True), (9.0, False), (11.0, True), (-20.0, True)])
def test_arcee_fusion_takes_what_passes_the_fence(last, taken):
    # One row, so its divergence is a common factor. |Δ| sorted: those at ⌊7/4⌋, ⌊7/2⌋ and ⌊21/4⌋ are 2, 4 and 6, and
    # the fence is 4 + 1.5·(6 - 2) = 10.
    base = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0]
    other = [b + d for b, d in zip(base, [*FENCED[:-1], last], strict=True)]
    assert merged("arcee_fusion", [other], base) == [*base[:-1], 80.0 + (last if taken else 0.0)]


def test_arcee_fusion_weighs_each_row_by_its_divergence():
    # The first row is only shifted: its softmax is the same, so it does not matter. In the second |Δ| is 1, 2, 4, 6
    # in units of its divergence; of all eight importances those at 1, 3 and 5 are 0, 0 and 2, and the fence is 3.
    base = [[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0]]
    other = [[9.0, 10.0, 11.0, 12.0], [1.0, -2.0, 4.0, -6.0]]
    assert merged("arcee_fusion", [other], base) == [1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 4.0, -6.0]


@pytest.mark.parametrize(("change", "start"), [(118.0, 2.0), (118.4, 22.0)])
def test_arcee_fusion_measures_the_smoothed_divergence_of_the_other_from_the_base(change, start):
    # With u for uniform and e for all in one: KL(e ‖ u) = ln 4 = 1.386; KL(u ‖ e) = ¼ ln ¼ + ¾ ln(¼ / 1.2061e-8) =
    # 12.289, as e has e⁻²⁰ + 1e-8 in its other places. Importances: 20·1.386 once, 20·12.288 = 245.8 once, change·1.386
    # four times, and six zeros; those at 2, 5 and 8 are 0, 0 and the latter. The fence is at 1.5 times that: 245.4 or
    # 246.2, and only the second row's start may pass it. With the divergence the other way round nothing would.
    base = [[1.0] * 4, [22.0, 2.0, 2.0, 2.0], [3.0] * 4]
    other = [[21.0, 1.0, 1.0, 1.0], [2.0] * 4, [3.0 - change, 3.0 + change, 3.0 - change, 3.0 - change]]
    assert merged("arcee_fusion", [other], base) == [1.0] * 4 + [start] + [2.0] * 3 + [3.0] * 4


def test_arcee_fusion_takes_all_where_the_fence_is_zero():
    # Seven of eight are as they were: all quartiles are 0, and 0 is not below the fence.
    base, other = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 9.0]]
    assert merged("arcee_fusion", [other], base) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0]


@pytest.mark.parametrize("shape", [lambda x: x, lambda x: [x], lambda x: [[x]]])
def test_arcee_fusion_of_one_element_takes_it(shape):
    # Its softmax is 1, whatever it is: it matters as little as the fence asks for.
    assert merged("arcee_fusion", [shape(5.0)], shape(2.0)) == [5.0]


def test_divergence_of_known_distributions():
    # ¾ ln(3/2) + ¼ ln(1/2), and none
    p = torch.tensor([[0.75, 0.25], [0.5, 0.5]], dtype=torch.float64)
    q = torch.tensor([[0.5, 0.5], [0.5, 0.5]], dtype=torch.float64)
    expected = Decimal("0.75") * Decimal("1.5").ln() + Decimal("0.25") * Decimal("0.5").ln()
    assert divergence(p, q).tolist() == [pytest.approx(float(expected), rel=1e-15), 0.0]


@given(st.lists(st.integers(-40, 40), min_size=4, max_size=4), st.integers(-50, -40))
def test_divergence_of_nearly_equal_distributions_does_not_cancel(steps, exponent):
    # Probabilities qᵢ + dᵢ with Σ d = 0: by Taylor Σ p·ln(p/q) = Σ d²/2q, to a relative |d|/q of at most 1e-9.
    q = [0.1, 0.2, 0.3, 0.4]
    moves = [math.ldexp(a - b, exponent) for a, b in zip(steps, steps[1:] + steps[:1], strict=True)]
    p = [one + move for one, move in zip(q, moves, strict=True)]
    exact = math.fsum(move * move / (2.0 * one) for one, move in zip(q, moves, strict=True))
    result = divergence(*(torch.tensor([row], dtype=torch.float64) for row in (p, q)))
    assert result.tolist() == [pytest.approx(exact, rel=1e-9, abs=0)]


values = st.floats(-100, 100, width=16)


@st.composite
def models(draw, number):
    """Some models of one to six elements, whose differences are exact."""
    size = draw(st.integers(1, 6))
    return [draw(st.lists(values, min_size=size, max_size=size)) for _ in range(number)]


@given(models(2), st.integers(1, 4))
def test_equal_fine_tunes_give_themselves(pair, number):
    base, tuned = pair
    assert merged("sce", [tuned] * number, base) == pytest.approx(tuned, rel=1e-14, abs=1e-13)
    assert merged("ram", [tuned] * number, base, epsilon=0.0) == pytest.approx(tuned, rel=1e-14, abs=1e-13)


@given(models(4), st.permutations([0, 1, 2]), st.sampled_from([0.0, 0.3, 0.6, 1.0]))
def test_the_order_of_fine_tunes_does_not_matter(given_models, order, share):
    base, *tuned = given_models
    turned = [tuned[i] for i in order]
    for method, parameters in (
        ("sce", {"select_topk": share}),
        ("ram", {"epsilon": share}),
        ("ramplus_tl", {"r": share}),
    ):
        result = merged(method, turned, base, **parameters)
        assert result == pytest.approx(merged(method, tuned, base, **parameters), rel=1e-12, abs=1e-12)


@given(models(3))
def test_ramplus_tl_without_r_or_alpha_is_ram(given_models):
    base, *tuned = given_models
    expected = merged("ram", tuned, base)
    assert merged("ramplus_tl", tuned, base, r=0.0) == merged("ramplus_tl", tuned, base, alpha=0.0) == expected


@given(models(2))
def test_arcee_fusion_takes_each_element_from_one_of_both(pair):
    base, other = pair
    result = merged("arcee_fusion", [other], base)
    assert all(value in both for value, both in zip(result, zip(base, other, strict=True), strict=True))
    assert merged("arcee_fusion", [base], base) == base
