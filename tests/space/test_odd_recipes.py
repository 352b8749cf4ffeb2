"""Recipes as odd as YAML allows, and every edit of the form: what was not edited stays, comments too."""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any

import pytest

from engine.recipe.text import Leaf, read_text
from space.bench import Bench
from space.document import NotEditableError
from space.edits import apply, read_edit
from space.reading import sheet_of

PLAIN = "models:\n  - model: a/one\n  - model: b/two\n    parameters:\n      weight: 0.5\nmerge_method: linear\n"
ODD = {
    "plain": PLAIN,
    "windows line ends": PLAIN.replace("\n", "\r\n"),
    "old line ends": PLAIN.replace("\n", "\r"),
    "byte order mark": "\ufeff" + PLAIN,
    "spaces at the end": PLAIN.replace("\n", "   \n"),
    "no line end": PLAIN.rstrip("\n"),
    "comment without line end": PLAIN + "# fin",
    "flow": "{models: [{model: a/one}, {model: b/two, parameters: {weight: 0.5}}], merge_method: linear}\n",
    "JSON": '{"models": [{"model": "a/one"},\n  {"model": "b/two", "parameters": {"weight": 0.5}}],\n'
    ' "merge_method": "linear"}\n',
    "flow within": "models: [{model: a/one}, {model: b/two, parameters: {weight: 0.5}}] # both\nmerge_method: linear\n",
    "quoted keys": PLAIN.replace("models:", '"models":').replace("merge_method", "'merge_method'"),
    "alias of a mapping": "models:\n  - model: a/one\n    parameters: &p # shared\n      weight: 1\n  - model: b/two\n"
    "    parameters: *p # too\nmerge_method: linear\n",
    "alias of values": "models:\n  - model: &m a/one\n    parameters: {weight: &w 0.5}\n  - model: b/two\n"
    "    parameters: {weight: *w}\nmerge_method: ties\nbase_model: *m\n",
    "merge key": "models:\n  - model: a/one\n    parameters: &p\n      weight: 1\n      density: 0.3\n"
    "  - model: b/two\n"
    "    parameters:\n      <<: *p # as above\n      weight: 0.2\nmerge_method: ties\nbase_model: c/d\n",
    "merge key alone": "x: &d\n  weight: 1\nmodels:\n  - model: a/one\n    parameters:\n      <<: *d\n"
    "  - model: b/two\n"
    "    parameters:\n      <<: [*d]\nmerge_method: linear\n",
    "comments everywhere": "# top\n\n# second\nmodels: # m\n  # before\n  - model: a/one # one\n    # inside\n"
    "    parameters: # p\n      # deep\n      weight: 1 # w\n      # after w\n  # between\n  - model: b/two\n\n"
    "    # odd\n"
    "    parameters:\n      weight: 0.5\n# before method\nmerge_method: linear\n\n\n# end\n",
    "comments with signs": PLAIN.replace("weight: 0.5", "weight: 0.5 # - a, b: {c} &d *e")
    + "# - x, y\n"
    + "#" * 70
    + "\n",
    "one part without a list": PLAIN.replace(
        "weight: 0.5", "weight: # by part\n        filter: mlp\n        value: 0.3"
    ),
    "several documents": "name: one # 1\nmerge_method: linear\nmodels:\n  - model: a/one\n  - model: b/two\n---\n# 2\n"
    "merge_method: slerp\nmodels:\n- model: one\n- model: c/d\nbase_model: one\nparameters: {t: 0.3}\n",
    "marked start and end": "---\n" + PLAIN + "...\n",
    "an empty document before": "---\n---\n" + PLAIN,
    "an empty document behind": "# c\n---\n" + PLAIN + "---\n",
    "directive": "%YAML 1.1\n---\n" + PLAIN,
    "other letters": "# 日本語\n" + PLAIN + "publish:\n  description: 説明 — é 🎉 # 説明\n",
    "folded": PLAIN + "publish:\n  description: >-\n    folded text\n    goes on\n\n    para\n  tags: [a]\n",
    "literal": PLAIN + "publish:\n  description: |\n    literal\n      text  \n    x\n",
    "literal that keeps its end": PLAIN + "publish:\n  description: |+\n    literal\n\n\n",
    "plain over two lines": PLAIN + "publish:\n  description: plain text\n    on two lines\n  tags: [a]\n",
    "escapes": PLAIN + 'publish:\n  description: "double \\\n    quoted \\u00e9\\N\n\n    x"\n  tags: [a]\n',
    "numbers": PLAIN.replace("0.5", "1e-5")
    + "seed: 010\nx: [0o7, 0x1F, 1_000, +0.5, .5, 1., 1:30, 0b11, .inf, .nan]\n",
    "booleans": PLAIN + "parameters:\n  normalize: yes\npublish:\n  private: off\n  tags: [No, TRUE, y]\n",
    "nothing": PLAIN + "dtype: ~\nseed: null\nbase_model:\nx: Null\n",
    "dates and versions": PLAIN + "name: 2020-01-01\nx: 1.10\ny: '1.10'\nz: \"yes\"\n",
    "a key twice": PLAIN + "dtype: float16\ndtype: bfloat16\n",
    "a key with a question mark": PLAIN + "? x\n: y\n",
    "keys that are no text": PLAIN + "1: 2\ntrue: x\n~: y\n",
    "a key that is a list": PLAIN + "? [a, b]\n: x\n",
    "no models": "models: [] # none yet\nmerge_method: linear\n",
    "nothing under models": "models: # none yet\nmerge_method: linear\n",
    "parameters without any": PLAIN + "parameters: # none\n",
    "indented by four": "models:\n    - model: a/one\n    - model: b/two\n      parameters:\n          weight: 0.5\n"
    "merge_method: linear\n",
    "indented by one": "models:\n - model: a/one\n - model: b/two\n   parameters:\n    weight: 0.5\n"
    "merge_method: linear\n",
    "not indented": "models:\n- model: a/one\n- model: b/two\n  parameters:\n    weight: [0.1,0.2]\npublish:\n"
    "    tags:\n"
    "      - a\nmerge_method: linear\n",
    "gradient over lines": PLAIN.replace("0.5", "[\n        0.1,  # first\n        0.2, # second\n      ]"),
    "gradient in a list": PLAIN.replace("0.5", "\n        - 0.1 # first\n        - 0.2"),
    "wide dashes": "models:\n  -   model: a/one\n  - # two\n    model: b/two\n    parameters:\n      weight: 0.5\n"
    "merge_method: linear\n",
    "wide colons": "models:\n  - model:   a/one\n  - model : b/two\n    parameters:   {  weight : 0.5 }\n"
    "merge_method:    linear\n",
    "tags": PLAIN.replace("linear", "!!str linear").replace("0.5", "!!float 0.5"),
    "a tag that is refused": PLAIN + "x: !!python/object/apply:os.system [echo]\n",
    "line separator": PLAIN + "publish:\n  description: 'x\u2028y'\n",
    "an anchor at the top": "&top\n" + PLAIN,
    "a model as a mapping": "models:\n  - model: {model: {path: a/one, revision: x}}\n  - model: b/two\n"
    "merge_method: linear\n",
    "a model without a key": "models:\n  - model:\n      path: a/one\n  - b/two\nmerge_method: linear\n",
    "slices": "slices:\n- sources:\n  - model: a/one\n    layer_range: [0, 32]\n  - model: b/two\n"
    "    layer_range: [0,32]\nmerge_method: slerp\nbase_model: a/one\nparameters:\n  t:\n    - filter: self_attn\n"
    "      value: [0,0.5,0.3, 0.7, 1]\n    - filter: mlp\n      value: [1, 0.5, 0.7, 0.3, 0]\n    - value: 0.5 # rest\n"
    "dtype: bfloat16\n",
    "a base of a slice": "slices:\n  - sources:\n      - model: a/one\n        layer_range: [0, 4]\n"
    "    base_model: q/q\n"
    "    parameters: {t: 0.2} # its own\nmerge_method: slerp\nbase_model: a/one\n",
    "a long line": PLAIN + f"publish:\n  description: {'word ' * 600}end\n",
}
WEIGHT = ("models", 1, "parameters", "weight")
VALUES: tuple[tuple[tuple[str | int, ...], Any], ...] = (
    (("dtype",), "float16"),
    (("dtype",), None),
    (WEIGHT, 0.75),
    (WEIGHT, 1e-05),
    (WEIGHT, [0, 0.25, 1]),
    (WEIGHT, [0.5]),
    (WEIGHT, None),
    (("models", 0, "parameters", "weight"), 0.75),
    (("parameters", "normalize"), False),
    (("parameters", "t"), 0.9),
    (("parameters", "t", 0, "value"), [0.1, 0.2]),
    (("seed",), 5),
    *(
        (("publish", "description"), said)
        for said in ("yes", "1:30", "1e3", "x: y # z", "- a, [b", "日本 \"q\" 's' \\ {a}")
    ),
    (("publish", "private"), True),
    (("publish", "repo"), "me/x"),
    (("slices", 0, "sources", 1, "layer_range", 1), 9),
)
OF_A_VALUE = {"# first", "# second", "# rest", "# by part", "# as above", "# too", "# - a, b: {c} &d *e"}
"""Comments that go with a setting that is removed, or takes another shape."""
CHANGES: tuple[dict[str, Any], ...] = (
    {"do": "rename", "path": ("models", 0, "model"), "value": "z/z"},
    {"do": "add-model", "path": ("models",)},
    {"do": "add-slice"},
    {"do": "remove", "path": ("models", 0)},
    {"do": "remove", "path": ("models", 1)},
    {"do": "layers", "path": WEIGHT, "start": 1},
    {"do": "parts", "path": WEIGHT, "start": 1},
    {"do": "one", "path": ("parameters", "t"), "start": 1},
    {"do": "add-part", "path": ("parameters", "t")},
    {"do": "remove", "path": ("parameters", "t", 0)},
    *({"do": "method", "value": name} for name in ("ties", "passthrough", "slerp", "nuslerp")),
)


def plain(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: plain(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [plain(value) for value in tree]
    # A number is what it is, and no boolean.
    return (type(tree.value).__name__, repr(tree.value)) if isinstance(tree, Leaf) else tree


def meaning(text: str) -> list[Any]:
    return [plain(document.tree) for document in read_text(text)[0]]


def differences(one: Any, other: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(one, dict) and isinstance(other, dict):
        missing = [(*at, key) for key in one.keys() ^ other.keys()]
        return missing + [p for key in one.keys() & other.keys() for p in differences(one[key], other[key], (*at, key))]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [path for i, (a, b) in pairs for path in differences(a, b, (*at, i))]
    return [] if one == other else [at]


def comments(text: str) -> list[str]:
    lines = re.split(r"\r\n|\r|\n", text)
    return sorted(found[1] for line in lines if (found := re.search(r"(?:^|.*\s)(#[^#]*)$", line)))


def at(tree: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        inside = key in tree if isinstance(tree, dict) else isinstance(tree, list) and isinstance(key, int)
        tree = tree[key] if inside and (isinstance(tree, dict) or key < len(tree)) else None
    return tree


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_one_value_changes_and_nothing_else(text: str) -> None:
    number = sheet_of(text).number
    before = meaning(text)
    for path, value in VALUES:
        try:
            made = apply(text, number, read_edit({"do": "put", "path": path, "value": value}))
        except NotEditableError:
            continue
        after = meaning(made)
        assert len(after) == len(before)
        changed = differences(before, after)
        where = (number, *path)
        assert all(one[: len(where)] == where or where[: len(one)] == one for one in changed), (path, value, made)
        if value is not None:
            wanted = [(type(v).__name__, repr(v)) for v in value] if isinstance(value, list) else None
            assert at(after[number], path) == (wanted or (type(value).__name__, repr(value))), made
        else:
            assert at(after[number], path) is None, made
        lost = set(comments(text)) - set(comments(made))
        assert lost <= (OF_A_VALUE if path in (WEIGHT, ("parameters", "t")) else set()), (path, made)


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_lines_that_are_not_edited_stay_as_they_are(text: str) -> None:
    made = apply(
        text, (sheet := sheet_of(text)).number, read_edit({"do": "put", "path": ["dtype"], "value": "float16"})
    )
    assert sheet.readable
    before, after = re.split(r"\r\n|\r|\n", text), re.split(r"\r\n|\r|\n", made)
    gone = [line for line in before if line.strip() and line not in after]
    assert all("dtype" in line or line.startswith("{") or line == ' "merge_method": "linear"}' for line in gone)
    assert made.startswith("\ufeff") == text.startswith("\ufeff")
    ends = {end for end in ("\r\n", "\r", "\n") if end in re.findall(r"\r\n|\r|\n", made)}
    assert len(ends) == 1
    assert ends == set(re.findall(r"\r\n|\r|\n", text)) or "\n" not in text


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_larger_edits_leave_what_they_do_not_touch(text: str) -> None:
    number = sheet_of(text).number
    before = meaning(text)
    ours = {"models", "slices", "base_model", "merge_method", "parameters", "ORDER"}
    for edit in CHANGES:
        try:
            made = apply(text, number, read_edit(edit), {"a/one": 8})
        except NotEditableError:
            continue
        after = meaning(made)
        assert len(after) == len(before), made
        touched = {path[1] for path in differences(before, after)}
        assert touched <= ours, (edit, made)


@pytest.mark.parametrize(
    "name", [name for name in ODD if name not in ("a model without a key", "a key that is a list")]
)
def test_a_weight_can_be_set_wherever_there_is_one(name: str) -> None:
    """Refusing is for what cannot be done; of these texts each can."""
    text = ODD[name]
    sheet = sheet_of(text)
    rows = [row for block in sheet.blocks for row in block.rows if row.controls]
    for row in rows:
        path = (*row.path, "parameters", row.controls[0].knob.name)
        made = apply(text, sheet.number, read_edit({"do": "put", "path": path, "value": 0.125}))
        assert at(meaning(made)[sheet.number], path) == ("float", "0.125")


def test_an_edit_beside_an_alias_changes_one_model_alone() -> None:
    text = ODD["alias of a mapping"]
    second = apply(text, 0, read_edit({"do": "put", "path": WEIGHT, "value": 0.25}))
    assert second == text.replace("    parameters: *p # too\n", "    parameters: # too\n      weight: 0.25\n")
    first = apply(text, 0, read_edit({"do": "put", "path": ["models", 0, "parameters", "weight"], "value": 0.25}))
    assert first == text.replace("weight: 1", "weight: 0.25").replace("*p # too\n", "# too\n      weight: 1\n")


def test_removing_what_an_alias_points_to_writes_it_out() -> None:
    made = apply(ODD["alias of a mapping"], 0, read_edit({"do": "remove", "path": ["models", 0]}))
    assert made == "models:\n  - model: b/two\n    parameters: # too\n      weight: 1\nmerge_method: linear\n"


def test_text_that_would_be_read_as_something_else_is_quoted() -> None:
    for said, written in (("yes", "'yes'"), ("1:30", "'1:30'"), ("010", "'010'"), ("~", "'~'"), ("a: b", "'a: b'")):
        assert (
            apply(PLAIN, 0, read_edit({"do": "put", "path": ["name"], "value": said})) == PLAIN + f"name: {written}\n"
        )


def test_letters_of_every_language_are_written_as_they_are() -> None:
    made = apply(PLAIN, 0, read_edit({"do": "put", "path": ["publish", "description"], "value": "説明 é 🎉"}))
    assert made == PLAIN + "publish:\n  description: 説明 é 🎉\n"


def test_a_byte_order_mark_stays_where_the_first_line_goes() -> None:
    text = "\ufeffdtype: float16\n" + PLAIN
    assert apply(text, 0, read_edit({"do": "put", "path": ["dtype"], "value": None})) == "\ufeff" + PLAIN


def test_a_byte_order_mark_stays_where_several_first_lines_go() -> None:
    rest = "models:\n  - model: a/one\n    parameters: {weight: 1}\nmerge_method: "
    text = f"\ufeffbase_model: a/one\nparameters:\n  t: 0.5\n{rest}slerp\n"
    assert apply(text, 0, read_edit({"do": "method", "value": "linear"})) == f"\ufeff{rest}linear\n"


def test_what_is_too_much_to_write_out_is_left() -> None:
    bench = Bench(lambda _: pytest.fail("nothing is to be looked up"), "http://127.0.0.1:9", None)
    many = ", ".join(["*a"] * 100)
    text = f"x: &a [{', '.join(['1'] * 300)}]\ny: [{many}]\nmodels: [{{model: }}]\nmerge_method: linear\n"
    view = bench.edit(text, [{"do": "put", "path": ["x", 0], "value": 5}], "en", None)
    assert view.text == text
    assert [mark["level"] for mark in view.marks] == ["warning"]


def test_small_numbers_are_numbers() -> None:
    made = apply(PLAIN, 0, read_edit({"do": "put", "path": WEIGHT, "value": 1e-05}))
    assert made == PLAIN.replace("0.5", "1.0e-05")


def test_a_gradient_keeps_its_lines_and_comments() -> None:
    made = apply(ODD["gradient over lines"], 0, read_edit({"do": "put", "path": WEIGHT, "value": [0.3, 0.2, 1]}))
    assert "[\n        0.3,  # first\n        0.2, 1, # second\n      ]" in made
    made = apply(ODD["gradient over lines"], 0, read_edit({"do": "put", "path": WEIGHT, "value": [0.3]}))
    assert "[\n        0.3,  # first\n        # second\n      ]" in made
    made = apply(ODD["gradient in a list"], 0, read_edit({"do": "put", "path": WEIGHT, "value": [0.1, 0.3, 1]}))
    assert "\n        - 0.1 # first\n        - 0.3\n        - 1\n" in made


def test_what_cannot_be_edited_is_told_and_left() -> None:
    bench = Bench(lambda _: pytest.fail("nothing is to be looked up"), "http://127.0.0.1:9", None)
    text = "models:\n  - model:\nmerge_method: linear\n? dtype\n: float16\n"
    view = bench.edit(text, [{"do": "put", "path": ["dtype"], "value": "float32"}], "en", None)
    assert view.text == text
    assert view.form is not None
    told = "The form cannot change this place as it is written. Change it in the YAML."
    assert view.marks == [{"path": ["dtype"], "level": "warning", "text": told}]


@pytest.mark.parametrize("sign", ["# " * 30_000, "!" * 60_000, "&" * 60_000, "- " * 40, "[" * 40 + "]" * 40])
def test_no_text_keeps_the_machine_busy(sign: str) -> None:
    text = f"models:\n  - model: a/one {sign if sign.startswith('#') else ''}\nx: {sign}\nmerge_method: linear\n"
    begun = time.monotonic()
    sheet = sheet_of(text)
    if sheet.readable:
        for edit in ({"do": "remove", "path": ["models", 0]}, {"do": "put", "path": ["x"], "value": 1}):
            with contextlib.suppress(NotEditableError):
                apply(text, sheet.number, read_edit(edit))
    assert time.monotonic() - begun < 5
