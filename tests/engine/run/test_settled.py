"""Results by way of float32 are those of float64 to the bit, for values and settings that are meant to break that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from engine.errors import TensorError
from engine.plan.plan import Input, Mixture, OutputTensor
from engine.run import cuts, mixing
from engine.run.rounding import DTYPES
from engine.run.tensor import merge_tensor
from engine.run.workers import Workers

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

NAMES = {dtype: name for name, dtype in DTYPES.items()}
SIZE = 8192


def made(
    scratch: Path, method: str, operands: list[Tensor], parameters: dict, sources: list[dict], dtype: str
) -> bytes:
    """Merge tensors of models as the engine does it; the first one is the base's. Or the error's text."""
    inputs = [Input(i, "w", NAMES[own.dtype], own.nbytes) for i, own in enumerate(operands)]
    given = {}
    for item, own in zip(inputs, operands, strict=True):
        data, width = memoryview(own.view(torch.uint8).numpy()), own.element_size()
        given[item] = lambda begin, end, data=data, width=width: data[begin * width : end * width]
    mixture = Mixture("", "w", 7, method, inputs[0], tuple(inputs[1:]), parameters, tuple(sources))
    result = torch.empty(operands[0].numel(), dtype=DTYPES[dtype])
    data = memoryview(result.view(torch.uint8).numpy())

    def write(begin: int, values: memoryview) -> None:
        data[begin * result.element_size() :][: len(values)] = values

    try:
        with Workers(1) as workers:
            merge_tensor(
                OutputTensor("w", dtype, (result.numel(),), None, mixture, "hold"),
                [],
                workers,
                scratch,
                write,
                given=given,
            )
    except TensorError as error:
        return str(error).encode()
    return bytes(data)


@pytest.fixture
def both(tmp_path, monkeypatch):
    """Make it both ways; the results, and whether any element was settled by float32."""
    monkeypatch.setattr(cuts, "COLLECTED", 1)
    settled = []
    whole = mixing.settle

    def settle(unsettled, out, *more):
        settled.append(unsettled.numel() < out.numel())
        return whole(unsettled, out, *more)

    monkeypatch.setattr(mixing, "settle", settle)

    def run(*arguments):
        quick = made(tmp_path, *arguments)
        with monkeypatch.context() as patch:
            patch.setattr(mixing, "LARGEST", {})
            return quick, made(tmp_path, *arguments), any(settled)

    return run


def weights(*values: float, density: float = 1.0) -> list[dict]:
    return [{"weight": value, "density": density} for value in values]


def hostile(kind: str, seed: int, dtype: torch.dtype, count: int) -> list[Tensor]:
    """A base and ``count`` models of some kind."""
    generator = torch.Generator().manual_seed(seed)

    def normal(size: float) -> Tensor:
        return torch.randn(SIZE, generator=generator) * size

    base = {
        "tuned": lambda: normal(0.02),
        "zeros": lambda: normal(0.02) * (normal(1.0) > 0),
        "tiny": lambda: normal(2.0**-13),
        "wide": lambda: normal(1.0) * torch.exp2(normal(4.0)),
        "mirrored": lambda: normal(0.02),
    }[kind]()
    changes = [normal(0.002) * (normal(1.0) > (1.0 if kind == "zeros" else -9.0)) for _ in range(count)]
    if kind == "mirrored":
        changes = [change if i % 2 == 0 else -changes[i - 1] for i, change in enumerate(changes)]
    if kind == "tiny":
        changes = [change * 2.0**-6 for change in changes]
    return [base.to(dtype), *((base.to(dtype).float() + change).to(dtype) for change in changes)]


SETTINGS = [
    ("ties", {}, (0.5, 0.3, 0.7), 0.4),
    ("ties", {"normalize": False, "lambda": -1.53}, (1.0, 0.9), 0.8),
    ("breadcrumbs", {"normalize": True}, (0.5, -0.31), 0.6),
    ("breadcrumbs_ties", {"lambda": 0.57}, (0.5, 0.43), 0.6),
    ("dare_ties", {}, (0.4, 0.3, 0.3), 0.53),
    ("dare_ties", {"normalize": True}, (1.0, 0.1), 0.9),
    ("dare_linear", {"lambda": 1.1}, (0.5, -0.3), 0.3),
    ("dare_linear", {"rescale": False}, (0.5, 0.47), 1.0),
]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("kind", ["tuned", "zeros", "tiny", "wide", "mirrored"])
@pytest.mark.parametrize("setting", range(len(SETTINGS)))
def test_the_same_bits(setting, kind, stored, dtype, both):
    method, parameters, own, density = SETTINGS[setting]
    operands = hostile(kind, setting, stored, len(own))
    quick, exact, settled = both(method, operands, parameters, weights(*own, density=density), dtype)
    assert quick == exact
    if kind == "tuned" and stored == torch.bfloat16 and dtype == "bfloat16":
        assert settled


def flat(value: float, count: int, dtype: torch.dtype) -> list[Tensor]:
    return [torch.full((64,), value, dtype=torch.float64).to(dtype) for _ in range(count)]


def test_a_result_in_doubt_may_overflow(both):
    """0.1 + 0.2 - 0.3 of the same change: float64 elects +, and 60000 + 2·(0.1 + 0.2)·4000 / 0.3 is too much."""
    base, *models = flat(60000.0, 4, torch.float16)
    for model, way in zip(models, (1, 1, -1), strict=True):
        model[5] += way * 4000
    quick, exact, _ = both("ties", [base, *models], {"lambda": 2.0}, weights(0.1, 0.2, 0.3), "float16")
    assert quick == exact
    assert exact.startswith(b"tensor 'w': element 5 is 68000, which overflows float16")


@pytest.mark.parametrize("normalize", [True, False])
def test_a_sum_of_next_to_nothing_elects_a_sign(normalize, both):
    """1 - 1 - 2^-126: the sign is -, and what has it is -1."""
    base, *models = flat(2.0**-108, 4, torch.float32)
    models[0][5], models[1][5], models[2][5] = 1.0, -1.0, 2.0**-108 - 2.0**-126
    quick, exact, _ = both("dare_ties", [base, *models], {"normalize": normalize}, weights(1.0, 1.0, 1.0), "bfloat16")
    assert quick == exact
    assert float(torch.frombuffer(bytearray(exact), dtype=torch.bfloat16)[5]) < -0.4


def test_infinities_of_float32_that_cancel(both):
    base, *models = flat(0.0, 4, torch.float32)
    for model, value in zip(models, (2.0**126, -(2.0**126), 2.0**100), strict=True):
        model[5] = value
    quick, exact, _ = both("dare_ties", [base, *models], {"normalize": True}, weights(6e4, 6e4, 1.0), "bfloat16")
    assert quick == exact


@pytest.mark.parametrize(("scale", "weight"), [(1.1e-44, 1.0), (1.0, 1.1e-44)])
def test_factors_that_float32_has_few_digits_of(scale, weight, both):
    operands = [torch.zeros(64), torch.linspace(1, 2, 64) * 2.0**120]
    quick, exact, _ = both("dare_linear", operands, {"lambda": scale}, weights(weight), "bfloat16")
    assert quick == exact
