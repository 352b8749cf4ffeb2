"""Models of 70 billion parameters at an embedded Hub: headers as they are, and holes in the place of weights."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.devhub import Store
    from engine.devhub.schema import Entry

LAYERS, HIDDEN, INNER, KV, VOCAB = 80, 8192, 28672, 1024, 128256
FILE = 4_990_000_000
"""Bytes of a weight file at most: what the Hub's own libraries write is a little less than 5 GB."""
INDEX = "model.safetensors.index.json"
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": HIDDEN,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": VOCAB,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
RECIPE = f"""\
slices:
  - sources:
      - model: me/giant-a
        layer_range: [0, {LAYERS}]
      - model: me/giant-b
        layer_range: [0, {LAYERS}]
merge_method: slerp
base_model: me/giant-a
parameters:
  t: [0, 0.5, 0.3, 0.7, 1]
dtype: bfloat16
"""

Tensors = dict[str, tuple[int, ...]]


def seed(store: Store) -> None:
    """Put the two models that ``RECIPE`` names into a Hub: 141 GB each, of which the disk holds some kilobytes."""
    for repo in ("me/giant-a", "me/giant-b"):
        store.create_repo(repo, "me")
        head = store.resolve(repo, "main") or ""
        files = list(_files())
        names = [f"model-{number:05}-of-{len(files):05}.safetensors" for number in range(1, len(files) + 1)]
        small = {
            "config.json": json.dumps(CONFIG).encode(),
            INDEX: _index(dict(zip(names, files, strict=True))),
        }
        entries = {name: store.blobs.regular_entry(store.blobs.add(content)) for name, content in small.items()}
        large = {name: _weights(store, repo, name, file) for name, file in zip(names, files, strict=True)}
        store.add_commit(repo, "refs/heads/main", store.commit(repo, head).files | entries | large, "me", "Upload")


def shapes() -> Tensors:
    """Tensor names and shapes of a Llama of 70 billion parameters."""
    parts: Tensors = {
        "input_layernorm": (HIDDEN,),
        "mlp.down_proj": (HIDDEN, INNER),
        "mlp.gate_proj": (INNER, HIDDEN),
        "mlp.up_proj": (INNER, HIDDEN),
        "post_attention_layernorm": (HIDDEN,),
        "self_attn.k_proj": (KV, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HIDDEN),
        "self_attn.q_proj": (HIDDEN, HIDDEN),
        "self_attn.v_proj": (KV, HIDDEN),
    }
    found: Tensors = {"model.embed_tokens.weight": (VOCAB, HIDDEN)}
    for layer in range(LAYERS):
        found |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in parts.items()}
    return found | {"model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCAB, HIDDEN)}


def _files() -> Iterator[Tensors]:
    """Deal the tensors out, in order, to files of ``FILE`` bytes at most."""
    file: Tensors = {}
    for name, shape in shapes().items():
        if file and sum(map(_nbytes, file.values())) + _nbytes(shape) > FILE:
            yield file
            file = {}
        file[name] = shape
    yield file


def _nbytes(shape: tuple[int, ...]) -> int:
    return 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)


def _index(files: dict[str, Tensors]) -> bytes:
    places = {tensor: name for name, file in files.items() for tensor in file}
    total = sum(_nbytes(shape) for file in files.values() for shape in file.values())
    return json.dumps({"metadata": {"total_size": total}, "weight_map": places}, indent=2).encode()


def _weights(store: Store, repo: str, name: str, tensors: Tensors) -> Entry:
    """Make one weight file: its header, and nothing but a hole after it. Its hash is made up."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor, shape in tensors.items():
        begin, end = end, end + _nbytes(shape)
        header[tensor] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    descriptor, path = store.blobs.new_file()
    os.write(descriptor, struct.pack("<Q", len(text)) + text)
    os.ftruncate(descriptor, 8 + len(text) + end)
    os.close(descriptor)
    sha256 = hashlib.sha256(f"{repo}/{name}".encode()).hexdigest()
    store.blobs.keep(sha256, path)
    store.link(repo, sha256)
    return store.blobs.large_entry(sha256)
