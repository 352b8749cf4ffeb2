"""What was merged loads in transformers with no missing and no unexpected weight, and generates."""

from __future__ import annotations

import json
from pathlib import Path

import families
import pytest
import torch
from transformers import AutoModelForCausalLM

from engine import cli

SHAPE = families.Shape(layers=4)
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
SLERP = "models: [{model: ./a}, {model: ./b}]\nmerge_method: slerp\nbase_model: ./a\nparameters: {t: [0.2, 0.8]}\n"
STACK = (
    "slices:\n  - sources: [{model: ./a, layer_range: [0, 3]}]\n  - sources: [{model: ./b, layer_range: [1, 4]}]\n"
    "merge_method: passthrough\n"
)
LAYERS = "".join(f"  - sources: [{{model: ./a, layer_range: [{i}, {i + 1}]}}]\n" for i in (3, 0))
REORDERED = f"slices:\n{LAYERS}merge_method: passthrough\ndtype: float32\n"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name, seed, *, tied=False, **changes):
    tensors = families.random_tensors(SHAPE, seed)
    if tied:
        del tensors[HEAD]
    families.write_model(Path(name), tensors, families.config_of(SHAPE, tie_word_embeddings=tied, **changes))
    return tensors


def merge(text, *flags):
    Path("r.yaml").write_text(text)
    assert cli.run(["merge", "r.yaml", "out", "--quiet", *flags]) == 0


def load():
    """Load the result as a user would, and see that nothing is missing or left over; returns model and weights."""
    model, info = AutoModelForCausalLM.from_pretrained("out", dtype="auto", output_loading_info=True)
    assert {name: list(found) for name, found in info.items() if found} == {}
    return model, dict(model.state_dict())


def generate(model):
    out = model.generate(
        torch.tensor([[1, 5, 7]]), attention_mask=torch.ones(1, 3, dtype=torch.long), max_new_tokens=8,
        min_new_tokens=8, do_sample=False, pad_token_id=0,
    )  # fmt: skip
    assert out.shape == (1, 11)
    assert ((out >= 0) & (out < SHAPE.vocab)).all()


@pytest.mark.parametrize(
    ("text", "layers", "dtype"),
    [(SLERP, 4, torch.bfloat16), (SLERP + "dtype: float16\n", 4, torch.float16), (STACK, 6, torch.bfloat16),
     (REORDERED, 2, torch.float32)],
    ids=["slerp", "slerp to float16", "stack", "layers in another order"],
)  # fmt: skip
@pytest.mark.parametrize("size", ["5GB", "6kB"])
def test_loads_and_generates(here, text, layers, dtype, size):
    for name, seed in (("a", 1), ("b", 2)):
        write(name, seed)
    merge(text, "--max-shard-size", size)
    assert Path("out/model.safetensors.index.json").exists() == (size == "6kB")
    model, weights = load()
    assert (model.config.num_hidden_layers, model.config.dtype) == (layers, dtype)
    assert weights.keys() == families.tensor_shapes(families.Shape(layers=layers)).keys()
    assert {tensor.dtype for tensor in weights.values()} == {dtype}
    generate(model)


def test_a_stack_computes_what_its_layers_compute(here):
    """The whole of one model, stacked layer by layer, is that model."""
    write("a", 1)
    pieces = "".join(f"  - sources: [{{model: ./a, layer_range: [{i}, {i + 1}]}}]\n" for i in range(4))
    merge(f"slices:\n{pieces}merge_method: passthrough\n")
    model, _ = load()
    original = AutoModelForCausalLM.from_pretrained("a", dtype="auto")
    tokens = torch.tensor([[1, 5, 7, 9]])
    assert torch.equal(model(tokens).logits, original(tokens).logits)


@pytest.mark.parametrize("text", [SLERP, STACK], ids=["slerp", "stack"])
def test_tied_models(here, text):
    write("a", 1, tied=True)
    write("b", 2, tied=True)
    merge(text)
    model, weights = load()
    assert model.config.tie_word_embeddings is True
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert HEAD not in json.loads(Path("out/merge.record.json").read_text())["tensors"]
    assert torch.equal(weights[HEAD], weights[EMBEDDING])
    generate(model)


@pytest.mark.parametrize("tied", ["a", "b"])
def test_a_tied_model_with_one_that_is_not(here, tied):
    for name, seed in (("a", 1), ("b", 2)):
        write(name, seed, tied=name == tied)
    merge(SLERP)
    model, weights = load()
    assert model.config.tie_word_embeddings is False
    assert not torch.equal(weights[HEAD], weights[EMBEDDING])
    generate(model)


def test_layer_types_of_a_stack(here):
    """Qwen2 checks them against the number of layers: a stale list would not load."""
    kinds = ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]
    more = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "use_sliding_window": True}
    for name, seed in (("a", 1), ("b", 2)):
        tensors = families.random_tensors(SHAPE, seed)
        for i in range(SHAPE.layers):
            for part, width in (("q", 16), ("k", 8), ("v", 8)):
                tensors[f"model.layers.{i}.self_attn.{part}_proj.bias"] = torch.zeros(width, dtype=torch.bfloat16)
        config = families.config_of(SHAPE, **more, layer_types=kinds, sliding_window=16, max_window_layers=4)
        families.write_model(Path(name), tensors, config)
    merge(STACK)
    model, _ = load()
    assert model.config.layer_types == [kinds[i] for i in (0, 1, 2, 1, 2, 3)]
    generate(model)
