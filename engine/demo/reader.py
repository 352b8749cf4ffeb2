"""An independent reader of Llama and Mistral folders: loads every tensor, and decodes greedily.

It shares no code with the merge engine, so what it reads is what any other program would read. Written from
the Llama architecture as its papers have it: RMSNorm (1910.07467), rotary positions (2104.09864),
grouped-query attention (2305.13245) and SwiGLU (2002.05202).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional

from engine.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor


@dataclass(frozen=True)
class Shape:
    """What ``config.json`` says of a model: counts, widths, the constants of its norms and positions."""

    vocab: int
    width: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    tied: bool
    norm_eps: float
    rope_theta: float
    end: int


@dataclass(frozen=True)
class Reader:
    """A model ready to decode: its shape, its tensors in float32, its tokenizer."""

    shape: Shape
    weights: Mapping[str, Tensor]
    tokenizer: Tokenizer

    def complete(self, prompts: Sequence[str], max_new: int = 24) -> list[str]:
        """Continue each prompt greedily until the end token, or for ``max_new`` tokens; return only what is new.

        All prompts run as one batch: a causal model does not see the padding to its right.
        """
        encoded = [self.tokenizer.encode(prompt).ids for prompt in prompts]
        starts = torch.tensor([len(ids) for ids in encoded])
        tokens = torch.full((len(encoded), int(starts.max()) + max_new), self.shape.end)
        for row, ids in enumerate(encoded):
            tokens[row, : len(ids)] = torch.tensor(ids)
        rows = torch.arange(len(encoded))
        done = torch.zeros(len(encoded), dtype=torch.bool)
        for step in range(max_new):
            with torch.inference_mode():
                logits = forward(self.shape, self.weights, tokens[:, : int(starts.max()) + step])
            chosen = logits[rows, starts + step - 1].argmax(-1)
            tokens[rows, starts + step] = chosen
            done |= chosen == self.shape.end
            if bool(done.all()):
                break
        new = [row[start:].tolist() for row, start in zip(tokens, starts.tolist(), strict=True)]
        return [self.tokenizer.decode(_before(ids, self.shape.end)) for ids in new]


def load(folder: Path) -> Reader:
    """Read a model folder: ``config.json``, ``tokenizer.json``, and one or many safetensors files.

    Raises ``ModelError`` for another architecture, and for a tensor that is missing, unexpected, misshapen or
    not finite.
    """
    shape = read_shape(json.loads((folder / "config.json").read_text("utf-8")))
    stored = _read_tensors(folder)
    _check(folder, expected_shapes(shape), stored)
    weights = {name: tensor.to(torch.float32) for name, tensor in stored.items()}
    return Reader(shape, weights, Tokenizer.from_file(str(folder / "tokenizer.json")))


def read_shape(config: Mapping[str, Any]) -> Shape:
    """Take the shape out of a Llama or Mistral config; refuse what ``forward`` does not compute."""
    scaling = config.get("rope_parameters") or config.get("rope_scaling") or {}
    unsupported = [
        config.get("model_type") not in {"llama", "mistral"},
        config.get("hidden_act") != "silu",
        config.get("sliding_window") is not None,
        bool(config.get("attention_bias")),
        bool(config.get("mlp_bias")),
        scaling.get("rope_type", "default") != "default",
    ]
    if any(unsupported):
        raise ModelError(
            "config.json describes a model that this reader does not compute; expected llama or mistral with "
            "silu, no biases, no sliding window and default rotary positions; read it with transformers"
        )
    heads = config["num_attention_heads"]
    return Shape(
        vocab=config["vocab_size"],
        width=config["hidden_size"],
        inner=config["intermediate_size"],
        layers=config["num_hidden_layers"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_width=config.get("head_dim") or config["hidden_size"] // heads,
        tied=config.get("tie_word_embeddings", False),
        norm_eps=config["rms_norm_eps"],
        rope_theta=float(scaling.get("rope_theta") or config.get("rope_theta") or 10000.0),
        end=config["eos_token_id"],
    )


def expected_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Every tensor that a model of this shape stores, by name, in the order of use."""
    queries, keys = shape.heads * shape.head_width, shape.kv_heads * shape.head_width
    expected: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (shape.vocab, shape.width)}
    for index in range(shape.layers):
        layer = f"model.layers.{index}"
        expected |= {
            f"{layer}.input_layernorm.weight": (shape.width,),
            f"{layer}.self_attn.q_proj.weight": (queries, shape.width),
            f"{layer}.self_attn.k_proj.weight": (keys, shape.width),
            f"{layer}.self_attn.v_proj.weight": (keys, shape.width),
            f"{layer}.self_attn.o_proj.weight": (shape.width, queries),
            f"{layer}.post_attention_layernorm.weight": (shape.width,),
            f"{layer}.mlp.gate_proj.weight": (shape.inner, shape.width),
            f"{layer}.mlp.up_proj.weight": (shape.inner, shape.width),
            f"{layer}.mlp.down_proj.weight": (shape.width, shape.inner),
        }
    expected["model.norm.weight"] = (shape.width,)
    if not shape.tied:
        expected["lm_head.weight"] = (shape.vocab, shape.width)
    return expected


def forward(shape: Shape, weights: Mapping[str, Tensor], tokens: Tensor) -> Tensor:
    """Logits ``(batch, length, vocab)`` of ``tokens`` ``(batch, length)``; differentiable in the weights."""
    hidden = functional.embedding(tokens, weights["model.embed_tokens.weight"])
    cos, sin = _rotary(shape, tokens.shape[1])
    for index in range(shape.layers):
        layer = f"model.layers.{index}"
        normed = _norm(hidden, weights[f"{layer}.input_layernorm.weight"], shape.norm_eps)
        hidden = hidden + _attention(shape, weights, f"{layer}.self_attn", normed, cos, sin)
        normed = _norm(hidden, weights[f"{layer}.post_attention_layernorm.weight"], shape.norm_eps)
        gate = functional.silu(normed @ weights[f"{layer}.mlp.gate_proj.weight"].T)
        up = normed @ weights[f"{layer}.mlp.up_proj.weight"].T
        hidden = hidden + (gate * up) @ weights[f"{layer}.mlp.down_proj.weight"].T
    head = weights["model.embed_tokens.weight" if shape.tied else "lm_head.weight"]
    return _norm(hidden, weights["model.norm.weight"], shape.norm_eps) @ head.T


def _attention(
    shape: Shape, weights: Mapping[str, Tensor], prefix: str, hidden: Tensor, cos: Tensor, sin: Tensor
) -> Tensor:
    """Causal attention over ``hidden`` ``(batch, length, width)``; query heads share key heads in groups."""
    batch, length, _ = hidden.shape

    def heads(name: str, count: int) -> Tensor:
        projected = hidden @ weights[f"{prefix}.{name}.weight"].T
        return projected.view(batch, length, count, shape.head_width).transpose(1, 2)

    query = _rotate(heads("q_proj", shape.heads), cos, sin)
    key = _rotate(heads("k_proj", shape.kv_heads), cos, sin)
    value = heads("v_proj", shape.kv_heads)
    mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
    return mixed.transpose(1, 2).reshape(batch, length, -1) @ weights[f"{prefix}.o_proj.weight"].T


def _norm(hidden: Tensor, gain: Tensor, eps: float) -> Tensor:
    return hidden * torch.rsqrt(hidden.square().mean(-1, keepdim=True) + eps) * gain


def _rotary(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines ``(length, head_width)``: the two halves of a head turn by the same angles."""
    exponents = torch.arange(0, shape.head_width, 2, dtype=torch.float32) / shape.head_width
    angles = torch.outer(torch.arange(length, dtype=torch.float32), shape.rope_theta**-exponents)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def _rotate(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = heads.chunk(2, dim=-1)
    return heads * cos + torch.cat((-second, first), dim=-1) * sin


def _before(ids: list[int], end: int) -> list[int]:
    return ids[: ids.index(end)] if end in ids else ids


def _read_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder; an index must list exactly what its shards hold."""
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return load_file(folder / "model.safetensors")
    listed: dict[str, str] = json.loads(index.read_text("utf-8"))["weight_map"]
    tensors: dict[str, Tensor] = {}
    for shard in sorted(set(listed.values())):
        held = load_file(folder / shard)
        promised = {name for name, file in listed.items() if file == shard}
        if set(held) != promised:
            wrong = ", ".join(sorted(set(held) ^ promised))
            raise ModelError(
                f"{folder / shard} and model.safetensors.index.json disagree about {wrong}; expected each tensor "
                "in the shard that the index names; write the model again"
            )
        tensors |= held
    return tensors


def _check(folder: Path, expected: Mapping[str, tuple[int, ...]], stored: Mapping[str, Tensor]) -> None:
    """Raise ``ModelError`` with everything that is wrong with the stored tensors, in name order."""
    wrong = [f"{name} is missing" for name in sorted(expected.keys() - stored.keys())]
    wrong += [f"{name} is unexpected" for name in sorted(stored.keys() - expected.keys())]
    for name in sorted(expected.keys() & stored.keys()):
        if tuple(stored[name].shape) != expected[name]:
            wrong.append(f"{name} has shape {tuple(stored[name].shape)}, config.json asks for {expected[name]}")
        elif not bool(stored[name].isfinite().all()):
            wrong.append(f"{name} holds NaN or infinity")
    if wrong:
        raise ModelError(
            f"{folder}: {'; '.join(wrong)}; expected exactly the tensors of config.json; write the model again"
        )
