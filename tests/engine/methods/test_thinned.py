"""breadcrumbs and della: values worked out by hand, invariants, and what chance does."""

from __future__ import annotations

import math

import pytest
import torch
from by_hand import merged, merging
from hypothesis import given
from hypothesis import strategies as st

from engine.methods import METHODS
from engine.methods.contract import CUTS_SWEEPS, SUMS_SWEEPS, Mix
from engine.run.chunks import TensorChunk
from engine.run.streams import stream_key

BANDS, RANKED = ("breadcrumbs", "breadcrumbs_ties"), ("della", "della_linear")


def alone(method, delta, keeps=(), parameters=None, **source):
    """What is left of one task vector: merged with weight 1 into a base of ones, the base taken off again."""
    base = torch.ones_like(torch.tensor(delta)).tolist()
    model = (torch.tensor(delta, dtype=torch.float64) + 1.0).tolist()
    values = merged(method, [model], base, [{"weight": 1.0, **source}], (keeps,), **(parameters or {}))
    return [value - 1.0 for value in values]


DELTA = [8.0, -7.0, 6.0, -5.0, 4.0, -3.0, 2.0, -1.0, 0.5, 0.0]


@pytest.mark.parametrize("method", BANDS)
@pytest.mark.parametrize(
    ("density", "gamma", "expected"),
    [
        (0.3, 0.2, [0, 0, 6, -5, 4, 0, 0, 0, 0, 0]),
        (0.29, 0.39, [0, 0, 0, -5, 4, 0, 0, 0, 0, 0]),  # ⌊3.9⌋ = 3 are skipped, ⌊2.9⌋ = 2 kept
        (0.3, 0.0, [8, -7, 6, 0, 0, 0, 0, 0, 0, 0]),
        (0.3, 0.7, [0, 0, 0, 0, 0, 0, 0, -1, 0.5, 0]),
        (0.3, 0.9, [0, 0, 0, 0, 0, 0, 0, -1, 0.5, 0]),  # 9 and 3 are more than 10: 7 are skipped
        (0.9, 1.0, [0, -7, 6, -5, 4, -3, 2, -1, 0.5, 0]),
        (1.0, 1.0, DELTA),
        (1.0, 0.5, DELTA),
        (0.0, 0.5, [0] * 10),
        (0.09, 0.5, [0] * 10),  # ⌊0.9⌋ = 0
    ],
)
def test_breadcrumbs_skips_the_largest_and_keeps_the_next(method, density, gamma, expected):
    assert alone(method, DELTA, density=density, gamma=gamma) == expected


@pytest.mark.parametrize("method", BANDS)
def test_breadcrumbs_defaults(method):
    # gamma 0.01 skips 1 of 100, density 1 keeps all
    delta = [float(i) for i in range(1, 101)]
    assert alone(method, delta, density=0.5) == [0.0] * 49 + delta[49:99] + [0.0]
    assert alone(method, delta) == delta


@pytest.mark.parametrize("method", BANDS)
def test_breadcrumbs_of_equal_magnitudes_the_lower_index_is_larger(method):
    assert alone(method, [3.0, -3.0, 3.0, 5.0, 3.0], gamma=0.4, density=0.4) == [0, -3, 3, 0, 0]


@pytest.mark.parametrize("method", BANDS)
def test_breadcrumbs_rescale_restores_the_l1_norm(method):
    # ‖δ‖₁ = 36.5, of 6, -5 and 4 it is 15
    result = alone(method, DELTA, density=0.3, gamma=0.2, parameters={"rescale": True})
    assert result == pytest.approx([0, 0, 6 * 36.5 / 15, -5 * 36.5 / 15, 4 * 36.5 / 15, 0, 0, 0, 0, 0], rel=1e-14)


@pytest.mark.parametrize("method", BANDS)
def test_breadcrumbs_of_next_to_nothing_is_not_rescaled(method):
    # what is kept has an L1 norm of 2⁻²⁴ < 1e-7
    base, sources = [0.0, 0.0, 0.0], [{"weight": 1.0, "density": 0.34, "gamma": 0.34}]
    assert merged(method, [[3.0, 2.0**-24, 0.0]], base, sources, rescale=True) == [0.0, 2.0**-24, 0.0]


ONES = [1.0] * 4
ONE = [10.0, 5.0, -1.0, 2.0]  # δ = 9, 4, -2, 1
TWO = [0.0, -2.0, 9.0, 3.0]  # δ = -1, -3, 8, 2
# of each the largest is skipped and two are kept: 4 and -2, -3 and 2; weighted: 0, 2, -1, 0 and 0, -0.75, 0, 0.5
HALVES = [{"weight": w, "density": 0.5, "gamma": 0.25} for w in (0.5, 0.25)]


def test_breadcrumbs_adds_all():
    assert merged("breadcrumbs", [ONE, TWO], ONES, HALVES) == [1.0, 2.25, 0.0, 1.5]


def test_breadcrumbs_lambda_and_normalize():
    # ÷ 0.75 × 3
    result = merged("breadcrumbs", [ONE, TWO], ONES, HALVES, normalize=True, **{"lambda": 3.0})
    assert result == [1.0, 6.0, -3.0, 3.0]


def test_breadcrumbs_ties_adds_what_agrees():
    # sums 0, 1.25, -1, 0.5
    assert merged("breadcrumbs_ties", [ONE, TWO], ONES, HALVES) == [1.0, 3.0, 0.0, 1.5]


def test_breadcrumbs_ties_lambda_and_normalize():
    # 2/0.5, -1/0.5, 0.5/0.25, all × 2
    result = merged("breadcrumbs_ties", [ONE, TWO], ONES, HALVES, normalize=True, **{"lambda": 2.0})
    assert result == [1.0, 9.0, -3.0, 5.0]


def probabilities(method, delta, **source):
    """With which probability each element of one task vector is kept."""
    base = torch.zeros_like(torch.tensor(delta)).tolist()
    keeps = torch.zeros_like(torch.tensor(delta)).tolist()
    (drawn,) = merging(method, [delta], base, [{"weight": 1.0, **source}], (keeps,))[1]
    return drawn


@pytest.mark.parametrize("method", RANKED)
@pytest.mark.parametrize(
    ("delta", "density", "epsilon", "expected"),
    [
        ([1.0, -4.0, 2.0], 0.5, 0.2, [0.3, 0.7, 0.5]),
        ([1.0, -4.0, 2.0, -3.0, 0.0], 0.6, 0.1, [0.55, 0.7, 0.6, 0.65, 0.5]),
        ([[1.0, -4.0], [-3.0, 2.0]], 0.5, 0.25, [0.25, 0.75, 0.75, 0.25]),  # rows, each on its own
        ([[[9.0, 8.0], [7.0, 6.0]], [[1.0, 2.0], [3.0, 4.0]]], 0.5, 0.25, [0.75, 0.25, 0.75, 0.25, *[0.25, 0.75] * 2]),
        ([-2.0, 2.0, 0.0, -2.0, 0.0], 0.5, 0.2, [0.7, 0.6, 0.4, 0.5, 0.3]),  # of equals the lower index is larger
        ([0.0, -0.0], 0.5, 0.2, [0.7, 0.3]),
        ([[1.0], [5.0], [0.0]], 0.4, 0.2, [0.4, 0.4, 0.4]),  # rows of one
        (3.0, 0.4, 0.2, [0.4]),
        ([1.0, -4.0, 2.0], 0.4, 0.0, [0.4, 0.4, 0.4]),
        ([1.0, -4.0, 2.0], 0.1, 0.3, [0.0, 0.2, 0.1]),  # epsilon as large as density allows: 0.1
        ([1.0, -4.0, 2.0], 0.75, 1.0, [0.5, 1.0, 0.75]),
    ],
)
def test_della_probability_rises_with_rank(method, delta, density, epsilon, expected):
    drawn = probabilities(method, delta, density=density, epsilon=epsilon)
    assert drawn == pytest.approx(expected, abs=1e-15)
    assert all(0 < p <= 1 for p in drawn)


@pytest.mark.parametrize("method", RANKED)
def test_della_default_epsilon(method):
    assert probabilities(method, [1.0, 3.0, 2.0], density=0.5) == pytest.approx([0.35, 0.65, 0.5], abs=1e-15)


@pytest.mark.parametrize("method", RANKED)
@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [1 / 0.3, -4 / 0.7, 0.0]),
        ({"rescale": False}, [1.0, -4.0, 0.0]),
        ({"rescale": False, "rescale_norm": "l1"}, [1.0, -4.0, 0.0]),
        ({"rescale_norm": "l1"}, [1 * 7 / 5, -4 * 7 / 5, 0.0]),  # ‖δ‖₁ is 7, of what is kept 5
    ],
)
def test_della_rescale(method, parameters, expected):
    result = alone(method, [1.0, -4.0, 2.0], [1.0, 1.0, 0.0], parameters, density=0.5, epsilon=0.2)
    assert result == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("method", RANKED)
def test_della_divides_nothing_by_a_probability_of_zero(method):
    # epsilon is clamped to 0.1: the smallest is never kept, the largest has 0.2
    result = alone(method, [1.0, -4.0, 2.0], [0.0, 1.0, 1.0], density=0.1, epsilon=0.15)
    assert result == pytest.approx([0.0, -20.0, 20.0], rel=1e-14)


@pytest.mark.parametrize("method", RANKED)
def test_della_ends_draw_nothing(method):
    model, base = [[4.0, -6.0]], [1.0, 2.0]
    assert merging(method, model, base, [{"weight": 1.0, "density": 0.0}]) == (base, [])
    assert merging(method, model, base, [{"weight": 1.0}]) == (model[0], [])


KEPT = ([1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0])
PAIR = [{"weight": 0.5, "density": 0.5, "epsilon": 0.3}, {"weight": 0.25, "density": 0.5, "epsilon": 0.3}]
# probabilities 0.8, 0.6, 0.4, 0.2 and 0.2, 0.6, 0.8, 0.4
# weighted and divided: 5.625, 0, -2.5, 2.5 and 0, -1.25, 2.5, 1.25


def test_della_linear_adds_all():
    assert merged("della_linear", [ONE, TWO], ONES, PAIR, KEPT) == pytest.approx([6.625, -0.25, 1.0, 4.75], rel=1e-14)


def test_della_linear_lambda_and_normalize():
    # ÷ 0.75 × 3
    result = merged("della_linear", [ONE, TWO], ONES, PAIR, KEPT, normalize=True, **{"lambda": 3.0})
    assert result == pytest.approx([23.5, -4.0, 1.0, 16.0], rel=1e-14)


def test_della_averages_what_agrees():
    # the third elements are scaled by 1.5 to part them: weighted -2.5 and 3.75; sums +, -, +, +
    two = [0.0, -2.0, 13.0, 3.0]
    # 5.625/0.5, -1.25/0.25, 3.75/0.25, 3.75/0.75
    result = merged("della", [ONE, two], ONES, PAIR, KEPT)
    assert result == pytest.approx([12.25, -4.0, 16.0, 6.0], rel=1e-14)


def test_della_lambda_without_normalize():
    result = merged("della", [ONE, [0.0, -2.0, 13.0, 3.0]], ONES, PAIR, KEPT, normalize=False, **{"lambda": 2.0})
    assert result == pytest.approx([12.25, -1.5, 8.5, 8.5], rel=1e-14)


def mix(method, shape, sources, **parameters):
    kind = METHODS[method]
    made = tuple(kind.source_parameters(weight=1.0, **source) for source in sources)
    return Mix(shape, made, kind.parameters(**parameters), has_base=True)


@pytest.mark.parametrize("method", BANDS)
@pytest.mark.parametrize(
    ("source", "parameters", "sweeps"),
    [
        ({"density": 0.5}, {}, CUTS_SWEEPS),
        ({"density": 0.5}, {"rescale": True}, CUTS_SWEEPS + SUMS_SWEEPS),
        ({"density": 1.0}, {"rescale": True}, 0),
        ({"density": 0.0}, {"rescale": True}, 0),
    ],
)
def test_breadcrumbs_sweeps(method, source, parameters, sweeps):
    assert METHODS[method].sweeps(mix(method, (4, 5), [source], **parameters)) == sweeps


@pytest.mark.parametrize("method", RANKED)
@pytest.mark.parametrize(
    ("density", "parameters", "sweeps"),
    [
        (0.5, {}, 0),
        (0.5, {"rescale_norm": "l1"}, SUMS_SWEEPS),
        (0.5, {"rescale_norm": "l1", "rescale": False}, 0),
        (1.0, {"rescale_norm": "l1"}, 0),
    ],
)
def test_della_sweeps(method, density, parameters, sweeps):
    assert METHODS[method].sweeps(mix(method, (4, 5), [{"density": density}], **parameters)) == sweeps


@pytest.mark.parametrize("method", RANKED)
@pytest.mark.parametrize(("shape", "row"), [((), 1), ((7,), 7), ((2, 4, 5), 5), ((4, 0), 1)])
def test_della_takes_whole_rows(method, shape, row):
    assert METHODS[method].row(mix(method, shape, [{}])) == row


def clamped(shape, **source):
    return METHODS["della"].clamped(mix("della", shape, [{"density": 0.5}, source]))


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({"density": 0.9}, "`density` 0.9 ± `epsilon` 0.15 leaves the range from 0 to 1, so `epsilon` 0.1 is used"),
        (
            {"density": 0.125, "epsilon": 0.25},
            "`density` 0.125 ± `epsilon` 0.25 leaves the range from 0 to 1, so `epsilon` 0.125 is used",
        ),
    ],
)
def test_della_says_that_epsilon_is_clamped(source, sentence):
    (one,) = clamped((3, 2), **source)
    assert (one.source, one.sentence) == (1, sentence)


@pytest.mark.parametrize(
    ("shape", "density", "epsilon"),
    [
        ((3, 2), 0.9, 0.1),  # in binary 1 - 0.9 is a little less than 0.1
        ((3, 2), 0.7, 0.3),
        ((3, 2), 0.15, 0.15),
        ((3, 2), 1.0, 0.15),
        ((3, 2), 0.0, 0.15),
        ((3, 1), 0.9, 0.15),  # in a row of one, epsilon changes nothing
        ((), 0.9, 0.15),
    ],
)
def test_della_says_nothing_where_nothing_is_clamped(shape, density, epsilon):
    assert clamped(shape, density=density, epsilon=epsilon) == ()


def blended(mixed, deltas, base, method, tensor="a"):
    """Merge with the streams that a run draws from."""
    keys = [stream_key(0, "", tensor, number) for number in range(len(deltas))]
    steps = METHODS[method].steps(mixed)
    with pytest.raises(StopIteration) as stop:
        next(steps)
    own = tuple(delta.flatten().clone() for delta in deltas)  # a method may overwrite them
    return stop.value.value(TensorChunk(0, own, base.flatten().clone(), keys)).view(base.shape)


ROWS, WIDTH = 4000, 25
DENSITY, EPSILON = 0.5, 0.4


def statistics(tensor="a", method="della_linear", sources=1, **parameters):
    """Blend rows of δ = 1 … 25 into a base of zeros. Returns the result and each column's probability."""
    own = [{"density": DENSITY, "epsilon": EPSILON}] * sources
    rows = torch.arange(1.0, WIDTH + 1, dtype=torch.float64).expand(ROWS, WIDTH)
    deltas = [rows, *[rows * 1000.0] * (sources - 1)]
    result = blended(mix(method, (ROWS, WIDTH), own, **parameters), deltas, torch.zeros_like(rows), method, tensor)
    return result, [DENSITY - EPSILON + 2 * EPSILON * rank / (WIDTH - 1) for rank in range(WIDTH)]


def test_della_keeps_its_share_of_each_rank():
    result, expected = statistics(rescale=False)
    kept = (result != 0).double()
    for p, share in zip(expected, kept.mean(0).tolist(), strict=True):
        assert abs(share - p) < 4 * math.sqrt(p * (1 - p) / ROWS)
    # the ranks' variances, averaged
    spread = sum(p * (1 - p) for p in expected) / WIDTH
    assert abs(float(kept.mean()) - DENSITY) < 4 * math.sqrt(spread / (ROWS * WIDTH))


@pytest.mark.parametrize("method", RANKED)
def test_della_leaves_the_expectation_unchanged(method):
    result, expected = statistics(method=method, normalize=False)
    for delta, (p, mean) in enumerate(zip(expected, result.mean(0).tolist(), strict=True), start=1):
        assert abs(mean - delta) < 4 * delta * math.sqrt((1 - p) / p / ROWS)


def agreement(one, two, expected):
    """By how many standard deviations two independent draws agree too often."""
    shares = [p * p + (1 - p) * (1 - p) for p in expected]
    spread = math.sqrt(ROWS * sum(share * (1 - share) for share in shares))
    return abs(float((one == two).double().sum()) - ROWS * sum(shares)) / spread


def test_della_drops_independently_in_each_parent():
    result, expected = statistics(sources=2, rescale=False)
    assert agreement(result % 1000.0 != 0, result >= 1000.0, expected) < 4


def test_della_drops_independently_in_each_tensor_and_row():
    (one, expected), (two, _) = statistics("a", rescale=False), statistics("b", rescale=False)
    assert agreement(one != 0, two != 0, expected) < 4
    assert agreement(one != 0, one.roll(1, 0) != 0, expected) < 4


NUMBERS = st.floats(-100, 100, width=32)


@st.composite
def tensors(draw, count):
    shape = draw(st.sampled_from([(), (1,), (6,), (2, 3), (3, 1), (1, 4), (2, 2, 2)]))
    size = math.prod(shape)
    return [
        torch.tensor(draw(st.lists(NUMBERS, min_size=size, max_size=size))).view(shape).double() for _ in range(count)
    ]


@given(tensors(1), st.floats(0, 1), st.floats(0, 1), st.sampled_from(BANDS))
def test_breadcrumbs_keeps_as_many_as_density_says(made, density, gamma, method):
    (delta,) = made
    kept = torch.tensor(alone_in_zeros(method, delta, {"density": density, "gamma": gamma}))
    left = delta.flatten()[kept != 0]
    assert torch.equal(kept[kept != 0], left)
    keep, zeros = int(density * delta.numel()), int((delta == 0).sum())
    assert keep - zeros <= left.numel() <= keep


@given(tensors(2), st.floats(0, 1), st.floats(0, 1))
def test_breadcrumbs_without_gamma_keeps_what_ties_keeps(made, density, weight):
    sources = [{"weight": w, "density": density} for w in (weight, 0.5)]
    # ties keeps one element at least
    if int(density * made[0].numel()) or density == 0:
        bare = [{**source, "gamma": 0.0} for source in sources]
        models, base = [d.tolist() for d in made], torch.zeros_like(made[0]).tolist()
        for normalize in (False, True):
            expected = merged("ties", models, base, sources, normalize=normalize)
            assert merged("breadcrumbs_ties", models, base, bare, normalize=normalize) == expected


def alone_in_zeros(method, delta, source):
    return merged(method, [delta.tolist()], torch.zeros_like(delta).tolist(), [{"weight": 1.0, **source}])


@given(tensors(3), st.floats(0, 1), st.sampled_from([("della", "dare_ties"), ("della_linear", "dare_linear")]))
def test_della_without_epsilon_is_dare(made, density, methods):
    *deltas, base = made
    ranked, dare = (
        blended(mix(method, base.shape, [source] * 2, normalize=True), deltas, base, method)
        for method, source in zip(methods, ({"density": density, "epsilon": 0.0}, {"density": density}), strict=True)
    )
    assert torch.equal(ranked, dare)


@given(tensors(3), st.floats(0, 1), st.floats(0, 1), st.sampled_from(RANKED))
def test_della_drops_or_divides_and_never_yields_nan(made, density, epsilon, method):
    delta = made[0]
    result = blended(
        mix(method, delta.shape, [{"density": density, "epsilon": epsilon}], normalize=False),
        [delta],
        torch.zeros_like(delta),
        method,
    )
    assert not result.isnan().any()
    assert bool(((result == 0) | ((result.sign() == delta.sign()) & (result.abs() >= delta.abs()))).all())
