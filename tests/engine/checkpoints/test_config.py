"""What a config tells, and the config of what comes out."""

from __future__ import annotations

import pytest

from engine.checkpoints.config import architecture, extra_layers, is_tied, layer_count, merged_config, quantisation
from engine.checkpoints.header import TensorInfo

BASE = {
    "architectures": ["MistralForCausalLM"],
    "model_type": "mistral",
    "num_hidden_layers": 3,
    "layer_types": ["full", "sliding", "full"],
    "eos_token_id": [1, 2, 3],
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
}


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ({"num_hidden_layers": 32}, 32),
        ({"n_layer": 12}, 12),
        ({"text_config": {"num_hidden_layers": 28}, "vision_config": {"num_hidden_layers": 6}}, 28),
        ({"num_hidden_layers": "many"}, None),
        ({}, None),
    ],
)
def test_layer_count(config, count):
    assert layer_count(config) == count


@pytest.mark.parametrize(
    ("config", "name"),
    [(BASE, "MistralForCausalLM"), ({"model_type": "llama"}, "llama"), ({"architectures": []}, "unknown")],
)
def test_architecture(config, name):
    assert architecture(config) == name


@pytest.mark.parametrize(
    ("config", "has_head", "tied"),
    [
        ({"tie_word_embeddings": True}, True, True),
        ({"tie_word_embeddings": False}, False, False),
        ({"model_type": "gemma"}, True, True),
        ({"model_type": "llama"}, True, False),
        ({"model_type": "llama"}, False, True),
        ({"text_config": {"num_hidden_layers": 2, "tie_word_embeddings": True}}, True, True),
    ],
)
def test_the_config_decides_what_is_tied(config, has_head, tied):
    assert is_tied(config, has_head=has_head) is tied


@pytest.mark.parametrize(
    ("config", "method"),
    [
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "gptq"),
        ({"quantization_config": {"load_in_4bit": True}}, "unknown"),
        ({}, None),
    ],
)
def test_quantisation(config, method):
    assert quantisation(config) == method


def test_a_merge_that_changes_nothing_keeps_the_config():
    assert merged_config(BASE, layers=None, tied=False, dtype="bfloat16") == BASE | {"torch_dtype": "bfloat16"}


def test_layers_come_with_their_own_types():
    other = BASE | {"layer_types": ["a", "b", "c"]}
    merged = merged_config(BASE, layers=[(BASE, 0), (BASE, 1), (other, 1), (other, 2)], tied=False, dtype="float16")
    assert merged == BASE | {
        "num_hidden_layers": 4,
        "layer_types": ["full", "sliding", "b", "c"],
        "torch_dtype": "float16",
    }
    assert BASE["num_hidden_layers"] == 3, "the parent's config is not touched"


def test_untied_output_says_so():
    merged = merged_config(BASE | {"tie_word_embeddings": True}, layers=None, tied=False, dtype="float32")
    assert merged["tie_word_embeddings"] is False


def test_silence_about_ties_is_made_explicit_where_it_matters():
    config = {key: value for key, value in BASE.items() if key != "tie_word_embeddings"}
    assert merged_config(config, layers=None, tied=True, dtype="float32")["tie_word_embeddings"] is True


def test_a_nested_text_config_is_where_layers_count():
    config = {"text_config": {"num_hidden_layers": 2, "torch_dtype": "float32"}, "dtype": "float32"}
    merged = merged_config(config, layers=[(config, 0)], tied=False, dtype="bfloat16")
    assert merged["text_config"]["num_hidden_layers"] == 1
    assert "num_hidden_layers" not in merged
    assert (merged["dtype"], merged["text_config"]["torch_dtype"]) == ("bfloat16", "bfloat16")


@pytest.mark.parametrize(
    ("name", "dtype", "found"),
    [
        ("model.layers.0.mlp.up_proj.qweight", "int32", "tensor 'model.layers.0.mlp.up_proj.qweight'"),
        ("model.layers.0.mlp.up_proj.SCB", "float32", "tensor 'model.layers.0.mlp.up_proj.SCB'"),
        (
            "model.layers.0.mlp.up_proj.weight_scale_inv",
            "float32",
            "tensor 'model.layers.0.mlp.up_proj.weight_scale_inv'",
        ),
        ("model.layers.0.mlp.up_proj.weight", "float8_e4m3fn", "float8"),
        ("model.layers.0.mlp.up_proj.weight", "bfloat16", None),
        ("model.layers.0.mlp.scale", "bfloat16", None),
    ],
)
def test_packed_weights_show_what_the_config_does_not_say(name, dtype, found):
    assert quantisation({}, [TensorInfo(name, dtype, (1,), "f", 0, 4)]) == found


@pytest.mark.parametrize(
    ("config", "number"),
    [
        ({"num_nextn_predict_layers": 1}, 1),
        ({"text_config": {"num_hidden_layers": 2, "num_nextn_predict_layers": 3}}, 3),
        ({"num_nextn_predict_layers": None}, 0),
        ({}, 0),
    ],
)
def test_layers_that_predict_further_tokens(config, number):
    assert extra_layers(config) == number


def test_the_language_models_part_counts_even_where_it_leaves_its_layers_to_the_default():
    config = {"text_config": {"model_type": "llama", "vocab_size": 8}, "vision_config": {"num_hidden_layers": 2}}
    merged = merged_config(config, layers=[(config, 0), (config, 1), (config, 0)], tied=False, dtype="float16")
    assert merged["text_config"]["num_hidden_layers"] == 3
    assert "num_hidden_layers" not in merged


def test_every_dtype_and_the_vocabulary_are_made_true():
    config = {"torch_dtype": "float32", "vocab_size": 30, "vision_config": {"dtype": "float32"}, "num_hidden_layers": 1}
    merged = merged_config(config, layers=None, tied=False, dtype="bfloat16", vocabulary=32)
    assert merged == {
        "torch_dtype": "bfloat16",
        "vocab_size": 32,
        "vision_config": {"dtype": "bfloat16"},
        "num_hidden_layers": 1,
        "tie_word_embeddings": False,
    }


def test_a_list_that_one_parent_does_not_have_is_dropped():
    other = {"num_hidden_layers": 3}
    merged = merged_config(BASE, layers=[(BASE, 0), (other, 1)], tied=False, dtype="float32")
    assert "layer_types" not in merged
    assert merged["eos_token_id"] == [1, 2, 3]
