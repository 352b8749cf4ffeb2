from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from engine.methods import METHODS
from engine.recipe import parse
from space.bench import START, read_edits
from space.edits import apply, read_edit
from space.reading import sheet_of

ROOT = Path(__file__).parents[2]
SLERP = """\
# mine
models:
  - model: a/one   # first
  - model: b/two
merge_method: slerp
base_model: a/one
parameters:
  t: 0.5
dtype: bfloat16
"""


def done(text: str, *edits: dict[str, Any], layers: dict[str, int] | None = None) -> str:
    for edit in edits:
        text = apply(text, sheet_of(text).number, read_edit(edit), layers)
    return text


def test_a_number_is_put_where_it_was() -> None:
    edit = {"do": "put", "path": ["parameters", "t"], "value": 0.3}
    assert done(SLERP, edit) == SLERP.replace("t: 0.5", "t: 0.3")


def test_a_whole_number_has_no_fraction() -> None:
    edit = {"do": "put", "path": ["parameters", "t"], "value": 1.0}
    assert done(SLERP, edit) == SLERP.replace("t: 0.5", "t: 1")


@pytest.mark.parametrize("nothing", ["", None])
def test_an_empty_field_is_no_key(nothing: str | None) -> None:
    assert done(SLERP, {"do": "put", "path": ["dtype"], "value": nothing}) == SLERP.replace("dtype: bfloat16\n", "")


def test_a_gradient_is_put_in_line() -> None:
    edit = {"do": "put", "path": ["parameters", "t"], "value": [0, 0.25, 1.0]}
    assert done(SLERP, edit) == SLERP.replace("t: 0.5", "t: [0, 0.25, 1]")


def test_a_gradient_begins_with_the_value() -> None:
    edit = {"do": "layers", "path": ["parameters", "t"]}
    assert done(SLERP, edit) == SLERP.replace("t: 0.5", "t: [0.5, 0.5, 0.5, 0.5, 0.5]")


def test_a_gradient_of_what_is_not_set_begins_with_the_usual() -> None:
    edit = {"do": "layers", "path": ["models", 1, "parameters", "weight"], "start": 1}
    assert "    parameters:\n      weight: [1, 1, 1, 1, 1]\n" in done(SLERP, edit)


def test_parts_and_back() -> None:
    parts = done(SLERP, {"do": "parts", "path": ["parameters", "t"]})
    assert parts == SLERP.replace("t: 0.5", "t:\n    - filter: self_attn\n      value: 0.5\n    - value: 0.5")
    more = done(parts, {"do": "add-part", "path": ["parameters", "t"]})
    assert more == parts.replace("    - value: 0.5", "    - filter: mlp\n      value: 0.5\n    - value: 0.5")
    fewer = done(
        more, {"do": "remove", "path": ["parameters", "t", 0]}, {"do": "remove", "path": ["parameters", "t", 0]}
    )
    assert fewer == SLERP
    assert done(more, {"do": "one", "path": ["parameters", "t"]}) == SLERP


def test_one_value_of_a_gradient_is_its_mean() -> None:
    text = SLERP.replace("t: 0.5", "t: [0, 0.5, 0.25]")
    assert done(text, {"do": "one", "path": ["parameters", "t"]}) == SLERP.replace("t: 0.5", "t: 0.25")


def test_removing_the_last_part_removes_the_setting() -> None:
    text = SLERP.replace("t: 0.5", "t:\n    - filter: mlp\n      value: 0.5")
    found = done(text, {"do": "remove", "path": ["parameters", "t", 0]})
    assert found == SLERP.replace("parameters:\n  t: 0.5\n", "")


def test_the_base_follows_the_model_of_its_name() -> None:
    found = done(SLERP, {"do": "rename", "path": ["models", 0, "model"], "value": "c/three"})
    assert found == SLERP.replace("a/one", "c/three")


def test_another_model_leaves_the_base() -> None:
    found = done(SLERP, {"do": "rename", "path": ["models", 1, "model"], "value": "c/three"})
    assert found == SLERP.replace("b/two", "c/three")


def test_the_first_model_that_is_named_is_the_base() -> None:
    found = done(
        START,
        {"do": "rename", "path": ["models", 0, "model"], "value": "a/one"},
        {"do": "rename", "path": ["models", 1, "model"], "value": "b/two"},
    )
    assert found == SLERP.removeprefix("# mine\n").replace("   # first", "")
    assert parse(found).sound is not None


def test_ties_trims_what_it_is_given() -> None:
    found = done(SLERP, {"do": "method", "value": "ties"}, {"do": "add-model", "path": ["models"]})
    assert found == (
        "# mine\nmodels:\n  - model: a/one   # first\n  - model: b/two\n    parameters:\n      weight: 1\n"
        "      density: 0.5\n  - model:\n    parameters:\n      weight: 1\n      density: 0.5\nmerge_method: ties\n"
        "base_model: a/one\ndtype: bfloat16\n"
    )


def test_a_stack_and_back() -> None:
    stack = done(SLERP, {"do": "method", "value": "passthrough"}, layers={"a/one": 24})
    assert stack == (
        "# mine\nslices:\n  - sources:\n      - model: a/one\n        layer_range: [0, 24]\n  - sources:\n"
        "      - model: b/two\n        layer_range: [0, 24]\nmerge_method: passthrough\ndtype: bfloat16\n"
    )
    back = done(stack, {"do": "method", "value": "linear"})
    assert back == (
        "# mine\nmodels:\n  - model: a/one\n    parameters:\n      weight: 1\n  - model: b/two\n    parameters:\n"
        "      weight: 1\nmerge_method: linear\ndtype: bfloat16\n"
    )


def test_slices_of_several_models_stay_slices() -> None:
    text = (ROOT / "examples/recipes/slerp.yaml").read_text()
    found = done(text, {"do": "method", "value": "linear"})
    assert "layer_range: [0, 8]" in found
    assert "base_model" not in found
    assert parse(found).sound is not None


def test_slices_are_added_and_removed() -> None:
    text = (ROOT / "examples/recipes/passthrough.yaml").read_text()
    more = done(text, {"do": "add-slice"}, layers={"demo/tiny-upper": 8})
    assert "  - sources:\n      - model:\n        layer_range: [0, 8]\nmerge_method" in more
    assert done(more, {"do": "remove", "path": ["slices", 2]}) == text
    emptied = done(more, {"do": "remove", "path": ["slices", 2, "sources", 0]})
    assert emptied == text


@pytest.mark.parametrize("start", ["slerp", "ties", "passthrough", "linear"])
@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_chosen_from_any(name: str, start: str) -> None:
    two = done(SLERP, {"do": "method", "value": start})
    found = done(two, {"do": "method", "value": name})
    findings = [finding for finding in parse(found).findings if finding.level == "error"]
    if name == "model_stock":  # it needs one model more
        assert [finding.id for finding in findings] == ["model-count"]
        added = done(found, {"do": "add-model", "path": ["models"]})
        named = done(added, {"do": "rename", "path": ["models", 2, "model"], "value": "c/three"})
        findings = [finding for finding in parse(named).findings if finding.level == "error"]
    if name == "nuslerp" and start in ("slerp", "ties"):  # a base that is listed takes part in it
        assert [finding.id for finding in findings] in ([], ["model-count"])
    else:
        assert findings == []


def test_the_result_is_edited_where_there_are_stages() -> None:
    text = (ROOT / "examples/recipes/hierarchical.yaml").read_text()
    found = done(text, {"do": "put", "path": ["models", 1, "parameters", "weight"], "value": 0.75})
    assert found == text.replace("weight: 0.5", "weight: 0.75")


@pytest.mark.parametrize(
    "edit",
    [
        {"do": "put", "path": [], "value": 1},
        {"do": "put", "path": ["a"] * 9, "value": 1},
        {"do": "put", "path": ["x" * 65], "value": 1},
        {"do": "put", "path": ["dtype"], "value": {"a": 1}},
        {"do": "put", "path": ["dtype"], "value": "x" * 2001},
        {"do": "put", "path": ["parameters", "t"], "value": [0.1] * 65},
        {"do": "put", "path": ["parameters", "t"], "value": float("nan")},
        {"do": "put", "path": ["parameters", "t"], "value": [float("inf")]},
        {"do": "method", "value": "none of them"},
        {"do": "explode"},
        {"do": "put", "path": ["dtype"], "value": "x", "more": 1},
        "put",
    ],
)
def test_what_no_control_sends_is_refused(edit: Any) -> None:
    with pytest.raises(ValidationError):
        read_edit(edit)
    assert read_edits([edit]) == ()


@pytest.mark.parametrize("batch", [None, "x", {"do": "put"}, [{"do": "method", "value": "ties"}] * 65])
def test_a_batch_that_no_page_sends_is_nothing(batch: Any) -> None:
    assert read_edits(batch) == ()


def test_places_that_are_not_there_do_no_harm() -> None:
    for edit in (
        {"do": "remove", "path": ["models", 9]},
        {"do": "remove", "path": ["slices", 0, "sources", 0]},
        {"do": "add-part", "path": ["dtype"]},
        {"do": "remove", "path": ["nothing"]},
    ):
        assert done(SLERP, edit) == SLERP


def test_the_form_adds_no_more_than_it_can_show() -> None:
    text = SLERP.replace("slerp", "linear")
    for _ in range(70):
        text = done(text, {"do": "add-model", "path": ["models"]})
    assert text.count("- model:") == 64


def test_a_value_that_is_the_same_is_left_as_it_is_written() -> None:
    text = SLERP.replace("t: 0.5", "t: 1.0")
    assert done(text, {"do": "put", "path": ["parameters", "t"], "value": 1}) == text


def test_a_base_that_is_listed_has_no_weight_of_its_own() -> None:
    linear = done(SLERP, {"do": "method", "value": "linear"})
    assert linear.count("weight: 1\n") == 2
    ties = done(linear, {"do": "method", "value": "ties"})
    assert ties == (
        "# mine\nmodels:\n  - model: a/one   # first\n  - model: b/two\n    parameters:\n      weight: 1\n"
        "      density: 0.5\nmerge_method: ties\nbase_model: a/one\ndtype: bfloat16\n"
    )


def test_another_method_keeps_the_weights_that_somebody_set() -> None:
    linear = SLERP.replace("slerp\nbase_model: a/one\nparameters:\n  t: 0.5\n", "linear\n")
    linear = linear.replace("- model: b/two\n", "- model: b/two\n    parameters:\n      weight: 0.3  # less\n")
    found = done(linear, {"do": "method", "value": "ties"})
    assert "      weight: 0.3  # less\n      density: 0.5\n" in found


STACK = """\
slices:
  - sources:
      - model: a/one
        layer_range: [0, 8]  # all
  - sources:
      - model: b/two
merge_method: passthrough
"""
FIRST, SECOND = (["slices", number, "sources", 0, "layer_range"] for number in (0, 1))


@pytest.mark.parametrize(
    ("end", "value", "written"),
    [
        ([*FIRST, 0], 2, "layer_range: [2, 8]  # all"),
        ([*FIRST, 1], 6, "layer_range: [0, 6]  # all"),
        ([*FIRST, 1], None, "layer_range: [0, null]  # all"),
        ([*SECOND, 0], 4, "- model: b/two\n        layer_range: [4, 32]\n"),
        ([*SECOND, 0], 40, "- model: b/two\n        layer_range: [40, 41]\n"),
        ([*SECOND, 1], 7, "- model: b/two\n        layer_range: [0, 7]\n"),
    ],
)
def test_one_end_of_a_range_leaves_the_other(end: list[str | int], value: int | None, written: str) -> None:
    found = done(STACK, {"do": "put", "path": end, "value": value})
    assert written in found
    assert len(found.splitlines()) - len(STACK.splitlines()) == written.startswith("- ")


def test_an_emptied_filter_waits_for_the_next_one() -> None:
    parts = done(SLERP, {"do": "parts", "path": ["parameters", "t"]})
    assert done(parts, {"do": "put", "path": ["parameters", "t", 0, "filter"], "value": ""}) == parts
    named = done(parts, {"do": "put", "path": ["parameters", "t", 0, "filter"], "value": "mlp"})
    assert named == parts.replace("self_attn", "mlp")


def test_a_part_is_added_to_one_that_is_no_list() -> None:
    text = SLERP.replace("t: 0.5", "t:\n    filter: mlp\n    value: 0.3")
    found = done(text, {"do": "add-part", "path": ["parameters", "t"]})
    part = "t:\n    - filter: mlp\n      value: 0.3\n    - filter: self_attn\n      value: 0.3"
    assert found == SLERP.replace("t: 0.5", part)
