from pathlib import Path

import pytest

from space.reading import sheet_of

ROOT = Path(__file__).parents[2]


def text_of(name: str) -> str:
    return (ROOT / f"examples/{name}.yaml").read_text()


def test_slerp_by_slices_and_parts() -> None:
    sheet = sheet_of(text_of("recipes/slerp"))
    assert (sheet.readable, sheet.method, sheet.base, sheet.sliced, sheet.stages) == (
        True,
        "slerp",
        "demo/tiny-reverse",
        True,
        (),
    )
    (block,) = sheet.blocks
    assert [(row.path, row.model, row.is_base, row.first, row.last) for row in block.rows] == [
        (("slices", 0, "sources", 0), "demo/tiny-reverse", True, "0", "8"),
        (("slices", 0, "sources", 1), "demo/tiny-upper", False, "0", "8"),
    ]
    (control,) = sheet.controls
    assert control.by_part
    assert [(point.path, point.filter, point.shape, point.values) for point in control.points] == [
        (("parameters", "t", 0, "value"), "self_attn", "layers", ("0", "0.5", "0.3", "0.7", "1")),
        (("parameters", "t", 1, "value"), "mlp", "layers", ("1", "0.5", "0.7", "0.3", "0")),
        (("parameters", "t", 2, "value"), "", "one", ("0.5",)),
    ]
    assert sheet.fields["repo"] == "demo/tiny-slerp"
    assert sheet.kept == ("publish.tags", "publish.language")
    assert sheet.models == ("demo/tiny-reverse", "demo/tiny-upper")


def test_ties_shows_a_weight_and_a_density_for_each_but_the_base() -> None:
    sheet = sheet_of(text_of("article/neuralpipe-7b-ties"))
    base, first, second = sheet.blocks[0].rows
    assert (base.is_base, base.controls) == (True, ())
    for row, weight in ((first, "0.5"), (second, "0.3")):
        assert [(c.knob.name, c.points[0].values) for c in row.controls] == [
            ("weight", (weight,)),
            ("density", ("0.5",)),
        ]
    assert {c.knob.name: c.points[0].values for c in sheet.controls} == {
        "normalize": ("true",),
        "lambda": (),
        "rescale": (),
    }


def test_of_several_documents_the_result_is_shown() -> None:
    sheet = sheet_of(text_of("recipes/hierarchical"))
    assert (sheet.number, sheet.method, sheet.stages) == (1, "task_arithmetic", ("reverse-upper",))


def test_what_has_no_control_is_named() -> None:
    sheet = sheet_of(
        "merge_method: linear\nmodels:\n  - model: a/b\nparameters:\n  weight: 1\n  wieght: 2\n"
        "tokenizer: {source: union}\npublish:\n  collection: x\n"
    )
    assert sheet.kept == ("tokenizer", "publish.collection", "parameters.weight", "parameters.wieght")


def test_what_is_not_shown_of_a_model_is_named() -> None:
    sheet = sheet_of(
        "merge_method: ties\nbase_model: {model: {path: a/b}}\ndtype: [x]\nmodels:\n  - model: {model: {path: a/b, "
        "revision: v1}}\n    parameters: {weight: 1, densty: 1}\n    more: 1\n  - c/d\n"
    )
    assert sheet.kept == (
        "base_model",
        "dtype",
        "models.0.model",
        "models.0.more",
        "models.0.parameters.densty",
        "models.1",
    )
    (row,) = sheet.blocks[0].rows
    assert (row.model, row.fixed) == ("a/b@v1", True)
    base = sheet_of("merge_method: ties\nbase_model: a/b\nmodels:\n  - model: a/b\n    parameters: {weight: 1}\n")
    assert base.kept == ("models.0.parameters.weight",)


def test_what_is_too_long_to_show_is_named() -> None:
    rows = "".join(f"  - model: a/m{number}\n" for number in range(200))
    sheet = sheet_of(f"merge_method: linear\nmodels:\n{rows}parameters:\n  normalize: {[1] * 65}\n")
    assert len(sheet.blocks[0].rows) == 128
    assert (len(sheet.kept), sheet.kept[0], sheet.kept[-1]) == (25, "models.128", "…")
    assert (sheet.controls[0].points[0].shape, len(sheet.controls[0].points[0].values)) == ("long", 64)
    slices = "".join("  - sources: []\n" for number in range(200))
    assert len(sheet_of(f"merge_method: passthrough\nslices:\n{slices}").blocks) == 128


def test_a_text_without_anything_is_empty_and_one_that_is_too_long_is_not_read() -> None:
    assert sheet_of("# nothing\n").empty
    assert not sheet_of("a: [").empty
    long = "merge_method: linear\nmodels: []\n"
    assert sheet_of(long + "#" * (65_536 - len(long))).readable
    assert not sheet_of(long + "#" * (65_537 - len(long))).readable


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "a: [", "\t"])
def test_what_is_no_recipe_shows_no_form(text: str) -> None:
    assert not sheet_of(text).readable


def test_mistakes_are_shown_as_they_stand() -> None:
    sheet = sheet_of(
        "merge_method: slerp\nmodels:\n  - model: a/b\n  - 7\n  - model: [x]\nslices: no\nparameters:\n  t: high\n"
        "publish: yes\n"
    )
    assert [row.model for row in sheet.blocks[0].rows] == ["a/b", ""]
    assert sheet.controls[0].points[0].values == ("high",)
    assert sheet.fields["repo"] == ""


def test_booleans_and_empty_values() -> None:
    sheet = sheet_of(
        "merge_method: linear\nmodels:\n  - model:\nparameters: {normalize: off}\npublish: {private: Yes}\n"
    )
    assert sheet.controls[0].points[0].values == ("false",)
    assert sheet.fields["private"] == "true"
    assert sheet.blocks[0].rows[0].model == ""
