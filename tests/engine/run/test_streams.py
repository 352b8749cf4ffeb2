"""Random streams: pinned values, the same for every way of drawing them, and sound statistics."""

from __future__ import annotations

import hashlib
import struct

import pytest
import torch

from engine.run.streams import bernoulli, stream_key, words

MASK = 0xFFFFFFFF


def word(key: bytes, index: int) -> int:
    """One element by Python's unbounded integers: triple32's rounds, keyed between them."""
    block, low = divmod(index, 2**32)
    k0, k1, k2, k3 = struct.unpack("<4I", hashlib.sha256(key + struct.pack("<Q", block)).digest()[:16])
    x = low ^ k0
    x ^= x >> 17
    x = x * 0xED5AD4BB & MASK ^ k1
    x ^= x >> 11
    x = x * 0xAC4C1B51 & MASK ^ k2
    x ^= x >> 15
    x = x * 0x31848BAB & MASK ^ k3
    return x ^ x >> 14


KEY = stream_key(7, "", "model.layers.0.mlp.up_proj.weight", 1)


@pytest.mark.parametrize("start", [0, 1, 4096, 2**31 - 8, 2**32 - 16, 2**32 - 15, 2**32 - 1, 2**32, 5 * 2**32 - 3])
def test_words_equal_the_rule_in_plain_integers(start):
    drawn = words(KEY, start, 16).tolist()
    assert [w & MASK for w in drawn] == [word(KEY, start + i) for i in range(16)]


def test_pinned():
    """Hand-copied from the rule above, so that the two cannot drift together: bits of published models hang on it."""
    assert KEY.hex()[:16] == hashlib.sha256(b"7\x00\x00model.layers.0.mlp.up_proj.weight\x001").hexdigest()[:16]
    assert [w & MASK for w in words(stream_key(0, "", "a", 0), 0, 4).tolist()] == PINNED


PINNED = [565180959, 2110749015, 1422803803, 3581884812]


def test_a_run_across_a_multiple_of_2_to_the_32nd_is_both_sides():
    whole = bernoulli(KEY, 0.5, 2**32 - 20, 50)
    assert torch.equal(whole, torch.cat((bernoulli(KEY, 0.5, 2**32 - 20, 20), bernoulli(KEY, 0.5, 2**32, 30))))


@pytest.mark.parametrize("start", [0, 77, 2**32 - 500])
def test_scattered_elements_are_those_of_the_run(start):
    places = (torch.rand(1000, generator=torch.Generator().manual_seed(1)) < 0.1).nonzero().squeeze(1)
    whole = bernoulli(KEY, 0.53, start, 1000)
    assert torch.equal(bernoulli(KEY, 0.53, start, places), whole[places])
    own = torch.rand(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    each = bernoulli(KEY, own, start, 1000)
    assert torch.equal(bernoulli(KEY, own[places], start, places), each[places])
    assert bernoulli(KEY, 1.0, start, places).tolist() == [1.0] * places.numel()
    assert bernoulli(KEY, 0.5, start, places[:0]).tolist() == []


def test_float32_draws_the_same():
    single = bernoulli(KEY, 0.53, 5, 1000, torch.float32)
    assert single.dtype == torch.float32
    assert single.tolist() == bernoulli(KEY, 0.53, 5, 1000).tolist()


def test_any_run_of_a_stream_is_the_same():
    whole = bernoulli(KEY, 0.53, 0, 70_000)
    parts = [bernoulli(KEY, 0.53, begin, 4096) for begin in range(0, 69_632, 4096)]
    assert torch.equal(whole[:69_632], torch.cat(parts))


@pytest.mark.parametrize("probability", [0.01, 0.25, 0.53, 0.9])
def test_share_is_within_four_deviations(probability):
    n = 1_000_000
    kept = float(bernoulli(KEY, probability, 0, n).sum())
    assert abs(kept - n * probability) < 4 * (n * probability * (1 - probability)) ** 0.5


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 0.0), (1.0, 1.0)])
def test_certainty(probability, expected):
    assert bernoulli(KEY, probability, 0, 1000).tolist() == [expected] * 1000


@pytest.mark.parametrize("probability", [0.0, 2.0**-33, 1e-9, 0.25, 0.53, 1 - 2.0**-33, 1.0])
def test_one_probability_for_each_is_drawn_as_one_for_all(probability):
    for start in (0, 2**32 - 500):
        each = bernoulli(KEY, torch.full((1000,), probability, dtype=torch.float64), start, 1000)
        assert torch.equal(each, bernoulli(KEY, probability, start, 1000))


def test_each_element_has_its_own_probability():
    own = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0], dtype=torch.float64)
    n = 100_000
    shares = bernoulli(KEY, own.repeat(n), 7, 5 * n).view(n, 5).mean(0).tolist()
    for share, p in zip(shares, own.tolist(), strict=True):
        assert abs(share - p) <= 4 * (p * (1 - p) / n) ** 0.5


@pytest.mark.parametrize(
    "other",
    [
        stream_key(8, "", "model.layers.0.mlp.up_proj.weight", 1),
        stream_key(7, "", "model.layers.1.mlp.up_proj.weight", 1),
        stream_key(7, "", "model.layers.0.mlp.up_proj.weight", 0),
        stream_key(7, "stage", "model.layers.0.mlp.up_proj.weight", 1),
    ],
)
def test_streams_are_independent(other):
    """Of two independent fair draws half agree; also where one is shifted against the other."""
    n = 400_000
    one, two = bernoulli(KEY, 0.5, 0, n), bernoulli(other, 0.5, 0, n)
    for shift in (0, 1, 2, 4096):
        agreeing = float((one[shift:] == two[: n - shift]).double().mean())
        assert abs(agreeing - 0.5) < 4 * 0.5 / n**0.5


def test_neighbours_are_independent():
    n = 1_000_000
    drawn = bernoulli(KEY, 0.5, 0, n)
    for shift in (1, 2, 3, 8, 64, 4096):
        agreeing = float((drawn[shift:] == drawn[: n - shift]).double().mean())
        assert abs(agreeing - 0.5) < 4 * 0.5 / (n - shift) ** 0.5
