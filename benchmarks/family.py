"""A Mistral-shaped family of models to measure with: a base and three fine-tunes, random, in bfloat16.

Run as a process of its own (``python -m benchmarks.family FOLDER SIZE``), since the memory of whoever starts a process
shows in that process's peak.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from benchmarks.recipes import MODELS, SHAPES, Shape


def tensor_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Tensor names and shapes of ``MistralForCausalLM``."""
    hidden, kv = shape.hidden, shape.hidden // shape.heads * shape.kv_heads
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (shape.vocab, hidden)}
    for layer in range(shape.layers):
        shapes |= {
            f"model.layers.{layer}.{name}.weight": size
            for name, size in {
                "input_layernorm": (hidden,),
                "mlp.down_proj": (hidden, shape.inner),
                "mlp.gate_proj": (shape.inner, hidden),
                "mlp.up_proj": (shape.inner, hidden),
                "post_attention_layernorm": (hidden,),
                "self_attn.k_proj": (kv, hidden),
                "self_attn.o_proj": (hidden, hidden),
                "self_attn.q_proj": (hidden, hidden),
                "self_attn.v_proj": (kv, hidden),
            }.items()
        }
    return shapes | {"model.norm.weight": (hidden,), "lm_head.weight": (shape.vocab, hidden)}


def make_family(folder: Path, shape: Shape) -> None:
    """Write the family into ``folder``, unless it is there: fine-tunes are the base moved by a tenth."""
    if all((folder / name / "config.json").is_file() for name in MODELS):
        return
    generator = torch.Generator().manual_seed(1)
    base = {name: torch.empty(size, dtype=torch.bfloat16) for name, size in tensor_shapes(shape).items()}
    for tensor in base.values():
        tensor.normal_(0.0, 0.02, generator=generator)
    for name in MODELS:
        tensors = base if name == "base" else {key: _moved(tensor, generator) for key, tensor in base.items()}
        _write(folder / name, tensors, shape)


def _moved(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    change = torch.empty(tensor.shape, dtype=torch.float32).normal_(0.0, 0.002, generator=generator)
    return (tensor.float() + change).to(torch.bfloat16)


def _write(folder: Path, tensors: dict[str, torch.Tensor], shape: Shape) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        "hidden_size": shape.hidden,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "vocab_size": shape.vocab,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


if __name__ == "__main__":
    make_family(Path(sys.argv[1]), SHAPES[sys.argv[2]])
