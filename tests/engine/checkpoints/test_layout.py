"""Where a tensor stands, from names alone."""

from __future__ import annotations

import pytest

from engine.checkpoints.layout import is_derived, is_head, is_vocabulary, layout_of

LLAMA = [
    "model.embed_tokens.weight",
    "model.layers.0.mlp.up_proj.weight",
    "model.layers.1.mlp.up_proj.weight",
    "model.norm.weight",
    "lm_head.weight",
]
GPT2 = ["wte.weight", "wpe.weight", "h.0.attn.c_attn.weight", "h.1.attn.c_attn.weight", "ln_f.weight"]
NEOX = [
    "gpt_neox.embed_in.weight",
    "gpt_neox.layers.0.mlp.dense.weight",
    "gpt_neox.layers.1.mlp.dense.weight",
    "gpt_neox.final_layer_norm.bias",
    "embed_out.weight",
]
MIXTRAL = [f"model.layers.{i}.block_sparse_moe.experts.{j}.w1.weight" for i in range(2) for j in range(8)]


@pytest.mark.parametrize(
    ("names", "count", "stack", "before", "after"),
    [
        (LLAMA, 2, "model.layers", (LLAMA[0],), (LLAMA[3], LLAMA[4])),
        (GPT2, 2, "h", ("wte.weight", "wpe.weight"), ("ln_f.weight",)),
        (NEOX, 2, "gpt_neox.layers", (NEOX[0],), ("gpt_neox.final_layer_norm.bias", "embed_out.weight")),
        (MIXTRAL, 2, "model.layers", (), ()),
        (LLAMA, None, "model.layers", (LLAMA[0],), (LLAMA[3], LLAMA[4])),
    ],
)
def test_layout(names, count, stack, before, after):
    layout = layout_of(names, count)
    assert (layout.stack, layout.count, layout.before, layout.after) == (stack, 2, before, after)
    assert layout.name(1, "x.weight") == f"{stack}.1.x.weight"


def test_names_within_a_layer():
    assert layout_of(MIXTRAL, 2).by_layer[1] == tuple(f"block_sparse_moe.experts.{j}.w1.weight" for j in range(8))


def test_of_two_stacks_the_language_model_is_meant():
    names = [f"vision_tower.encoder.layers.{i}.q.weight" for i in range(2)]
    names += [f"language_model.model.layers.{i}.q.weight" for i in range(2)]
    layout = layout_of(names, 2)
    assert layout.stack == "language_model.model.layers"
    assert layout.before == tuple(names[:2])


def test_of_two_stacks_the_declared_number_decides():
    names = [f"encoder.layers.{i}.q.weight" for i in range(6)] + [f"decoder.layers.{i}.q.weight" for i in range(3)]
    assert layout_of(names, 3).stack == "decoder.layers"


@pytest.mark.parametrize(
    ("name", "head", "vocabulary", "derived"),
    [
        ("lm_head.weight", True, True, False),
        ("embed_out.weight", True, True, False),
        ("model.embed_tokens.weight", False, True, False),
        ("wpe.weight", False, False, False),
        ("model.norm.weight", False, False, False),
        ("output.weight", True, True, False),
        ("transformer.output_layer.weight", True, True, False),
        ("model.tok_embeddings.weight", False, True, False),
        ("bert.encoder.layer.0.output.weight", False, False, False),
        ("model.layers.0.self_attn.rotary_emb.inv_freq", False, False, True),
        ("h.0.attn.masked_bias", False, False, True),
        ("gpt_neox.layers.0.attention.masked_bias", False, False, True),
    ],
)
def test_roles(name, head, vocabulary, derived):
    assert (is_head(name), is_vocabulary(name), is_derived(name)) == (head, vocabulary, derived)


@pytest.mark.parametrize(
    "name",
    [
        "visual.blocks.0.attn.qkv.weight",
        "model.vision_tower.embeddings.patch.weight",
        "audio_tower.conv1.weight",
        "multi_modal_projector.linear_1.weight",
        "model.mm_projector.0.weight",
        "transformer.embedding.word_embeddings.weight",
    ],
)
def test_what_feeds_the_layers_stands_before_them(name):
    layout = layout_of([*LLAMA, name], 2)
    assert layout.before == (LLAMA[0], name)
    assert layout.after == (LLAMA[3], LLAMA[4])


def test_layers_that_predict_further_tokens_stand_after_the_others():
    names = [f"model.layers.{i}.mlp.up_proj.weight" for i in range(3)]
    layout = layout_of(names, 2, 1)
    assert (layout.stack, layout.count, layout.after) == ("model.layers", 2, (names[2],))
    assert layout.by_layer == {0: ("mlp.up_proj.weight",), 1: ("mlp.up_proj.weight",)}
    assert layout_of(names, 2).stack is None
    assert layout_of(names[:2], 2, 1).count == 2
