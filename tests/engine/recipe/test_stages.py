"""Several documents in one text: the result, its stages, and every mistake between them."""

from __future__ import annotations

import json
import random
from itertools import permutations

import pytest

from engine.findings import Place
from engine.recipe import ModelRef, meaning, parse

LEFT = """\
name: left
merge_method: slerp
base_model: org/a
models: [{model: org/a}, {model: org/b}]
parameters: {t: 0.5}
"""
RIGHT = LEFT.replace("left", "right").replace("org/a", "org/c").replace("org/b", "org/d")
RESULT = "merge_method: slerp\nbase_model: left\nmodels: [{model: left}, {model: right}]\nparameters: {t: 0.5}\n"


def text(*documents):
    return "---\n".join(documents)


def linear(name, *models):
    named = f"name: {name}\n" if name else ""
    entries = ", ".join(f"{{model: {model}, parameters: {{weight: 1}}}}" for model in models)
    return f"{named}merge_method: linear\nmodels: [{entries}]\n"


def test_the_document_without_a_name_is_the_result():
    recipe = parse(text(LEFT, RIGHT, RESULT)).recipe
    assert parse(text(LEFT, RIGHT, RESULT)).findings == ()
    assert (recipe.name, recipe.base_model, list(recipe.stages)) == (None, ModelRef("left"), ["left", "right"])
    assert [stage.base_model.text for stage in recipe.stages.values()] == ["org/a", "org/c"]


def test_a_named_result_is_the_one_that_no_other_names():
    parsed = parse(text("name: the-model\n" + RESULT, RIGHT, LEFT))
    assert parsed.findings == ()
    assert (parsed.recipe.name, list(parsed.recipe.stages)) == ("the-model", ["left", "right"])


def test_an_empty_name_is_none():
    parsed = parse(text(LEFT, RIGHT, "name: ~\n" + RESULT))
    assert (parsed.findings, parsed.recipe.name, list(parsed.recipe.stages)) == ((), None, ["left", "right"])


def test_the_last_of_several_results_is_the_guess():
    assert parse(text(LEFT, linear("", "org/x"), RIGHT, RESULT)).recipe.base_model == ModelRef("left")
    written = text(LEFT, "name: one\n" + RESULT, RIGHT, "name: two\n" + RESULT)
    assert parse(written).recipe.name == "two"


def test_the_order_of_documents_means_nothing():
    made = [parse(text(*order)) for order in permutations([LEFT, RIGHT, RESULT])]
    assert {json.dumps(meaning(parsed.recipe), sort_keys=True) for parsed in made} == {
        json.dumps(meaning(made[0].recipe), sort_keys=True)
    }
    assert {parsed.recipe.references() for parsed in made} == {
        tuple(map(ModelRef, ("org/a", "org/b", "org/c", "org/d")))
    }
    assert {tuple(parsed.recipe.stages) for parsed in made} == {("left", "right")}


def test_a_stage_stands_after_those_that_it_names():
    documents = [
        linear("", "s1", "org/a"),
        linear("s1", "s2", "s3"),
        linear("s2", "s3"),
        linear("s3", "org/b", "org/a"),
    ]
    parsed = parse(text(*documents))
    assert parsed.findings == ()
    assert list(parsed.recipe.stages) == ["s3", "s2", "s1"]
    # models where they are named first, on the way down from the result
    assert [ref.text for ref in parsed.recipe.references()] == ["org/b", "org/a"]


def test_places_lead_into_the_document():
    parsed = parse(text(LEFT, RIGHT, RESULT))
    mentions = {ref.text: at for ref, at in parsed.recipe.mentions()}
    assert mentions["org/a"] == (0, "models", 0, "model")
    assert {ref: parsed.places.value(at) for ref, at in mentions.items()} == {
        "org/a": Place(4, 18),
        "org/b": Place(4, 34),
        "org/c": Place(10, 18),
        "org/d": Place(10, 34),
    }
    assert parsed.places.key(("merge_method",)) == Place(13, 1)
    assert parsed.places.key(("seed",)) == Place(13, 1)
    right = parsed.places.within(parsed.recipe.stages["right"].at)
    assert (right.key(("base_model",)), right.key(("seed",))) == (Place(9, 1), Place(7, 1))
    assert (parsed.places.key((1, "base_model")), parsed.places.value((1, "seed"))) == (Place(9, 1), Place(7, 1))
    assert parsed.places.within(("models", 0)) is parsed.places


@pytest.mark.parametrize(
    "more", ["---\n", "---\n# nothing\n", "--- # nothing\n---\n...\n", "---\n~\n", "---\nnull\n"], ids=repr
)
def test_an_empty_document_is_none(more):
    assert parse(RESULT + more).recipe == parse(RESULT).recipe
    assert parse(RESULT + more).findings == parse(RESULT).findings == ()
    assert parse("---\n" + RESULT + more).recipe == parse(RESULT).recipe
    assert [stage.at for stage in parse(text(LEFT, more, RIGHT, RESULT)).recipe.stages.values()] == [(0,), (1,)]


def test_one_document_may_name_what_it_is_called_itself():
    parsed = parse(linear("org", "org", "org/b"))
    assert parsed.findings == ()
    assert [ref.text for ref in parsed.recipe.references()] == ["org", "org/b"]


def test_a_reference_in_mergekits_mapping_form_means_a_stage_too():
    result = RESULT.replace("{model: right}", "{model: {model: {path: right}}}")
    assert [ref.text for ref in parse(text(LEFT, RIGHT, result)).recipe.references()] == [
        "org/a",
        "org/b",
        "org/c",
        "org/d",
    ]


def test_a_base_may_be_a_stage_alone():
    ties = "merge_method: ties\nbase_model: left\nmodels: [{model: org/x, parameters: {weight: 1}}]\n"
    parsed = parse(text(LEFT, ties))
    assert parsed.findings == ()
    assert [ref.text for ref in parsed.recipe.references()] == ["org/x", "org/a", "org/b"]
    sliced = (
        "merge_method: slerp\nslices:\n  - base_model: left\n    parameters: {t: 0.5}\n    sources:\n"
        "      - {model: left, layer_range: [0, 2]}\n      - {model: right, layer_range: [0, 2]}\n"
    )
    assert list(parse(text(LEFT, RIGHT, sliced)).recipe.stages) == ["left", "right"]


def test_the_seed_of_a_stage_is_its_own_or_the_results():
    recipe = parse(text(LEFT + "seed: 0\n", RIGHT, RESULT + "seed: 7\n")).recipe
    assert (recipe.seed, recipe.stages["left"].seed, recipe.stages["right"].seed) == (7, 0, 7)
    recipe = parse(text(LEFT + "seed: 3\n", RIGHT + "seed: ~\n", RESULT + "seed: 5\n")).recipe
    assert (recipe.seed, recipe.stages["left"].seed, recipe.stages["right"].seed) == (5, 3, 5)


def test_the_meaning_has_every_stage():
    whole = meaning(parse(text(LEFT, RIGHT, RESULT)).recipe)
    assert list(whole.pop("stages")) == ["left", "right"]
    assert whole == meaning(parse(RESULT).recipe)
    variants = [
        text(LEFT.replace("0.5", "0.4"), RIGHT, RESULT),
        text(LEFT, RIGHT.replace("org/d", "org/d@v2"), RESULT),
        text(LEFT + "out_dtype: float16\n", RIGHT, RESULT),
        text(LEFT + "dtype: float16\n", RIGHT, RESULT),
        text(LEFT + "seed: 1\n", RIGHT, RESULT),
        text(LEFT, RIGHT, RESULT + "seed: 1\n"),
        text(LEFT.replace("left", "first"), RIGHT, RESULT.replace("left", "first")),
    ]
    told = [json.dumps(meaning(parse(each).recipe), sort_keys=True) for each in (text(LEFT, RIGHT, RESULT), *variants)]
    assert len(set(told)) == len(told)


def test_the_seed_that_a_stage_takes_anyway_means_nothing_more():
    spelt = text(LEFT + "seed: 5\n", RIGHT + "seed: 5\n", RESULT + "seed: 5\n")
    assert meaning(parse(spelt).recipe) == meaning(parse(text(LEFT, RIGHT, RESULT + "seed: 5\n")).recipe)


MISTAKES = {
    "a stage that nothing names": (
        text(LEFT, RIGHT, linear("", "org/x")),
        [
            "error 1:7: no document names the stage `left`; name it as a model in another one, or remove it",
            "error 7:7: no document names the stage `right`; name it as a model in another one, or remove it",
        ],
    ),
    "a stage that only an unused one names": (
        text(LEFT, linear("middle", "left"), linear("", "org/x")),
        ["error 7:7: no document names the stage `middle`; name it as a model in another one, or remove it"],
    ),
    "a misspelt stage": (
        text(LEFT, RIGHT, RESULT.replace("{model: right}", "{model: rigth}")),
        ["error 15:33: there is no stage `rigth`; did you mean `right`?"],
    ),
    "a stage that names itself": (
        text(LEFT.replace("org/b", "left"), RIGHT, RESULT),
        ["error 4:34: the stage `left` is made of itself; name another model here"],
    ),
    "a circle of two": (
        text(LEFT.replace("org/b", "right"), RIGHT.replace("org/d", "left"), RESULT),
        ["error 10:34: the stage `left` is made of itself: `left` → `right` → `left`; name another model here"],
    ),
    "a circle, and no result": (
        text(LEFT.replace("org/b", "right"), RIGHT.replace("org/d", "left")),
        ["error 4:34: the stage `right` is made of itself: `right` → `left` → `right`; name another model here"],
    ),
    "two stages of one name": (
        text(LEFT, RIGHT, LEFT, RESULT),
        ["error 13:7: two documents have the name `left`, the other starts in line 1; give one of them another name"],
    ),
    "two documents without a name": (
        text(LEFT, RESULT, RIGHT, RESULT),
        [
            "error 18:1: this document has no `name`, and neither has the one that starts in line 7; "
            "give every document but the result a `name`"
        ],
    ),
    "two that may be the result": (
        text(LEFT, "name: one\n" + RESULT, RIGHT, "name: two\n" + RESULT),
        [
            "error 19:7: no document names `one` and `two`, expected that of the result alone; "
            "leave out the result's `name`"
        ],
    ),
    "a name that looks wrong": (
        text(LEFT.replace("left", "org/left"), RIGHT, RESULT.replace("left", "org/left")),
        [
            "error 1:7: `org/left` cannot be the name of a stage, or of a model on the Hub; a name has letters, "
            "digits, `-`, `_` and `.`; no `--` or `..`, no `-` or `.` at either end, no `.git` at the end, at most 96 "
            "characters"
        ],
    ),
    "a name that is none": (
        text(LEFT.replace("name: left", "name: [left]"), RIGHT, RESULT),
        ["error 1:7: `name` is a list, expected a text; write it in one line"],
    ),
    "publish in a stage": (
        text(LEFT + "publish: {repo: me/left}\n", RIGHT, RESULT + "publish: {repo: me/it}\n"),
        [
            "error 6:1: `publish` stands in the stage `left`, and only the result is published; "
            "move it to the document that starts in line 14"
        ],
    ),
    "a stage's type that its values are not rounded to": (
        text(LEFT + "dtype: bfloat16\n", RIGHT + "dtype: float32\n", RESULT + "dtype: float16\n"),
        [
            "note 6:8: the stage `left` is not rounded to bfloat16: its values go on as they are; "
            "write `out_dtype: bfloat16` in its stead if they should be rounded"
        ],
    ),
    "publish in one of two that may be the result": (
        text(LEFT, "name: one\n" + RESULT + "publish: {repo: me/it}\n", RIGHT, "name: two\n" + RESULT),
        [
            "error 20:7: no document names `one` and `two`, expected that of the result alone; "
            "leave out the result's `name`"
        ],
    ),
    "a stage that names itself, and that nothing else does": (
        text(LEFT.replace("org/b", "left"), linear("", "org/x")),
        ["error 4:34: the stage `left` is made of itself; name another model here"],
    ),
    "an unused stage, and a model on the Hub of a like name": (
        text(LEFT, linear("", "org/left")),
        ["error 1:7: no document names the stage `left`; name it as a model in another one, or remove it"],
    ),
    "what may follow from a document that is no recipe": (
        text(LEFT, "- model: left\n", linear("", "org/x")),
        [
            "error 7:1: the recipe is a list, expected a mapping; "
            "write `merge_method: …` and `models:`, each in a line of its own"
        ],
    ),
    "what may follow from it where all others have names": (
        text(LEFT, RIGHT, "- model: left\n"),
        [
            "error 13:1: the recipe is a list, expected a mapping; "
            "write `merge_method: …` and `models:`, each in a line of its own"
        ],
    ),
    "a type that its values are not rounded to, and that the result may exceed": (
        text(LEFT + "dtype: bfloat16\n", RIGHT, RESULT + "dtype: bfloat16\nout_dtype: float32\n"),
        [
            "note 6:8: the stage `left` is not rounded to bfloat16: its values go on as they are; "
            "write `out_dtype: bfloat16` in its stead if they should be rounded"
        ],
    ),
    "a document that is no recipe": (
        text(LEFT, "- model: org/a\n", RIGHT, RESULT),
        [
            "error 7:1: the recipe is a list, expected a mapping; "
            "write `merge_method: …` and `models:`, each in a line of its own"
        ],
    ),
    "mistakes in several documents, and between them": (
        text(LEFT.replace("t: 0.5", "t: 2"), "base_modle: org/c\n" + RIGHT, linear("", "left")),
        [
            "error 5:17: `t` is `2`, expected a number from 0 to 1; correct the number",
            "error 7:1: `base_modle` is no key of a recipe; did you mean `base_model`?",
            "error 8:7: no document names the stage `right`; name it as a model in another one, or remove it",
        ],
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_between_documents(said, name):
    written, expected = MISTAKES[name]
    assert said(written) == expected


def test_what_a_document_lacks_is_told_where_it_starts(said):
    (only,) = said(text(linear("left", "org/a"), linear("", "left").replace("merge_method: linear\n", "")))
    assert only.startswith("error 5:1: the recipe has no `merge_method`; add `merge_method:` with one of linear, ")


def test_a_stages_type_may_be_that_of_the_result(said):
    assert said(text(LEFT + "dtype: bfloat16\n", RIGHT + "dtype: float64\n", RESULT + "dtype: bfloat16\n")) == []
    assert said(text(LEFT + "dtype: bfloat16\n", RIGHT, RESULT)) == []
    rounded = "dtype: bfloat16\nout_dtype: bfloat16\n"
    assert said(text(LEFT + rounded, RIGHT, RESULT + "dtype: float32\n")) == []


def test_two_documents_that_may_be_the_result_are_not_told_to_be_stages(said):
    # which of them is meant is open, so `publish` may stand in either
    written = text(LEFT, RESULT + "publish: {repo: me/it}\n", RIGHT, RESULT)
    assert [line.partition(";")[0] for line in said(written)] == [
        "error 19:1: this document has no `name`, and neither has the one that starts in line 7"
    ]


def test_documents_are_counted(said):
    chain = [linear(f"s{n}", f"s{n + 1}") for n in range(62)]
    assert said(text(linear("", "s0"), *chain, linear("s62", "org/a"))) == []
    chain.append(linear("s62", "s63"))
    assert said(text(linear("", "s0"), *chain, linear("s63", "org/a"))) == [
        "error 256:1: the recipe has 65 documents, expected at most 64; "
        "publish some stages as models of their own, and name those"
    ]


def test_mixtures_of_mixtures_are_counted_as_often_as_they_are_used(said):
    def levels(count):
        pairs = [(f"a{n}", f"b{n}") for n in range(count)]
        names = [*pairs, ("org/a", "org/b")]
        stages = [linear(own, *names[n + 1]) for n, pair in enumerate(pairs) for own in pair]
        return text(linear("", *names[0]), *stages)

    # the result, and on each level twice as many as above: 2⁷ + … + 2 + 1 = 255
    assert said(levels(7)) == []
    assert said(levels(8)) == [
        "error 1:1: each tensor may be computed of 511 mixtures, counting a stage as often as it is used; expected at "
        "most 256; publish a stage that is used often as a model of its own, and name that"
    ]
    assert said(levels(31))[0].startswith("error 1:1: each tensor may be computed of 4294967295 mixtures")


def test_any_mixture_of_documents_is_read():
    """No text makes the reader fail, and every finding has a place in it."""
    chance = random.Random(1)
    names = ["", "a", "b", "c", "a/b", "[a]", "~"]
    for _ in range(300):
        documents = [
            linear(chance.choice(names), *chance.choices(["a", "b", "c", "ab", "org/x"], k=2))
            + chance.choice(["", "seed: 1\n", "publish: {repo: a/b}\n", "dtype: float16\n", "nme: x\n"])
            for _ in range(chance.randint(2, 4))
        ]
        documents += chance.choice([[], ["- x\n"], ["# nothing\n"], ["merge_method\n"]])
        written = text(*documents)
        parsed = parse(written)
        lines = written.split("\n")
        assert all(1 <= finding.line <= len(lines) for finding in parsed.findings)
        meaning(parsed.recipe)
        if not any(finding.level == "error" for finding in parsed.findings):
            done = []
            for name, stage in (*parsed.recipe.stages.items(), ("", parsed.recipe)):
                assert {ref.text for ref, _ in stage.named()} & parsed.recipe.stages.keys() <= set(done)
                done.append(name)


def test_the_bounds_hold_for_all_documents_together(said, monkeypatch):
    monkeypatch.setattr("engine.recipe.nodes.MAX_VALUES", 100)
    # the mapping, the list and its 20, the second list, and 21 for each alias: 65 in one document
    repeated = "seed: &many [" + ", ".join("1" * 20) + "]\nname: [*many, *many]\n"
    assert not any("values" in line for line in said(repeated))
    # in the second 23 more, an alias of the list, and the twelfth of its items, which stands in line 4
    assert said(text(repeated, repeated)) == [
        "error 4:47: more than 100 values, counting what aliases repeat; shorten it, or repeat less"
    ]
