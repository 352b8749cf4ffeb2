"""The reader against transformers on real folders, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.demo.reader import forward, load, read_shape
from engine.demo.tasks import TASKS
from engine.errors import ModelError

MODELS = Path(__file__).parents[3] / "examples" / "models"
FOLDERS = sorted(path.name for path in MODELS.iterdir() if path.is_dir())


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(MODELS / "base", tmp_path / "base"))


def rewrite(folder, change):
    """Read the tensors, let ``change`` edit the dict, write them back."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize("name", FOLDERS)
def test_logits_equal_those_of_transformers(name):
    transformers = pytest.importorskip("transformers")
    reader = load(MODELS / name)
    peer, report = transformers.LlamaForCausalLM.from_pretrained(
        MODELS / name, dtype=torch.float32, output_loading_info=True
    )
    tokens = torch.randint(0, reader.shape.vocab, (3, 29), generator=torch.Generator().manual_seed(7))
    with torch.inference_mode():
        ours, theirs = forward(reader.shape, reader.weights, tokens), peer(tokens).logits
    assert report["missing_keys"] == report["unexpected_keys"] == set()
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-5 * max(1.0, theirs.abs().max().item()))


def test_completions_equal_those_of_transformers():
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODELS / "double")
    peer = transformers.AutoModelForCausalLM.from_pretrained(MODELS / "double", dtype=torch.float32)
    prompts = [TASKS["double"].prompt("castle"), TASKS["double"].prompt("apple")]
    theirs = []
    for prompt in prompts:
        inputs = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
        out = peer.generate(**inputs, max_new_tokens=24, do_sample=False)
        theirs.append(tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
    assert load(MODELS / "double").complete(prompts) == theirs == ["ccaassttllee", "aappppllee"]


def test_a_prompt_is_answered_alike_alone_and_beside_a_longer_one():
    reader = load(MODELS / "reverse")
    prompts = [TASKS["reverse"].prompt(word) for word in ("castle", "abcd", "penguin")]
    assert reader.complete(prompts) == [reader.complete([prompt])[0] for prompt in prompts]
    assert reader.complete(prompts) == ["eltsac", "dcba", "niugnep"]


def test_no_more_tokens_than_asked():
    assert load(MODELS / "reverse").complete([TASKS["reverse"].prompt("castle")], 3) == ["elt"]


def test_shards_with_an_index_read_as_the_single_file_does(folder):
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, held in parts.items():
        save_file({name: tensors[name] for name in held}, folder / file)
    index = {"weight_map": {name: file for file, held in parts.items() for name in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()
    read = load(folder).weights
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensors[name].float()) for name in names)


def test_a_shard_that_lacks_what_the_index_promises_is_refused(folder):
    names = list(load_file(folder / "model.safetensors"))
    index = {"weight_map": dict.fromkeys([*names, "model.extra.weight"], "model.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"disagree about model\.extra\.weight; expected each tensor"):
        load(folder)


def test_everything_wrong_with_the_tensors_is_named_at_once(folder):
    def spoil(tensors):
        del tensors["model.norm.weight"]
        tensors["model.layers.8.mlp.up_proj.weight"] = torch.zeros(128, 64)
        tensors["lm_head.weight"] = torch.zeros(3, 64)
        tensors["model.embed_tokens.weight"][5, 6] = float("nan")

    rewrite(folder, spoil)
    with pytest.raises(ModelError) as refused:
        load(folder)
    assert str(refused.value) == (
        f"{folder}: model.norm.weight is missing; model.layers.8.mlp.up_proj.weight is unexpected; "
        "lm_head.weight has shape (3, 64), config.json asks for (60, 64); "
        "model.embed_tokens.weight holds NaN or infinity; "
        "expected exactly the tensors of config.json; write the model again"
    )


def test_a_tied_model_has_no_head_of_its_own(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
    with pytest.raises(ModelError, match=r"lm_head\.weight is unexpected"):
        load(folder)
    rewrite(folder, lambda tensors: tensors.pop("lm_head.weight"))
    tied = load(folder)
    untied = {**tied.weights, "lm_head.weight": tied.weights["model.embed_tokens.weight"]}
    tokens = torch.tensor([[1, 5, 9, 10]])
    assert torch.equal(forward(tied.shape, tied.weights, tokens), forward(load(MODELS / "base").shape, untied, tokens))


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "qwen2"},
        {"hidden_act": "gelu"},
        {"sliding_window": 4096},
        {"attention_bias": True},
        {"mlp_bias": True},
        {"rope_scaling": {"rope_type": "yarn"}},
        {"rope_parameters": {"rope_type": "llama3", "rope_theta": 10000.0}},
    ],
)
def test_a_config_that_it_would_compute_wrongly_is_refused(change):
    config = json.loads((MODELS / "base" / "config.json").read_text())
    with pytest.raises(ModelError, match="expected llama or mistral with silu, no biases"):
        read_shape(config | change)


def test_what_a_config_leaves_out_has_the_architectures_default():
    config = json.loads((MODELS / "base" / "config.json").read_text())
    for key in ("num_key_value_heads", "head_dim", "rope_theta", "tie_word_embeddings"):
        del config[key]
    shape = read_shape(config | {"rope_parameters": {"rope_theta": 5e5}})
    assert (shape.kv_heads, shape.head_width, shape.rope_theta, shape.tied) == (4, 16, 5e5, False)
