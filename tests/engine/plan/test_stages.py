"""A stage as a model of others: its config, layers, tensors and types, and every check, at each level."""

from __future__ import annotations

import json
from pathlib import Path

import families
import pytest
import reference
import torch

from engine import commands
from engine.errors import LockError, RecipeError, TensorError
from engine.events import silent
from engine.hub_client import Hub
from engine.plan.lock import lock_of
from engine.plan.plan import Input, Mixture

SHAPE = families.Shape(layers=4)
EMBEDDING, HEAD, NORM = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"
UP = "model.layers.{}.mlp.up_proj.weight"


def text(*documents):
    return "---\n".join(documents)


def slerp(name, base, other, t="0.5", more=""):
    named = f"name: {name}\n" if name else ""
    models = f"models:\n  - model: {base}\n  - model: {other}\n"
    return f"{named}merge_method: slerp\nbase_model: {base}\n{models}parameters: {{t: {t}}}\n{more}"


def stack(name, *slices, more=""):
    named = f"name: {name}\n" if name else ""
    parts = "".join(
        f"  - sources:\n      - model: {model}\n        layer_range: [{start}, {stop}]\n"
        for model, start, stop in slices
    )
    return f"{named}merge_method: passthrough\nslices:\n{parts}{more}"


def same(tensor, other):
    return tensor.dtype == other.dtype and torch.equal(tensor.view(torch.int16), other.view(torch.int16))


def rounded(tensor, exact):
    return reference.same_share(tensor, exact) == 1


@pytest.fixture
def models(bench):
    base = families.random_tensors(SHAPE, 1)
    return {name: bench.model(name, families.tuned(base, seed)) for seed, name in enumerate("abcd")}


def refused(bench, written, **options):
    with pytest.raises(RecipeError) as caught:
        bench.plan(written, **options)
    return [f"{finding.level} {finding.line_for('r').removeprefix('r:')}" for finding in caught.value.findings]


def test_a_slerp_of_slerps(bench, models):
    made = bench.merge(
        text(slerp("left", "./a", "./b"), slerp("right", "./c", "./d", "0.3"), slerp("", "left", "right"))
    )
    assert made.plan.findings == ()
    assert made.tensors.keys() == models["a"].keys()
    for name, tensor in made.tensors.items():
        left = reference.slerp(models["a"][name], models["b"][name], 0.5)
        right = reference.slerp(models["c"][name], models["d"][name], 0.3)
        assert rounded(tensor, reference.slerp(left, right, 0.5)), name
    assert [pin.ref for pin in made.plan.models] == ["./a", "./b", "./c", "./d"]
    mixture = made.plan.tensors[0].mixture
    assert (mixture.stage, [inner.stage for inner in mixture.inner]) == ("", ["left", "right"])


def test_the_layers_of_a_stage_are_numbered_anew(bench, models):
    """Six layers of two models, then one slice of them between two layers of a third."""
    deep = stack("deep", ("./a", 0, 3), ("./b", 1, 4))
    made = bench.merge(text(deep, stack("", ("./c", 0, 1), ("deep", 2, 5), ("./c", 3, 4))))
    assert made.config["num_hidden_layers"] == made.plan.layers == 5
    for layer, (model, own) in enumerate([("c", 0), ("a", 2), ("b", 1), ("b", 2), ("c", 3)]):
        assert same(made.tensors[UP.format(layer)], models[model][UP.format(own)]), layer
    assert same(made.tensors[EMBEDDING], models["c"][EMBEDDING])


def test_before_and_after_the_layers_a_stage_gives_what_its_slices_do(bench, models):
    deep = stack("deep", ("./a", 0, 3), ("./b", 1, 4))
    made = bench.merge(text(deep, stack("", ("deep", 0, 6))))
    assert same(made.tensors[EMBEDDING], models["a"][EMBEDDING])
    assert same(made.tensors[HEAD], models["b"][HEAD])
    assert same(made.tensors[NORM], models["b"][NORM])


def test_stacked_layers_are_copied_through_stages(bench, models):
    deep = stack("deep", ("./a", 0, 3), ("./b", 1, 4))
    plan = bench.plan(text(deep, stack("deeper", ("deep", 0, 6), ("deep", 4, 6)), stack("", ("deeper", 1, 8))))
    assert {tensor.reading for tensor in plan.tensors} == {"copy"}
    assert {len(tensor.inputs) for tensor in plan.tensors} == {1}
    assert plan.cost.bytes_read == sum(tensor.nbytes for tensor in plan.tensors)
    # layer 6 of the result is layer 7 of deeper, 5 of deep, 3 of b
    (tensor,) = (tensor for tensor in plan.tensors if tensor.name == UP.format(6))
    assert tensor.mixture.sources == (Input(1, UP.format(3), "bfloat16", 24 * 16 * 2),)


def test_layers_of_merged_stages_are_stacked(bench, models):
    made = bench.merge(
        text(
            slerp("ab", "./a", "./b", "[0, 1]"),
            slerp("cd", "./c", "./d", "0.25"),
            stack("", ("ab", 0, 4), ("cd", 2, 4)),
        )
    )
    assert made.config["num_hidden_layers"] == 6
    for layer in range(6):
        pair, t, own = (("a", "b"), layer / 3, layer) if layer < 4 else (("c", "d"), 0.25, layer - 2)
        one, other = (models[model][UP.format(own)] for model in pair)
        assert rounded(made.tensors[UP.format(layer)], reference.slerp(one, other, t)), layer


def test_a_gradient_runs_over_the_layers_of_its_own_stage(bench, models):
    """Three layers, t = 0, ½, 1, which are layers 1 to 3 of a result whose own t runs over all four."""
    ranges = "".join(f"      - {{model: ./{name}, layer_range: [1, 4]}}\n" for name in "ab")
    upper = (
        f"name: upper\nmerge_method: slerp\nbase_model: ./a\nslices:\n  - sources:\n{ranges}parameters: {{t: [0, 1]}}\n"
    )
    whole = stack("whole", ("./c", 0, 1), ("upper", 0, 3))
    made = bench.merge(text(upper, whole, slerp("", "whole", "./d", "[1, 0]")))
    for layer in range(4):
        one, other = models["a"][UP.format(layer)], models["b"][UP.format(layer)]
        inner = reference.slerp(one, other, (layer - 1) / 2) if layer else models["c"][UP.format(0)]
        expected = reference.slerp(inner, models["d"][UP.format(layer)], 1 - layer / 3)
        assert rounded(made.tensors[UP.format(layer)], expected), layer


def test_filters_see_the_names_of_the_stage(bench, models):
    """Layer 0 of the stage is layer 2 of its model: per-model filters see the former, as the name that goes in."""
    upper = stack("upper", ("./a", 2, 4))
    weights = "{weight: [{filter: layers.0., value: 1}, {value: 3}]}"
    sources = (
        f"      - {{model: upper, layer_range: [0, 2], parameters: {weights}}}\n"
        "      - {model: ./b, layer_range: [2, 4], parameters: {weight: 1}}\n"
    )
    made = bench.merge(text(upper, f"merge_method: linear\nslices:\n  - sources:\n{sources}"))
    for layer, weight in ((0, 1), (1, 3)):
        expected = reference.linear([models[name][UP.format(layer + 2)] for name in "ab"], [weight, 1])
        assert rounded(made.tensors[UP.format(layer)], expected), layer


def test_a_stage_may_be_used_again_and_again(bench, models):
    """Once as a base, once beside it, and once more on the next level."""
    middle = (
        "name: middle\nmerge_method: linear\nmodels:\n"
        "  - {model: left, parameters: {weight: 1}}\n  - {model: ./c, parameters: {weight: 1}}\n"
    )
    made = bench.merge(text(slerp("left", "./a", "./b", "0.4"), middle, slerp("", "left", "middle")))
    for name, tensor in made.tensors.items():
        left = reference.slerp(models["a"][name], models["b"][name], 0.4)
        assert rounded(tensor, reference.slerp(left, (left + models["c"][name].double()) / 2, 0.5)), name
    assert made.plan.cost.bytes_read == 3 * sum(tensor.nbytes for tensor in made.plan.tensors)


def test_a_base_that_is_a_stage(bench, models):
    arithmetic = (
        "merge_method: task_arithmetic\nbase_model: left\nmodels:\n  - {model: ./c, parameters: {weight: 0.5}}\n"
    )
    made = bench.merge(text(slerp("left", "./a", "./b"), arithmetic))
    for name, tensor in made.tensors.items():
        left = reference.slerp(models["a"][name], models["b"][name], 0.5)
        assert rounded(tensor, reference.task_vectors(left, [models["c"][name]], [0.5])), name


TYPES = {
    "what goes in": ("", "", "bfloat16"),
    "the stage's own": ("dtype: float32\n", "", "float32"),
    "the stage's own, rounded": ("dtype: float64\nout_dtype: float16\n", "", "float32"),
    "the result's": ("dtype: float32\n", "dtype: float16\n", "float16"),
}


@pytest.mark.parametrize("case", TYPES)
def test_a_stage_counts_as_the_type_that_it_would_have(bench, models, case):
    inner, outer, expected = TYPES[case]
    plan = bench.plan(text(slerp("left", "./a", "./b", more=inner), slerp("", "left", "./c", more=outer)))
    assert {tensor.dtype for tensor in plan.tensors} == {expected}
    rounds = "float16" if "out_dtype" in inner else None
    assert {tensor.mixture.inner[0].dtype for tensor in plan.tensors} == {rounds}
    assert {tensor.mixture.dtype for tensor in plan.tensors} == {None}


def test_a_type_alone_does_not_keep_bytes_from_being_copied(bench, models):
    kept = stack("kept", ("./a", 0, 4), more="dtype: float32\n")
    made = bench.merge(text(kept, stack("", ("kept", 0, 4), more="dtype: bfloat16\n")))
    assert {tensor.reading for tensor in made.plan.tensors} == {"copy"}
    assert all(same(made.tensors[name], tensor) for name, tensor in models["a"].items())
    made = bench.merge(text(kept, stack("", ("kept", 0, 4))), out="wide")
    assert all(torch.equal(made.tensors[name], tensor.float()) for name, tensor in models["a"].items())


def test_a_stack_that_is_rounded_is_no_copy(bench, models):
    narrow = stack("narrow", ("./a", 0, 4), more="out_dtype: float16\n")
    made = bench.merge(text(narrow, stack("", ("narrow", 0, 4), more="dtype: float32\n")))
    assert all(torch.equal(made.tensors[name], tensor.half().float()) for name, tensor in models["a"].items())
    mixture = made.plan.tensors[0].mixture
    assert isinstance(mixture.sources[0], Mixture)
    assert (mixture.sources[0].stage, mixture.sources[0].dtype) == ("narrow", "float16")


def test_integers_go_through_stages_where_all_models_agree(bench):
    shape = families.Shape(layers=1)
    for name, ids in (("a", [3, 5]), ("b", [3, 5]), ("c", [3, 5]), ("d", [3, 6])):
        tensors = {"model.ids": torch.tensor(ids), UP.format(0): torch.ones(2, 2)}
        bench.model(name, tensors, shape, num_hidden_layers=1)
    made = bench.merge(text(slerp("left", "./a", "./b", more="out_dtype: float16\n"), slerp("", "left", "./c")))
    assert made.tensors["model.ids"].tolist() == [3, 5]
    (ids,) = (tensor for tensor in made.plan.tensors if tensor.name == "model.ids")
    assert (ids.reading, ids.dtype, [item.model for item in ids.inputs]) == ("equal", "int64", [0, 1, 2])
    with pytest.raises(TensorError, match=r"tensor 'model\.ids' holds int64 values, which are never averaged"):
        bench.merge(text(slerp("left", "./a", "./d"), slerp("", "left", "./c")), out="other")


def test_a_stage_of_tied_models_is_tied(bench, models):
    tied = {name: tensor for name, tensor in models["a"].items() if name != HEAD}
    for name in ("x", "y"):
        bench.model(name, tied, tie_word_embeddings=True)
    inner = slerp("tied", "./x", "./y")
    made = bench.merge(text(inner, slerp("", "tied", "./x")))
    assert made.config["tie_word_embeddings"] is True
    assert HEAD not in made.tensors
    # beside a model that is not tied, its head is its embedding
    made = bench.merge(text(inner, slerp("", "./b", "tied", "0.25")), out="untied")
    assert made.config["tie_word_embeddings"] is False
    assert rounded(made.tensors[HEAD], reference.slerp(models["b"][HEAD], tied[EMBEDDING], 0.25))


def lend(bench, name, who):
    (bench.root / name / "tokenizer_config.json").write_text(json.dumps({"made_by": who}))


@pytest.mark.parametrize(
    ("result", "lender", "base"),
    [
        (slerp("", "left", "./d"), "./a", "./a"),
        (slerp("", "./d", "left"), "./d", "./d"),
        (slerp("", "right", "left"), "./c", None),
        (stack("", ("left", 0, 2), ("./d", 2, 4)), "./a", None),
    ],
)
def test_config_and_tokenizer_come_from_the_first_base_all_the_way_down(bench, models, result, lender, base):
    for name in "abcd":
        lend(bench, name, name)
    right = "name: right\nmerge_method: linear\nmodels: [{model: ./c, parameters: {weight: 1}}]\n"
    used = [slerp("left", "./a", "./b"), *([right] if "right" in result else [])]
    made = bench.merge(text(*used, result))
    refs = [pin.ref for pin in made.plan.models]
    assert refs[made.plan.lender] == lender
    assert (None if made.plan.base is None else refs[made.plan.base]) == base
    assert json.loads((made.folder / "tokenizer_config.json").read_text()) == {"made_by": lender[2:]}
    assert made.config == families.config_of(SHAPE)


FINDINGS = {
    "layers that a stage does not have": (
        text(stack("deep", ("./a", 0, 3), ("./b", 2, 4)), stack("", ("deep", 3, 6))),
        ["error 15:22: layer_range [3, 6] reaches outside deep, which has 5 layers; end it at 5 or before"],
    ),
    "layers that a stage's model does not have": (
        text(stack("deep", ("./a", 0, 3), ("./b", 2, 7)), slerp("", "deep", "./c")),
        ["error 9:22: layer_range [2, 7] reaches outside ./b, which has 4 layers; end it at 4 or before"],
    ),
    "a stage of another number of layers": (
        text(stack("deep", ("./a", 0, 3), ("./b", 2, 4)), slerp("", "deep", "./c")),
        [
            "error 15:5: ./c has 4 layers and deep has 5; under `models:` all must have the same number; "
            "say which layers go together with `slices:`"
        ],
    ),
    "a model of another size, and another in another stage": (
        text(slerp("left", "./a", "./wide"), slerp("right", "./b", "./many"), slerp("", "left", "right")),
        [
            "error 6:5: ./wide does not fit ./a: tensor 'model.embed_tokens.weight' is [32, 32] there and [32, 16] "
            "here (and 38 more like it); merge models of the same size",
            "error 14:5: vocabularies differ: ./b has 32 rows in 'model.embed_tokens.weight' and ./many has 64; they "
            "must be the same; merge models that share one vocabulary (`tokenizer: {source: union}`, which would make "
            "one of both, is not built yet)",
        ],
    ),
    "a stage of another size": (
        text(slerp("wide", "./wide", "./wider"), slerp("", "./a", "wide")),
        [
            "error 13:5: wide does not fit ./a: tensor 'model.embed_tokens.weight' is [32, 32] there and [32, 16] "
            "here (and 38 more like it); merge models of the same size",
        ],
    ),
    "a tensor of a stage that the result would not have": (
        text(
            slerp("extra", "./extra", "./extra2"),
            stack("", ("./a", 0, 2), ("extra", 1, 2), ("./a", 2, 4)),
        ),
        [
            "error 15:9: extra has the tensor 'model.bias', and the result would not: what stands before the layers is "
            "taken from the first slice's models, what stands after them from the last slice's; "
            "name models that have the same tensors",
        ],
    ),
    "a stage that no stage is, in a sound text": (
        text(slerp("left", "./a", "./b"), slerp("middle", "left", "lift"), slerp("", "left", "middle")),
        ["error 14:12: there is no stage `lift`; did you mean `left`?"],
    ),
    "what can be no stage's name by any means": (
        text(slerp("left", "./a", "./b"), slerp("", "left", "gpt2")),
        ["error 13:12: there is no stage `gpt2`; there are `left`; a model on the Hub is `namespace/name`"],
    ),
    "a misspelt stage, once": (
        text(slerp("left", "./a", "./b"), slerp("", "letf", "./c")),
        ["error 12:12: there is no stage `letf`; did you mean `left`?"],
    ),
    "mistakes of text and of models at once": (
        text(slerp("left", "./a", "./wide", "2"), stack("right", ("./b", 0, 9)), slerp("", "left", "right")),
        [
            "error 6:5: ./wide does not fit ./a: tensor 'lm_head.weight' is [32, 32] there and [32, 16] "
            "here (and 38 more like it); merge models of the same size",
            "error 7:17: `t` is `2`, expected a number from 0 to 1; correct the number",
            "error 14:22: layer_range [0, 9] reaches outside ./b, which has 4 layers; end it at 4 or before",
        ],
    ),
    "a folder that is not there": (
        text(slerp("left", "./a", "./b"), slerp("right", "./nowhere", "./c"), slerp("", "left", "right")),
        ["error 13:12: ./nowhere: no such folder; expected `namespace/name` or a folder that exists"],
    ),
    "one model under two names within a stage": (
        text(slerp("left", "./a", "././a"), slerp("", "left", "./c")),
        ["error 6:5: ././a and ./a are the same model; remove one, or call it by one name"],
    ),
}


@pytest.fixture
def misfits(bench, models):
    for name, shape in {"wide": families.Shape(4, width=32), "many": families.Shape(4, vocab=64)}.items():
        bench.model(name, families.random_tensors(shape, 5), shape)
    bench.model("wider", families.random_tensors(families.Shape(4, width=32), 6), families.Shape(4, width=32))
    for name in ("extra", "extra2"):
        bench.model(name, {**models["a"], "model.bias": torch.ones(3)})
    return bench


@pytest.mark.parametrize("case", FINDINGS)
def test_findings_stand_at_the_lines_of_their_stage(misfits, case):
    written, expected = FINDINGS[case]
    assert refused(misfits, written) == expected


def test_a_plain_name_in_one_document_may_be_on_the_hub(bench, models):
    with pytest.raises(AssertionError, match="no model here is on a Hub"):
        bench.plan(slerp("", "./a", "gpt2"))


def test_a_folder_of_a_plain_name_is_a_model(bench, models):
    plan = bench.plan(text(slerp("left", "a", "b"), slerp("", "left", "c")))
    assert [pin.ref for pin in plan.models] == ["a", "b", "c"]
    # unless it is a stage's
    plan = bench.plan(text(slerp("a", "./a", "b"), slerp("", "a", "c")))
    assert [pin.ref for pin in plan.models] == ["./a", "b", "c"]


def test_what_a_stage_is_made_of_may_differ_only_if_that_is_allowed(bench, models):
    bench.model("llama", models["d"], architectures=["LlamaForCausalLM"], model_type="llama")
    written = text(slerp("odd", "./llama", "./llama2"), slerp("", "./a", "odd"))
    bench.model("llama2", models["c"], architectures=["LlamaForCausalLM"], model_type="llama")
    told = "13:12: odd is a LlamaForCausalLM and ./a a MistralForCausalLM"
    assert refused(bench, written) == [
        f"error {told}; models of one merge must have the same architecture; name models of one architecture, "
        "or pass --allow-crimes if you know they fit"
    ]
    (warned,) = bench.plan(written, allow_crimes=True).findings
    assert f"{warned.line}:{warned.column}: {warned.message}" == f"{told}, which --allow-crimes lets pass"


def test_each_stored_tensor_is_read_once_where_it_is_held(bench, models):
    written = text(slerp("left", "./a", "./b"), slerp("right", "./c", "./b"), slerp("", "left", "right"))
    plan = bench.plan(written)
    whole = sum(tensor.nbytes for tensor in plan.tensors)
    assert {tensor.reading for tensor in plan.tensors} == {"hold"}
    assert plan.cost.bytes_read == 3 * whole
    # read again: left and right each measure two models, the result measures all three and blends them
    again = bench.plan(written, memory=0)
    assert {tensor.reading for tensor in again.tensors} == {"again"}
    assert again.cost.bytes_read == (2 + 2 + 3 + 3) * whole
    # a measure far down is one too
    outer = "merge_method: linear\nparameters: {weight: 1}\nmodels: [{model: left}, {model: ./c}]\n"
    plan = bench.plan(text(slerp("left", "./a", "./b"), outer), memory=0)
    assert {tensor.reading for tensor in plan.tensors} == {"again"}
    assert plan.cost.bytes_read == (2 + 3) * whole


def test_the_lock_pins_the_stored_models(bench, models):
    path = bench.recipe(text(slerp("left", "./a", "./b"), slerp("", "left", "./c")))
    _, plan = commands.write_lock(path, None, bench.options)
    assert [pin.ref for pin in lock_of(plan).models] == ["./a", "./b", "./c"]
    assert commands.check_lock(path, None, bench.options).plan.digest == plan.digest
    path.write_text(path.read_text().replace("0.5", "0.4", 1))
    with pytest.raises(LockError, match="the recipe changed since it was locked"):
        commands.check_lock(path, None, bench.options)


def test_only_the_name_of_a_stage_with_random_streams_need_matter_but_all_count(bench, models):
    first = bench.plan(text(slerp("left", "./a", "./b"), slerp("", "left", "./c")))
    renamed = bench.plan(text(slerp("first", "./a", "./b"), slerp("", "first", "./c")))
    turned = bench.plan(text(slerp("", "left", "./c"), slerp("left", "./a", "./b")))
    assert first.weights_digest == turned.weights_digest != renamed.weights_digest
    assert first.digest == turned.digest


def test_many_levels_are_planned_at_once(bench, models):
    """63 stages on top of each other: nothing is worked out again for each level above it."""
    chain = [slerp(f"s{n}", f"s{n + 1}", "./b") for n in range(62)]
    plan = bench.plan(text(slerp("", "s0", "./c"), *chain, slerp("s62", "./a", "./d")))
    assert [pin.ref for pin in plan.models] == ["./a", "./d", "./b", "./c"]
    assert len(plan.tensors[0].inputs) == 4


def test_local_models_in_a_stage_are_not_published(bench, models, devhub):
    path = bench.recipe(text(slerp("left", "./a", "./b"), slerp("", "left", "./c", more="publish: {repo: me/it}\n")))
    with pytest.raises(RecipeError) as caught:
        commands.publish(path, lambda: Hub(endpoint=devhub.endpoint, token=None), bench.options, silent)
    assert [(finding.id, finding.line, finding.column) for finding in caught.value.findings] == [
        ("local-model", 5, 12),
        ("local-model", 6, 12),
        ("local-model", 13, 12),
    ]


def test_nothing_but_the_result_is_written(bench, models):
    before = {path for path in Path().rglob("*") if path.is_file()}
    made = bench.merge(text(slerp("left", "./a", "./b"), slerp("", "left", "./c")))
    written = {path for path in Path().rglob("*") if path.is_file()} - before - {Path("r.yaml")}
    assert {path.parent for path in written} == {made.folder.relative_to(bench.root)}
    assert [path.name for path in sorted(written) if path.suffix == ".safetensors"] == ["model.safetensors"]
