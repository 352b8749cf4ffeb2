"""Which stored tensors each output tensor is made of; where it matters, by the bytes of a real merge."""

from __future__ import annotations

import families
import pytest
import reference
import torch

from engine.errors import RecipeError

SHAPE = families.Shape(layers=4)
EMBEDDING, HEAD, NORM = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"


def untied(seed):
    return families.random_tensors(SHAPE, seed)


def tied(seed):
    return {name: tensor for name, tensor in untied(seed).items() if name != HEAD}


def two(first="./a", second="./b", t="0.5", more=""):
    models = f"models:\n  - model: {first}\n  - model: {second}\n"
    return f"{models}merge_method: slerp\nbase_model: {first}\nparameters: {{t: {t}}}\n{more}"


def stack(*slices, more=""):
    parts = "".join(
        f"  - sources:\n      - model: {model}\n        layer_range: [{start}, {stop}]\n"
        for model, start, stop in slices
    )
    return f"slices:\n{parts}merge_method: passthrough\n{more}"


def same(tensor, other):
    return tensor.dtype == other.dtype and torch.equal(tensor.view(torch.int16), other.view(torch.int16))


def notes(plan):
    return [(f.id, f.message, f.line, f.column) for f in plan.findings if f.level == "note"]


def test_a_head_that_a_tied_model_stores_is_ignored_with_a_note(bench):
    a, b = untied(1), tied(2)
    bench.model("a", a, tie_word_embeddings=True)
    bench.model("b", b, tie_word_embeddings=True)
    made = bench.merge(two(t="1"))
    assert made.tensors.keys() == b.keys()
    assert all(same(made.tensors[name], b[name]) for name in b)
    assert made.config["tie_word_embeddings"] is True
    assert notes(made.plan) == [
        ("tied-head-ignored", "./a ties its head to its embedding, so the stored 'lm_head.weight' is ignored", 2, 12)
    ]


def test_the_head_of_a_tied_model_is_its_embedding_where_the_other_is_not_tied(bench):
    a, b = bench.model("a", tied(1), tie_word_embeddings=True), bench.model("b", untied(2))
    made = bench.merge(two(t="0.25"))
    assert made.config["tie_word_embeddings"] is False
    assert reference.same_share(made.tensors[HEAD], reference.slerp(a[EMBEDDING], b[HEAD], 0.25)) == 1
    assert reference.same_share(made.tensors[EMBEDDING], reference.slerp(a[EMBEDDING], b[EMBEDDING], 0.25)) == 1


def test_a_stack_that_ends_in_a_tied_model_gets_that_models_embedding_as_its_head(bench):
    a, b = bench.model("a", untied(1)), bench.model("b", tied(2), tie_word_embeddings=True)
    made = bench.merge(stack(("./a", 0, 2), ("./b", 2, 4)))
    assert made.config["tie_word_embeddings"] is False
    assert same(made.tensors[HEAD], b[EMBEDDING])
    assert same(made.tensors[EMBEDDING], a[EMBEDDING])
    assert same(made.tensors[NORM], b[NORM])


def test_a_stack_with_an_untied_model_in_its_middle_is_not_tied(bench):
    a, _ = bench.model("a", tied(1), tie_word_embeddings=True), bench.model("b", untied(2))
    made = bench.merge(stack(("./a", 0, 2), ("./b", 1, 2), ("./a", 2, 4)))
    assert made.config["tie_word_embeddings"] is False
    assert same(made.tensors[HEAD], a[EMBEDDING])


def test_a_stack_of_tied_models_is_tied(bench):
    bench.model("a", tied(1), tie_word_embeddings=True)
    bench.model("b", tied(2), tie_word_embeddings=True)
    made = bench.merge(stack(("./a", 0, 2), ("./b", 2, 4)))
    assert made.config["tie_word_embeddings"] is True
    assert HEAD not in made.tensors


def test_a_base_that_is_not_listed_takes_part_as_if_it_were(bench):
    base = bench.model("base", untied(1))
    for seed, name in enumerate("ab", 2):
        bench.model(name, families.tuned(base, seed))
    tunes = "  - model: ./a\n    parameters: {weight: 0.7}\n  - model: ./b\n    parameters: {weight: 0.5}\n"
    rest = "merge_method: ties\nbase_model: ./base\nparameters: {density: 0.5}\n"
    listed = bench.merge(f"models:\n  - model: ./base\n{tunes}{rest}")
    added = bench.merge(f"models:\n{tunes}{rest}", out="added")
    assert all(same(added.tensors[name], listed.tensors[name]) for name in base)


def test_an_unlisted_base_of_a_method_without_that_role_is_one_more_model(bench):
    a, base = bench.model("a", untied(1)), bench.model("base", untied(2))
    text = "models:\n  - model: ./a\n    parameters: {weight: 0.7}\nmerge_method: linear\nbase_model: ./base\n"
    made = bench.merge(text + "parameters: {weight: 0.45}\n")
    for name in a:
        expected = reference.linear([a[name], base[name]], [0.7, 0.45])
        torch.testing.assert_close(made.tensors[name].double(), expected, rtol=2**-8, atol=0)


def test_each_slice_may_have_a_base_of_its_own(bench):
    a, b = bench.model("a", untied(1)), bench.model("b", untied(2))
    sources = "      - model: ./a\n        layer_range: [{0}]\n      - model: ./b\n        layer_range: [{0}]\n"
    text = (
        f"slices:\n  - sources:\n{sources.format('0, 2')}    base_model: ./b\n  - sources:\n{sources.format('2, 4')}"
        "merge_method: slerp\nbase_model: ./a\nparameters: {t: 0}\n"
    )
    made = bench.merge(text)
    for name, tensor in made.tensors.items():
        early = any(part in name for part in ("embed_tokens", "layers.0.", "layers.1."))
        assert same(tensor, (b if early else a)[name]), name


def test_a_last_slice_of_no_layers_chooses_the_head(bench):
    a, b = bench.model("a", untied(1)), bench.model("b", untied(2))
    made = bench.merge(stack(("./a", 0, 4), ("./b", 4, 4)))
    assert made.config["num_hidden_layers"] == 4
    assert made.tensors.keys() == a.keys()
    for name, tensor in made.tensors.items():
        assert same(tensor, (b if name in {HEAD, NORM} else a)[name]), name


def test_a_base_that_only_lends_gives_a_stack_its_config_and_tokenizer(bench):
    a, _ = bench.model("a", untied(1)), bench.model("base", untied(2), rope_theta=1e6)
    (bench.root / "base" / "tokenizer.json").write_text("{}")
    made = bench.merge(stack(("./a", 0, 2), ("./a", 1, 3), more="base_model: ./base\n"))
    assert made.config == families.config_of(SHAPE, rope_theta=1e6)
    assert (made.folder / "tokenizer.json").read_text() == "{}"
    assert all(same(made.tensors[name], a[name.replace("s.2.", "s.1.").replace("s.3.", "s.2.")]) for name in a)


def test_a_base_that_lends_a_config_which_does_not_fit_is_refused(bench):
    bench.model("a", untied(1))
    wide = families.Shape(layers=4, width=32)
    bench.model("base", families.random_tensors(wide, 2) | {"model.extra.weight": torch.zeros(2)}, wide)
    with pytest.raises(RecipeError) as caught:
        bench.plan(stack(("./a", 0, 2), more="base_model: ./base\n"))
    assert str(caught.value) == (
        "r.yaml:3:9: ./a does not fit ./base: tensor 'model.embed_tokens.weight' is [32, 16] there and [32, 32] here "
        "(and 20 more like it); merge models of the same size\n"
        "r.yaml:3:9: ./a has no tensor 'model.extra.weight', which ./base has; "
        "name models that have the same tensors\n"
        "r.yaml:6:1: `base_model` lends `passthrough` its config and tokenizer only; mergekit refuses it"
    )


def test_derived_tensors_are_left_out_with_a_note(bench):
    table = {f"model.layers.{i}.self_attn.rotary_emb.inv_freq": torch.ones(2) for i in range(4)}
    table |= {"model.rotary_emb.inv_freq": torch.ones(2)}
    bench.model("a", untied(1) | table)
    bench.model("b", untied(2))
    made = bench.merge(two())
    assert made.tensors.keys() == untied(1).keys()
    assert notes(made.plan) == [
        (
            "derived-dropped",
            "tensor 'model.layers.0.self_attn.rotary_emb.inv_freq' of ./a (and 4 more like it) holds what the model "
            "computes by itself and is left out",
            2,
            12,
        )
    ]


def test_equal_integers_are_copied_and_never_computed_with(bench):
    ids = {"model.layers.1.ids": torch.tensor([3, 1, 2**62]), "model.mask": torch.tensor([True, False])}
    bench.model("a", untied(1) | ids)
    bench.model("b", untied(2) | ids)
    made = bench.merge(two(more="dtype: float16\n"))
    for name, tensor in ids.items():
        assert made.tensors[name].dtype == tensor.dtype
        assert torch.equal(made.tensors[name], tensor)
    assert {t.dtype for name, t in made.tensors.items() if name not in ids} == {torch.float16}


@pytest.mark.parametrize(
    ("first", "second", "asked", "expected"),
    [
        (torch.bfloat16, torch.bfloat16, "", torch.bfloat16),
        (torch.bfloat16, torch.float16, "", torch.float32),
        (torch.float16, torch.float32, "", torch.float32),
        (torch.bfloat16, torch.float64, "", torch.float64),
        (torch.bfloat16, torch.bfloat16, "dtype: float16\n", torch.float16),
        (torch.float32, torch.float32, "dtype: float32\nout_dtype: bfloat16\n", torch.bfloat16),
        (torch.float32, torch.float32, "out_dtype: float16\n", torch.float16),
    ],
)
def test_the_output_dtype(bench, first, second, asked, expected):
    a = bench.model("a", families.random_tensors(SHAPE, 1, first))
    b = bench.model("b", families.random_tensors(SHAPE, 2, second))
    made = bench.merge(two(more=asked))
    assert {tensor.dtype for tensor in made.tensors.values()} == {expected}
    assert made.config["torch_dtype"] == str(expected).removeprefix("torch.")
    # inputs are read as they are stored, and the formula's value is rounded once
    for name in a:
        exact = reference.slerp(a[name], b[name], 0.5)
        if expected == torch.float64:
            torch.testing.assert_close(made.tensors[name], exact, rtol=1e-14, atol=1e-16)
        else:
            assert reference.same_share(made.tensors[name], exact) >= 0.99, name


def vision_language(seed, projector=True):
    text = {
        (
            name.replace("model.", "language_model.model.", 1)
            if name.startswith("model.")
            else f"language_model.{name}"
        ): t
        for name, t in untied(seed).items()
    }
    generator = torch.Generator().manual_seed(seed + 100)
    tower = {
        f"vision_tower.encoder.layers.{i}.q_proj.weight": torch.randn(3, 3, generator=generator).bfloat16()
        for i in range(4)
    }
    bridge = {"multi_modal_projector.linear.weight": torch.randn(16, 3, generator=generator).bfloat16()}
    return tower | (bridge if projector else {}) | text


VISION = {"architectures": ["LlavaForConditionalGeneration"], "vision_config": {"num_hidden_layers": 4}}


def vision_config(**text):
    part = {key: value for key, value in families.config_of(SHAPE).items() if key != "architectures"} | text
    return VISION | {"model_type": "llava", "text_config": part}


def write_vision(bench, name, tensors):
    families.write_model(bench.root / name, tensors, vision_config())
    (bench.root / name / "preprocessor_config.json").write_text("{}")
    return tensors


def test_a_vision_language_model_merges_its_layers_and_carries_its_tower(bench):
    a, b = (write_vision(bench, name, vision_language(seed)) for seed, name in enumerate("ab"))
    made = bench.merge(two(t="[0, 1]"))
    assert made.tensors.keys() == a.keys()
    # only the language model's layers have a depth: everything else takes the gradient's first value
    for name, tensor in made.tensors.items():
        layer = int(name.split(".")[3]) if name.startswith("language_model.model.layers.") else 0
        assert reference.same_share(tensor, reference.slerp(a[name], b[name], layer / 3)) == 1, name
    assert made.config == vision_config() | {"torch_dtype": "bfloat16"}
    assert (made.folder / "preprocessor_config.json").is_file()


def test_a_stack_of_vision_language_models_takes_tower_and_bridge_from_the_first(bench):
    a, b = (write_vision(bench, name, vision_language(seed)) for seed, name in enumerate("ab"))
    made = bench.merge(stack(("./a", 0, 3), ("./b", 1, 4)))
    assert made.config == vision_config(num_hidden_layers=6) | {"torch_dtype": "bfloat16"}
    for name in ("vision_tower.encoder.layers.3.q_proj.weight", "multi_modal_projector.linear.weight"):
        assert same(made.tensors[name], a[name])
    last = "language_model.model.layers.{}.mlp.up_proj.weight"
    assert same(made.tensors[last.format(5)], b[last.format(3)])
    assert same(made.tensors["language_model.lm_head.weight"], b["language_model.lm_head.weight"])


def test_a_tower_that_one_model_lacks_is_never_lost_in_silence(bench):
    write_vision(bench, "a", vision_language(1, projector=False))
    write_vision(bench, "b", vision_language(2))
    with pytest.raises(RecipeError) as caught:
        bench.plan(two())
    assert str(caught.value) == (
        "r.yaml:2:5: ./a has no tensor 'multi_modal_projector.linear.weight', which ./b has; "
        "name models that have the same tensors"
    )


def test_layers_that_predict_further_tokens_keep_their_place(bench):
    deep = families.Shape(layers=5)
    a, b = families.random_tensors(deep, 1), families.random_tensors(deep, 2)
    for name, tensors in (("a", a), ("b", b)):
        bench.model(name, tensors, num_nextn_predict_layers=1)
    plan = bench.plan(two(t="[0, 1]"))
    assert plan.layers == 4
    t = {tensor.name: tensor.mixture.parameters["t"] for tensor in plan.tensors}
    assert t["model.layers.3.mlp.up_proj.weight"] == 1
    assert t["model.layers.4.mlp.up_proj.weight"] == 0
    assert t.keys() == a.keys()
    with pytest.raises(RecipeError) as caught:
        bench.plan(stack(("./a", 0, 4), ("./b", 2, 4)))
    assert str(caught.value) == (
        "r.yaml:1:1: ./a stores 1 layers behind its 4 to predict further tokens, and the result would have 6 layers; "
        "such a model keeps its number of layers; let the slices add up to 4 layers"
    )


def test_a_model_of_layers_that_share_their_weights_merges_as_a_whole(bench):
    shared = {"albert.embed.weight": torch.ones(4, 4), "albert.groups.0.ffn.weight": torch.ones(4, 4)}
    for name in "ab":
        families.write_model(bench.root / name, shared, {"model_type": "albert", "num_hidden_layers": 12})
    plan = bench.plan(two())
    assert {tensor.name for tensor in plan.tensors} == shared.keys()
    assert plan.layers is None
    assert plan.config["num_hidden_layers"] == 12


def test_the_number_of_rows_of_the_embedding_is_what_the_config_says(bench):
    bench.model("a", untied(1), vocab_size=30)
    bench.model("b", untied(2))
    assert bench.plan(two()).config["vocab_size"] == 32


def test_per_layer_lists_are_put_together_again(bench):
    bench.model("a", untied(1), layer_types=["full", "sliding", "full", "sliding"], eos_token_id=[1, 2, 3, 4])
    bench.model("b", untied(2), layer_types=["a", "b", "c", "d"])
    plan = bench.plan(stack(("./a", 0, 3), ("./b", 2, 4)))
    assert plan.config["layer_types"] == ["full", "sliding", "full", "c", "d"]
    assert plan.config["eos_token_id"] == [1, 2, 3, 4]
    assert plan.config["num_hidden_layers"] == 5
    assert bench.plan(two()).config["layer_types"] == ["full", "sliding", "full", "sliding"]


def test_a_per_layer_list_that_one_model_does_not_have_is_dropped(bench):
    bench.model("a", untied(1), layer_types=["full", "sliding", "full", "sliding"])
    bench.model("b", untied(2))
    assert "layer_types" not in bench.plan(stack(("./a", 0, 3), ("./b", 2, 4))).config
