"""Every mistake in a recipe is refused by ``plan``: what stderr then says, to the letter, and exit status 2.

One mistake is one line, and all mistakes come at once. No weight is read: reading one fails these tests.
"""

from __future__ import annotations

import json
from pathlib import Path

import families
import pytest
import torch

from engine import cli
from engine.checkpoints.hub import HubCheckpoint
from engine.checkpoints.local import LocalCheckpoint
from engine.hub_client import Hub

SHAPE = families.Shape(layers=4)
NUMBERS = torch.arange(4)


def biased(tensors, layers):
    return tensors | {
        f"model.layers.{i}.self_attn.q_proj.bias": torch.zeros(16, dtype=torch.bfloat16) for i in range(layers)
    }


def without(tensors, part):
    return {name: tensor for name, tensor in tensors.items() if part not in name}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """Folders of small models, sound and unsound, named for what they are."""
    root = tmp_path_factory.mktemp("models")
    base = families.random_tensors(SHAPE, 1)
    config = families.config_of(SHAPE)

    def write(name, tensors, changes=None, shape=SHAPE):
        return families.write_model(root / name, tensors, families.config_of(shape, **(changes or {})))

    for seed, name in enumerate(("base", "a", "b", "c")):
        write(name, families.tuned(base, seed) if seed else base)
    for name, shape in {
        "shallow": families.Shape(layers=2),
        "wide": families.Shape(layers=4, width=32, inner=48, vocab=40),
        "vocab40": families.Shape(layers=4, vocab=40),
    }.items():
        write(name, families.random_tensors(shape, 9), shape=shape)
    write("llama", base, {"architectures": ["LlamaForCausalLM"]})
    three = families.Shape(layers=3)
    write("qwen", biased(families.random_tensors(three, 9), 3), {"architectures": ["Qwen2ForCausalLM"]}, three)
    write("bias", biased(base, 4))
    write("hole", without(base, "layers.2.mlp.up_proj"))
    write("cut-off", without(base, "layers.3."))
    write("classifier", base | {"score.weight": torch.zeros(2, 16, dtype=torch.bfloat16)})
    write("numbered", base | {"model.ids": NUMBERS})
    write("renumbered", base | {"model.ids": NUMBERS + 1})
    write("floated", base | {"model.ids": NUMBERS.to(torch.bfloat16)})
    write("awq", base, {"quantization_config": {"quant_method": "awq"}})
    write("gptq", base | {"model.layers.0.mlp.up_proj.qweight": torch.zeros(2, 2, dtype=torch.int32)})
    write("float8", base | {"lm_head.weight": torch.zeros(32, 16).to(torch.float8_e4m3fn)})
    (write("pickle", base) / "model.safetensors").rename(root / "pickle" / "pytorch_model.bin")
    (root / "empty").mkdir()
    (root / "config-only").mkdir()
    (root / "config-only" / "config.json").write_text(json.dumps(config))
    return root


@pytest.fixture
def plan(models, tmp_path, monkeypatch, capsys):
    """Plan a recipe beside the models' folders; returns exit status, lines on stderr, and findings."""

    def refuse(*_args):
        raise AssertionError("a weight was read")

    monkeypatch.setattr(LocalCheckpoint, "read", refuse)
    monkeypatch.setattr(HubCheckpoint, "read", refuse)
    monkeypatch.chdir(models)

    def run(text: str, *flags: str):
        recipe = tmp_path / "r.yaml"
        recipe.write_text(text)
        status = cli.run(["plan", str(recipe), "--format", "json", *flags])
        out, err = capsys.readouterr()
        lines = [line.removeprefix(f"{tmp_path}/") for line in err.splitlines()]
        return status, lines, json.loads(out)["recipes"][0]["findings"]

    return run


def two(model: str, method: str = "slerp") -> str:
    return f"""\
models:
  - model: ./a
  - model: {model}
merge_method: {method}
base_model: ./a
parameters:
  t: 0.5
"""


def stack(first: str, second: str) -> str:
    return f"""\
slices:
  - sources:
      - model: {first}
        layer_range: [0, 2]
  - sources:
      - model: {second}
        layer_range: [1, 3]
merge_method: passthrough
"""


SAME_TENSORS = "name models that have the same tensors"
ONE_ARCHITECTURE = (
    "models of one merge must have the same architecture; "
    "name models of one architecture, or pass --allow-crimes if you know they fit"
)
ONE_VOCABULARY = (
    "they must be the same; merge models that share one vocabulary (`tokenizer: {source: union}`, which would make "
    "one of both, is not built yet)"
)

TEXTS = {
    "unknown key": (
        "merge_metod: linear\nmodels:\n  - model: ./a\n    parameters: {weight: 1}\n",
        ["1:1: `merge_metod` is no key of a recipe; did you mean `merge_method`?"],
    ),
    "misplaced key": (
        "merge_method: linear\nmodels:\n  - model: ./a\n    weight: 1\n",
        ["4:5: `weight` is no key of a model under `models:`; put it under this model's `parameters:`"],
    ),
    "unknown method": (
        "merge_method: tise\nbase_model: ./base\nmodels:\n  - model: ./a\n    parameters: {weight: 1}\n",
        ["1:15: `tise` is no merge method; did you mean `ties`?"],
    ),
    "missing parameter": (
        "merge_method: ties\nbase_model: ./base\nmodels:\n  - model: ./base\n  - model: ./a\n",
        ["5:5: `./a` has no `weight`, which `ties` needs; add `parameters: {weight: …}` to it"],
    ),
    "parameter out of range": (
        "merge_method: slerp\nbase_model: ./a\nmodels:\n  - model: ./a\n  - model: ./b\nparameters: {t: 1.5}\n",
        ["6:17: `t` is `1.5`, expected a number from 0 to 1; correct the number"],
    ),
    "too many models": (
        "merge_method: slerp\nbase_model: ./a\nmodels:\n  - model: ./a\n  - model: ./b\n  - model: ./c\n"
        "parameters: {t: 0.5}\n",
        ["3:1: `slerp` takes exactly 1 model besides the base, found 2; keep 1, or choose another method"],
    ),
    "missing base": (
        "merge_method: ties\nmodels:\n  - model: ./a\n    parameters: {weight: 1}\n",
        ["1:1: `ties` needs a `base_model`; add `base_model: …`"],
    ),
    "reversed range": (
        stack("./a", "./b").replace("[1, 3]", "[3, 1]"),
        [
            "7:22: `layer_range` ends at 1, before it starts at 3, expected the first layer and the one after the "
            "last; write it as in `[0, 32]`"
        ],
    ),
    "ranges of different length": (
        "slices:\n  - sources:\n      - model: ./a\n        layer_range: [0, 4]\n      - model: ./b\n"
        "        layer_range: [0, 3]\nmerge_method: slerp\nbase_model: ./a\nparameters: {t: 0.5}\n",
        [
            "6:22: `layer_range` has 3 layers, and the slice's first model gives 4; "
            "give the same number of layers of each"
        ],
    ),
    "range outside the model": (
        stack("./a", "./shallow"),
        ["7:22: layer_range [1, 3] reaches outside ./shallow, which has 2 layers; end it at 2 or before"],
    ),
    "no such folder": (
        two("./nothing"),
        ["3:12: ./nothing: no such folder; expected `namespace/name` or a folder that exists"],
    ),
    "no model in the folder": (
        two("./empty"),
        ["3:12: the folder ./empty has no config.json; name a folder that holds a model"],
    ),
    "no weights": (
        two("./config-only"),
        ["3:12: ./config-only has no weights: expected model.safetensors or model.safetensors.index.json"],
    ),
    "pickles only": (
        two("./pickle"),
        ["3:12: ./pickle has its weights as pickles only, which are not read; convert it to safetensors"],
    ),
    "an adapter": (
        two("./a+./b"),
        ["3:12: ./a+./b asks for a LoRA adapter, and adapters are not built yet; name a merged model"],
    ),
    "layers missing": (
        two("./cut-off"),
        [
            "3:12: ./cut-off has 4 layers by its config.json, and its tensors do not show layers 0 to 3; "
            "upload what is missing, or correct its config.json"
        ],
    ),
    "quantised, as the config says": (
        two("./awq"),
        ["3:12: ./awq is quantised (awq), and quantised weights cannot be merged; name the unquantised model"],
    ),
    "quantised, as the names show": (
        two("./gptq"),
        [
            "3:12: ./gptq is quantised (tensor 'model.layers.0.mlp.up_proj.qweight'), and quantised weights cannot "
            "be merged; name the unquantised model"
        ],
    ),
    "quantised to 8-bit floats": (
        two("./float8"),
        ["3:12: ./float8 is quantised (float8), and quantised weights cannot be merged; name the unquantised model"],
    ),
    "one model by two names": (
        two("a"),
        ["3:5: a and ./a are the same model; remove one, or call it by one name"],
    ),
    "another architecture": (
        two("./llama"),
        [f"3:12: ./llama is a LlamaForCausalLM and ./a a MistralForCausalLM; {ONE_ARCHITECTURE}"],
    ),
    "another architecture, first of three": (
        "models:\n  - model: ./llama\n  - model: ./a\n  - model: ./b\nmerge_method: linear\nparameters: {weight: 1}\n",
        [f"2:12: ./llama is a LlamaForCausalLM and ./a a MistralForCausalLM; {ONE_ARCHITECTURE}"],
    ),
    "another architecture that fits nowhere": (
        two("./qwen"),
        [f"3:12: ./qwen is a Qwen2ForCausalLM and ./a a MistralForCausalLM; {ONE_ARCHITECTURE}"],
    ),
    "other layers": (
        two("./shallow"),
        [
            "3:5: ./shallow has 2 layers and ./a has 4; under `models:` all must have the same number; "
            "say which layers go together with `slices:`"
        ],
    ),
    "another size": (
        two("./wide"),
        [
            "3:5: ./wide does not fit ./a: tensor 'model.embed_tokens.weight' is [40, 32] there and [32, 16] here "
            "(and 38 more like it); merge models of the same size"
        ],
    ),
    "another size, stacked": (
        stack("./a", "./wide"),
        [
            "6:9: ./wide does not fit ./a: tensor 'lm_head.weight' is [40, 32] there and [32, 16] here "
            "(and 19 more like it); merge models of the same size"
        ],
    ),
    "another vocabulary": (
        two("./vocab40"),
        [
            "3:5: vocabularies differ: ./a has 32 rows in 'model.embed_tokens.weight' and ./vocab40 has 40; "
            + ONE_VOCABULARY
        ],
    ),
    "another vocabulary, stacked": (
        stack("./a", "./vocab40"),
        [f"6:9: vocabularies differ: ./a has 32 rows in 'lm_head.weight' and ./vocab40 has 40; {ONE_VOCABULARY}"],
    ),
    "a tensor missing": (
        two("./hole"),
        [f"3:5: ./hole has no tensor 'model.layers.2.mlp.up_proj.weight', which ./a has; {SAME_TENSORS}"],
    ),
    "a tensor missing in two": (
        "models:\n  - model: ./a\n  - model: ./bias\n  - model: ./b\nmerge_method: linear\nparameters: {weight: 1}\n",
        [
            "2:5: ./a and ./b have no tensor 'model.layers.0.self_attn.q_proj.bias' (and 3 more like it), "
            f"which ./bias has; {SAME_TENSORS}"
        ],
    ),
    "a tensor missing in a stacked layer": (
        stack("./a", "./hole"),
        [f"6:9: ./hole has no tensor 'model.layers.3.mlp.up_proj.weight', which ./a has; {SAME_TENSORS}"],
    ),
    "a tensor that the config does not know": (
        stack("./a", "./bias"),
        [
            "3:16: ./a has no tensor 'model.layers.2.self_attn.q_proj.bias' (and 1 more like it), "
            f"which ./bias has; {SAME_TENSORS}"
        ],
    ),
    "a tensor that would be lost": (
        stack("./classifier", "./a"),
        [
            "3:9: ./classifier has the tensor 'score.weight', and the result would not: what stands before the layers "
            "is taken from the first slice's models, what stands after them from the last slice's; " + SAME_TENSORS
        ],
    ),
    "integers here, floats there": (
        two("./floated").replace("./a", "./numbered"),
        [
            "3:5: tensor 'model.ids' is stored as bfloat16 and int64, which cannot be merged with each other; "
            "merge models whose tensors are stored alike"
        ],
    ),
    "no filter matches": (
        two("./b").replace("t: 0.5", "t:\n    - {filter: self_attn, value: 0.5}\n    - {filter: mlp, value: 0.5}"),
        [
            "7:3: `t` has no value for tensor 'model.embed_tokens.weight' (and 10 more like it): no filter matches; "
            "add an entry without a filter"
        ],
    ),
    "no filter matches for one model": (
        "merge_method: ties\nbase_model: ./base\nmodels:\n  - model: ./base\n  - model: ./a\n"
        "    parameters: {weight: {filter: mlp, value: 1}}\n",
        [
            "6:18: `weight` has no value for tensor 'model.embed_tokens.weight' (and 26 more like it): "
            "no filter matches; add an entry without a filter"
        ],
    ),
    "weights that cancel": (
        "merge_method: linear\nmodels:\n  - model: ./a\n    parameters: {weight: 0.1}\n  - model: ./b\n"
        "    parameters: {weight: 0.2}\n  - model: ./c\n    parameters: {weight: -0.3}\n",
        [
            "8:26: the weights of these models add up to 0, and the result is divided by their sum; "
            "change a weight, or set `normalize: false`"
        ],
    ),
    # over four layers: 1, 1/2, 0, -1/2 and 1/2, 0, -1/2, -1: they cancel nowhere but in layer 1 and layer 2
    "gradients that cancel in some layers": (
        "merge_method: linear\nmodels:\n  - model: ./a\n    parameters: {weight: [1, 0.5, 0, -0.5]}\n  - model: ./b\n"
        "    parameters: {weight: [0.5, -0.5, 0, -1]}\n",
        [
            "6:26: the weights of these models add up to 0 for tensor 'model.layers.1.input_layernorm.weight' "
            "(and 17 more like it), and the result is divided by their sum; change a weight, or set `normalize: false`"
        ],
    ),
    # 0.1 + 0.2 - 0.3 is not 0 in binary: over half of the layers, and outside them
    "gradients that cancel but for rounding": (
        "merge_method: linear\nmodels:\n  - model: ./a\n    parameters: {weight: [0.1, 0.1, 0.5]}\n  - model: ./b\n"
        "    parameters: {weight: 0.2}\n  - model: ./c\n    parameters: {weight: -0.3}\n",
        [
            "8:26: the weights of these models add up to 0 for tensor 'model.embed_tokens.weight' (and 20 more like "
            "it), and the result is divided by their sum; change a weight, or set `normalize: false`"
        ],
    ),
    "mistakes in the text and in the models": (
        "merge_method: ties\nbase_model: ./base\nmodels:\n  - model: ./llama\n"
        "    parameters: {weight: 1, densty: 0.5}\n"
        "  - model: ./nothing\n    parameters: {weight: 1}\n  - model: ./awq\nnomralize: true\n",
        [
            "5:29: `ties` has no parameter `densty`; did you mean `density`?",
            "6:12: ./nothing: no such folder; expected `namespace/name` or a folder that exists",
            "8:5: `./awq` has no `weight`, which `ties` needs; add `parameters: {weight: …}` to it",
            "8:12: ./awq is quantised (awq), and quantised weights cannot be merged; name the unquantised model",
            "9:1: `nomralize` is no key of a recipe; did you mean `normalize`? put it under `parameters:`",
        ],
    ),
    "mistakes in the text, and an architecture": (
        two("./llama").replace("t: 0.5", "t: 2"),
        [
            f"3:12: ./llama is a LlamaForCausalLM and ./a a MistralForCausalLM; {ONE_ARCHITECTURE}",
            "7:6: `t` is `2`, expected a number from 0 to 1; correct the number",
        ],
    ),
    "mistakes in several models": (
        "merge_method: linear\nmodels:\n  - model: ./a\n  - model: ./llama\n  - model: ./vocab40\n  - model: ./hole\n"
        "parameters: {weight: 1}\n",
        [
            f"4:12: ./llama is a LlamaForCausalLM and ./a a MistralForCausalLM; {ONE_ARCHITECTURE}",
            "5:5: vocabularies differ: ./a has 32 rows in 'model.embed_tokens.weight' and ./vocab40 has 40; "
            + ONE_VOCABULARY,
            "6:5: ./hole has no tensor 'model.layers.2.mlp.up_proj.weight', which ./a and ./vocab40 have; "
            + SAME_TENSORS,
        ],
    ),
}


@pytest.mark.parametrize("case", TEXTS)
def test_refused(plan, case):
    text, expected = TEXTS[case]
    status, lines, findings = plan(text)
    assert lines == [f"r.yaml:{line}" for line in expected]
    assert status == 2
    errors = [f for f in findings if f["level"] == "error"]
    assert [f"{f['line']}:{f['column']}" for f in errors] == [":".join(line.split(":")[:2]) for line in expected]
    assert all(f["message"] for f in errors)


def test_models_without_a_mistake_are_planned(plan):
    assert plan(two("./b")) == (0, [], [])


def test_a_model_may_be_stacked_on_itself_by_two_names(plan):
    assert plan(stack("./a", "a"))[:2] == (0, [])


def test_crimes_are_allowed_where_asked_for(plan):
    status, lines, findings = plan(two("./llama"), "--allow-crimes")
    assert (status, lines) == (0, [])
    assert [(f["level"], f["message"], f["fix"], f["line"], f["column"]) for f in findings] == [
        (
            "warning",
            "./llama is a LlamaForCausalLM and ./a a MistralForCausalLM, which --allow-crimes lets pass",
            "try the result before you trust it",
            3,
            12,
        )
    ]


def test_crimes_that_cannot_fit_are_refused_all_the_same(plan):
    status, lines, _ = plan(stack("./a", "./qwen"), "--allow-crimes")
    assert status == 2
    assert lines == [
        "r.yaml:3:16: ./a has no tensor 'model.layers.2.self_attn.q_proj.bias' (and 1 more like it), which ./qwen "
        f"has; {SAME_TENSORS}"
    ]


def test_integers_that_differ_are_refused_when_they_are_read(models, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(models)
    recipe = tmp_path / "r.yaml"
    recipe.write_text(two("./renumbered").replace("./a", "./numbered"))
    assert cli.run(["merge", str(recipe), str(tmp_path / "out"), "--quiet"]) == 2
    assert capsys.readouterr().err == (
        "mergesmith: tensor 'model.ids' holds int64 values, which are never averaged, and its parents differ in them; "
        "leave its layers to one parent\n"
    )


@pytest.fixture
def hub(devhub, models, monkeypatch):
    """An embedded Hub with some of the models, asked as bob, who sees neither alice's private one nor the gated one."""
    for name, repo in {"a": "alice/a", "b": "alice/b", "c": "alice/private", "base": "alice/gated"}.items():
        devhub.store.create_repo(repo, "alice")
        devhub.store.commit_files(repo, {path.name: path for path in sorted((models / name).iterdir())}, "Upload")
    devhub.store.set_repo("alice/private", private=True)
    devhub.store.set_repo("alice/gated", gated="manual")
    monkeypatch.setenv("HF_ENDPOINT", devhub.endpoint)
    monkeypatch.setattr(cli, "open_hub", lambda: Hub(endpoint=devhub.endpoint, token=devhub.token("bob")))
    return devhub


def test_models_on_the_hub(plan, hub):
    assert plan(two("alice/b").replace("./a", "alice/a")) == (0, [], [])


HUB_MISTAKES = {
    "alice/nothing": (
        "there is no folder alice/nothing, and on the Hub: alice/nothing: no such model at HUB, or it is private and "
        "this token may not read it; check the name, or set HF_TOKEN to a token that may read it"
    ),
    "alice/private": (
        "there is no folder alice/private, and on the Hub: alice/private: no such model at HUB, or it is private and "
        "this token may not read it; check the name, or set HF_TOKEN to a token that may read it"
    ),
    "alice/gated": (
        "alice/gated: gated at HUB, and this token has no access; ask for access at HUB/alice/gated, and set HF_TOKEN "
        "to a token of that account"
    ),
    "alice/b@v2": (
        "alice/b: no branch, tag or commit v2 at HUB; choose one that is listed at HUB/alice/b"
    ),
    "alice/b@refs/pr/7": (
        "alice/b: no branch, tag or commit refs/pr/7 at HUB; choose one that is listed at HUB/alice/b"
    ),
    "alice/b+alice/lora": (
        "alice/b+alice/lora asks for a LoRA adapter, and adapters are not built yet; name a merged model"
    ),
}  # fmt: skip


@pytest.mark.parametrize("model", HUB_MISTAKES)
def test_refused_on_the_hub(plan, hub, model):
    status, lines, _ = plan(two(model).replace("./a", "alice/a"))
    assert lines == [f"r.yaml:3:12: {HUB_MISTAKES[model].replace('HUB', hub.endpoint)}"]
    assert status == 2


def test_all_mistakes_on_the_hub_at_once(plan, hub):
    refs = list(HUB_MISTAKES)
    text = "merge_method: linear\nparameters: {weight: 1}\nmodels:\n" + "".join(f"  - model: {ref}\n" for ref in refs)
    status, lines, _ = plan(text)
    assert lines == [
        f"r.yaml:{line}:12: {HUB_MISTAKES[ref].replace('HUB', hub.endpoint)}" for line, ref in enumerate(refs, 4)
    ]
    assert status == 2


def test_a_hub_that_does_not_answer_is_no_fault_of_the_recipe(plan, hub, capsys):
    hub.inject("*", status=403, times=99)
    status, lines, _ = plan(two("alice/b").replace("./a", "alice/a"))
    assert status == 1
    assert lines == [
        f"mergesmith: not allowed (403) while looking up alice/a at {hub.endpoint}: injected by a test; "
        "use a token that may do this (there is no folder alice/a here either)"
    ]
