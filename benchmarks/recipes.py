"""What is measured: the family's shapes, and one recipe for each method, the same for both programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MODELS = ("base", "a", "b", "c")
WEIGHTS = (0.4, 0.3, 0.3)


@dataclass(frozen=True)
class Shape:
    """Widths and counts, as ``config.json`` names them."""

    hidden: int = 2048
    layers: int = 16
    inner: int = 5632
    vocab: int = 32000
    heads: int = 32
    kv_heads: int = 8


SHAPES = {"small": Shape(hidden=1024, layers=8, inner=2816, heads=16, kv_heads=4), "full": Shape()}
"""``full`` has 0.85 billion parameters, ``small`` a fifth."""


def recipes(folder: Path, shape: Shape) -> dict[str, str]:
    """Make the recipes, as text, by the method's name."""
    base, *tunes = (folder / name for name in MODELS)
    light = "".join(_model(tune, f"weight: {w}") for tune, w in zip(tunes, WEIGHTS, strict=True))
    dense = "".join(_model(tune, f"weight: {w}, density: 0.53") for tune, w in zip(tunes, WEIGHTS, strict=True))
    two = _model(tunes[0], "weight: 0.6") + _model(tunes[1], "weight: 0.4")
    pair = _slice([(tunes[0], 0), (tunes[1], 0)], shape.layers)
    stack = _slice([(tunes[0], 0)], shape.layers) + _slice([(tunes[1], shape.layers // 2)], shape.layers)
    t = "parameters:\n  t: [0, 0.5, 0.3, 0.7, 1]\n"
    end = "dtype: bfloat16\n"
    return {
        "linear": f"models:\n{two}merge_method: linear\n{end}",
        "slerp": f"slices:\n{pair}merge_method: slerp\nbase_model: {tunes[0]}\n{t}{end}",
        "task_arithmetic": f"models:\n{light}merge_method: task_arithmetic\nbase_model: {base}\n{end}",
        "passthrough": f"slices:\n{stack}merge_method: passthrough\n{end}",
        "ties": f"models:\n{dense}merge_method: ties\nbase_model: {base}\n{end}",
        "dare_ties": f"models:\n{dense}merge_method: dare_ties\nbase_model: {base}\n{end}",
    }


def named(text: str, folder: Path) -> list[str]:
    """Models of the family that a recipe names."""
    return [model for model in MODELS if f"{folder / model}\n" in text]


def _model(model: Path, parameters: str) -> str:
    return f"  - model: {model}\n    parameters: {{{parameters}}}\n"


def _slice(sources: Sequence[tuple[Path, int]], end: int) -> str:
    listed = "".join(f"      - model: {model}\n        layer_range: [{start}, {end}]\n" for model, start in sources)
    return f"  - sources:\n{listed}"
