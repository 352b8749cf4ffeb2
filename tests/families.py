"""Small random checkpoints of a real architecture, made by safetensors itself: what the tests merge.

Values are random normal numbers rounded to the stored dtype, so that parents lie on coarse grids as real ones do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Shape:
    """A Mistral of small widths."""

    layers: int = 2
    width: int = 16
    inner: int = 24
    heads: int = 4
    kv_heads: int = 2
    vocab: int = 32


def tensor_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Names and shapes as transformers' MistralForCausalLM has them."""
    w, kv = shape.width, shape.width // shape.heads * shape.kv_heads
    shapes = {"model.embed_tokens.weight": (shape.vocab, w)}
    for i in range(shape.layers):
        stem = f"model.layers.{i}."
        shapes |= {
            stem + "input_layernorm.weight": (w,),
            stem + "mlp.down_proj.weight": (w, shape.inner),
            stem + "mlp.gate_proj.weight": (shape.inner, w),
            stem + "mlp.up_proj.weight": (shape.inner, w),
            stem + "post_attention_layernorm.weight": (w,),
            stem + "self_attn.k_proj.weight": (kv, w),
            stem + "self_attn.o_proj.weight": (w, w),
            stem + "self_attn.q_proj.weight": (w, w),
            stem + "self_attn.v_proj.weight": (kv, w),
        }
    return shapes | {"model.norm.weight": (w,), "lm_head.weight": (shape.vocab, w)}


def random_tensors(shape: Shape, seed: int, dtype: torch.dtype = torch.bfloat16) -> dict[str, torch.Tensor]:
    """Weights of a base model."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: (torch.randn(size, generator=generator) * 0.05 + (1.0 if "norm" in name else 0.0)).to(dtype)
        for name, size in tensor_shapes(shape).items()
    }


def tuned(base: dict[str, torch.Tensor], seed: int, size: float = 0.01) -> dict[str, torch.Tensor]:
    """A fine-tune: the base, a little moved."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: (tensor.float() + size * torch.randn(tensor.shape, generator=generator)).to(tensor.dtype)
        for name, tensor in base.items()
    }


def config_of(shape: Shape, dtype: str = "bfloat16", **changes: object) -> dict[str, object]:
    """A ``config.json`` that transformers reads."""
    return {
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "vocab_size": shape.vocab,
        "max_position_embeddings": 128,
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "torch_dtype": dtype,
        "bos_token_id": 1,
        "eos_token_id": 2,
    } | changes


def write_model(
    folder: Path,
    tensors: dict[str, torch.Tensor],
    config: dict[str, object],
    *,
    shards: int = 1,
    license: str | None = "apache-2.0",  # noqa: A002 - the field's own name
    tokenizer: bool = True,
) -> Path:
    """Write a model folder as people upload them: weights in one file or several, config, tokenizer, card."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    if license is not None:
        (folder / "README.md").write_text(f"---\nlicense: {license}\n---\n# A model\n")
    if tokenizer:
        (folder / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": {"type": "BPE"}}))
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    names = list(tensors)
    parts = [names[i * len(names) // shards : (i + 1) * len(names) // shards] for i in range(shards)]
    weight_map = {}
    for number, part in enumerate(parts, start=1):
        file = "model.safetensors" if shards == 1 else f"model-{number:05d}-of-{shards:05d}.safetensors"
        save_file({name: tensors[name].contiguous() for name in part}, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    if shards > 1:
        index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder
