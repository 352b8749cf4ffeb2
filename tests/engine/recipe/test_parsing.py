"""Recipes as they are published, and texts of any kind."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.recipe import Case, ModelRef, Parsed, Recipe, Slice, Source, hub_name, meaning, parse
from engine.recipe.keys import SCOPES

PUBLISHED = sorted((Path(__file__).parent / "published").glob("*.yaml"))

# the kinds of recipe that mergekit's documentation shows
DOCUMENTED = {
    "gradient slerp, models": """\
merge_method: slerp
base_model: org/orca-13b
models:
  - model: org/orca-13b
  - model: org/platypus-13b
parameters:
  t:
    - filter: self_attn
      value: [0, 0.5, 0.3, 0.7, 1]
    - filter: mlp
      value: [1, 0.5, 0.7, 0.3, 0]
    - value: 0.5 # the rest
dtype: float16
""",
    "linear": """\
models:
  - model: org/orca-13b
    parameters:
      weight: 1.0
  - model: org/wizard-13b
    parameters:
      weight: 0.3
merge_method: linear
dtype: float16
""",
    "linear, the base listed": """\
models:
  - model: org/base
    parameters: {weight: 0.5}
  - model: org/a
    parameters: {weight: [0, 1]}
base_model: org/base
merge_method: linear
""",
    "ties": """\
models:
  - model: org/orca-13b
    parameters:
      density: [1, 0.7, 0.1] # a gradient
      weight: 1.0
  - model: org/platypus-13b
    parameters:
      density: 0.5
      weight: [0, 0.3, 0.7, 1]
  - model: org/wizard-math-13b
    parameters:
      density: 0.33
      weight:
        - filter: mlp
          value: 0.5
        - value: 0
merge_method: ties
base_model: org/llama-2-13b
parameters:
  normalize: true
  int8_mask: true
dtype: float16
""",
    "task arithmetic": """\
merge_method: task_arithmetic
base_model: org/base@v1.0
models:
  - model: org/base@v1.0+org/lora
    parameters: {weight: -0.5}
  - model: ../some folder/model
    parameters: {weight: 1}
parameters: {lambda: 1.1, density: 0.5, normalize: false}
""",
    "dare, with one weight for all": """\
merge_method: dare_ties
base_model: org/base
models: [{model: org/a}, {model: org/b}]
parameters: {weight: 0.5, density: 0.53, rescale: true}
dtype: bfloat16
out_dtype: float16
""",
    "passthrough, some tensors off": """\
slices:
  - sources:
    - model: org/orca-13b
      layer_range: [0, 24]
  - sources:
    - model: org/platypus-13b
      layer_range: [20, 40]
      parameters:
        scale:
          - filter: o_proj
            value: 0.0
          - filter: down_proj
            value: 0.0
          - value: 1.0
  - sources:
    - {model: org/orca-13b, layer_range: [40, 40]}
merge_method: passthrough
dtype: float16
""",
    "dare over slices": """\
slices:
  - sources:
    - {model: org/base, layer_range: [0, 16]}
    - {model: org/a, layer_range: [0, 16], parameters: {weight: 0.8, density: 0.4}}
    parameters: {normalize: true}
  - sources:
    - {model: org/base, layer_range: [16, 32]}
    - {model: org/b, layer_range: [16, 32], parameters: {weight: 0.8}}
merge_method: dare_linear
base_model: org/base
""",
}


def test_the_articles_recipes_are_there():
    assert [path.stem for path in PUBLISHED] == [
        "daredevil-7b-linear",
        "daredevil-7b",
        "marcoro14-7b-slerp",
        "neuralpipe-7b-slerp",
        "neuralpipe-7b-ties",
        "neuralpipe-9b-merged",
    ]


@pytest.mark.parametrize("text", [*(path.read_text(encoding="utf-8") for path in PUBLISHED), *DOCUMENTED.values()])
def test_published_recipes_are_accepted(text):
    parsed = parse(text)
    assert parsed.recipe is not None
    assert {finding.id for finding in parsed.findings} <= {"inert"}
    assert all(finding.level == "note" for finding in parsed.findings)


def test_a_published_recipe_in_full():
    (path,) = (path for path in PUBLISHED if path.stem == "neuralpipe-9b-merged")
    one, other = ModelRef("OpenPipe/mistral-ft-optimized-1218"), ModelRef("mlabonne/NeuralHermes-2.5-Mistral-7B")
    parsed = parse(path.read_text(encoding="utf-8"))
    assert parsed.findings == ()
    assert parsed.recipe == Recipe(
        merge_method="passthrough",
        slices=(
            Slice((Source(one, (0, 32), {}, ("slices", 0, "sources", 0)),), None, {}, ("slices", 0)),
            Slice((Source(other, (24, 32), {}, ("slices", 1, "sources", 0)),), None, {}, ("slices", 1)),
        ),
        dtype="bfloat16",
    )


def test_a_published_recipe_with_notes():
    (path,) = (path for path in PUBLISHED if path.stem == "daredevil-7b")
    parsed = parse(path.read_text(encoding="utf-8"))
    assert [f"{f.level} {f.line_for('r')}" for f in parsed.findings] == [
        "note r:19:3: `int8_mask` changes nothing in `dare_ties`"
    ]
    assert parsed.recipe is not None
    assert parsed.recipe.models is not None
    assert parsed.recipe.models[1].parameters == {"density": (Case("", (0.53,)),), "weight": (Case("", (0.4,)),)}


def test_windows_line_ends_and_a_byte_order_mark():
    text = "\ufeffmerge_method: linear\r\nmodels:\r\n  - model: a/a\r\n    weight: 1\r\n"
    assert [(f.id, f.line, f.column) for f in parse(text).findings] == [("unknown-key", 4, 5)]


def test_findings_come_in_the_order_of_their_places():
    parsed = parse("seed: x\nmodels: 5\nbase_model: []\nmerge_method: x\nzzz: 1\n")
    assert [finding.line for finding in parsed.findings] == [1, 2, 3, 4, 5]


def _sound(text: str) -> None:
    """What holds for any text: no exception, places within the text, and values of the types that are promised."""
    parsed = parse(text)
    assert isinstance(parsed, Parsed)
    lines = text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + text.count("\u2029")
    assert all(1 <= f.line <= lines + 1 and f.column >= 1 and f.message.isprintable() for f in parsed.findings)
    assert len(set(parsed.findings)) == len(parsed.findings)
    assert [(f.line, f.column) for f in parsed.findings] == sorted((f.line, f.column) for f in parsed.findings)
    if parsed.recipe is None:
        assert any(finding.level == "error" for finding in parsed.findings)
        return
    meaning(parsed.recipe)
    for ref, at in parsed.recipe.mentions():
        hub_name(ref)
        assert parsed.places.value(at) != parsed.places.value(())


@given(st.text())
@example("? &a [*a]")
@example("{<<: {<<: {a: b}}, a: !!null 5}")
@example("%YAML 9.9\n---\n")
@example("%TAG ! tag:%ff,x\n--- !x\n")
@example("!!binary gggg")
@example("- !!set {a}\n- !!omap [a: b]")
def test_any_text_is_read(text):
    _sound(text)


KEYS = sorted({key for scope in SCOPES.values() for key in (*scope.keys, *scope.unbuilt)} | {"weight", "t", "<<", "x"})
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.dates(), st.binary(max_size=3),
    st.sampled_from(["slerp", "linear", "ties", "passthrough", "della", "a/a", "b/b", "float16", "mlp", "1e-5", "*"]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8))
@settings(deadline=None)
def test_any_yaml_is_read(document):
    _sound(yaml.safe_dump(document, sort_keys=False))


PARAMETERS = st.dictionaries(st.sampled_from(["weight", "density", "t", "normalize", "scale", "x"]), VALUES, max_size=3)
SOURCES = st.lists(
    st.fixed_dictionaries(
        {"model": st.sampled_from(["a/a", "b/b", "c/c"])},
        optional={"layer_range": st.lists(st.integers(-1, 9), max_size=3), "parameters": PARAMETERS, "x": VALUES},
    ),
    max_size=3,
)
RECIPES = st.fixed_dictionaries(
    {"merge_method": st.sampled_from(["linear", "slerp", "ties", "passthrough", "della"])},
    optional={
        "models": SOURCES,
        "slices": st.lists(st.fixed_dictionaries({"sources": SOURCES}, optional={"parameters": PARAMETERS})),
        "base_model": st.sampled_from(["a/a", "b/b"]),
        "parameters": PARAMETERS,
        "publish": VALUES,
    },
)


@given(RECIPES)
@settings(deadline=None)
def test_anything_like_a_recipe_is_read(document):
    _sound(yaml.safe_dump(document, sort_keys=False))
