"""Tensor name → where it stands: before the layers, in layer i, or after them. Inferred, from names alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NUMBERED = re.compile(r"^(?P<stack>.*?)\.(?P<index>\d+)\.(?P<rest>.+)$")
_HEADS = ("lm_head", "embed_out", "output_embed", "output_layer", "unembed")
_EMBEDDINGS = ("embed", "wte", "wpe", "tok_embed", "word_embed")
_TOWERS = ("vision", "visual", "image", "audio", "video", "multi_modal", "projector", "connector", "resampler")
_DERIVED = ("rotary_emb.inv_freq", "rotary_pos_emb.inv_freq", "attn.masked_bias", "attention.masked_bias")


@dataclass(frozen=True)
class Layout:
    """Tensors of a checkpoint by position.

    ``stack`` is the layers' common prefix (``model.layers``), ``count`` how many there are; ``by_layer`` has, for
    each, the names of its tensors without the prefix, and ``before`` and ``after`` the full names of the others.
    """

    stack: str | None
    count: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    by_layer: Mapping[int, tuple[str, ...]]

    def name(self, layer: int, rest: str) -> str:
        """Full name of a tensor within a layer."""
        return f"{self.stack}.{layer}.{rest}"


def is_derived(name: str) -> bool:
    """Whether a tensor holds what the model computes anyway (rotary tables, masks): dropped, with a note."""
    return name.endswith(_DERIVED)


def is_head(name: str) -> bool:
    """Whether this is the output head."""
    return name == "output.weight" or any(part.startswith(_HEADS) for part in name.split("."))


def is_embedding(name: str) -> bool:
    """Whether this is the input embedding (one row per token)."""
    parts = name.split(".")
    return any(part in {"embed_tokens", "wte", "embed_in", "word_embeddings", "tok_embeddings"} for part in parts)


def is_vocabulary(name: str) -> bool:
    """Whether this tensor has one row per token: the input embedding or the output head."""
    return is_embedding(name) or is_head(name)


def layout_of(names: Iterable[str], count: int | None, extra: int = 0) -> Layout:
    """Infer the layout; ``count`` is the number of layers that the config declares.

    Layers are the numbered stack with that many members; of several such stacks the one whose prefix speaks of
    language or text, else the one with the most tensors. Without a declared number: the stack with the most.
    ``extra`` layers may follow in the same stack (those that predict further tokens); they are no layers of the
    model's depth, and stand after them.
    """
    ordered = list(names)
    stacks: dict[str, set[int]] = {}
    sizes: dict[str, int] = {}
    for name in ordered:
        if match := _NUMBERED.match(name):
            stacks.setdefault(match["stack"], set()).add(int(match["index"]))
            sizes[match["stack"]] = sizes.get(match["stack"], 0) + 1
    fitting = [
        stack
        for stack, members in stacks.items()
        if members == set(range(len(members))) and (count is None or len(members) in (count, count + extra))
    ]
    chosen = max(fitting, key=lambda s: (bool(re.search("language|text", s)), sizes[s]), default=None)
    layers = 0 if chosen is None else len(stacks[chosen]) if count is None else count
    by_layer: dict[int, list[str]] = {}
    outside: list[str] = []
    for name in ordered:
        match = _NUMBERED.match(name)
        if match and match["stack"] == chosen and int(match["index"]) < layers:
            by_layer.setdefault(int(match["index"]), []).append(match["rest"])
        else:
            outside.append(name)
    return Layout(
        chosen,
        layers,
        tuple(name for name in outside if _is_early(name)),
        tuple(name for name in outside if not _is_early(name)),
        {layer: tuple(rests) for layer, rests in by_layer.items()},
    )


def _is_early(name: str) -> bool:
    """Embeddings, and towers for images and sound, come before the layers, everything else after."""
    early = any(part.startswith(_EMBEDDINGS) for part in name.split(".")) or any(part in name for part in _TOWERS)
    return early and not is_head(name)
