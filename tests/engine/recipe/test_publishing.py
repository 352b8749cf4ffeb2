"""`name:` and `publish:`."""

from __future__ import annotations

import pytest
from huggingface_hub.utils import HFValidationError, validate_repo_id

from engine.recipe import Publish, parse

START = "merge_method: linear\nparameters: {weight: 1}\nmodels: [{model: a/a}]\n"
RULE = (
    "letters, digits, `-`, `_` and `.`; no `--` or `..`, no `-` or `.` at either end, no `.git` at the end, "
    "at most 96 characters"
)


def test_everything_that_publish_takes():
    parsed = parse(
        START
        + """\
name: My_model-7B.v2
publish:
  repo: my-org/My_model-7B.v2
  private: true
  license: other
  license_name: my-licence
  tags: [merge, 7b, 2024, no]
  language: [en, no]
  description: |
    Two lines
    of text.
"""
    )
    assert parsed.findings == ()
    assert parsed.recipe is not None
    assert parsed.recipe.name == "My_model-7B.v2"
    assert parsed.recipe.publish == Publish(
        repo="my-org/My_model-7B.v2",
        private=True,
        license="other",
        license_name="my-licence",
        tags=("merge", "7b", "2024", "no"),
        language=("en", "no"),
        description="Two lines\nof text.\n",
    )


@pytest.mark.parametrize(
    ("written", "publish"),
    [
        ("{}", Publish()),
        ("", None),
        ("{language: no}", Publish(language=("no",))),
        ("{private: false}", Publish(private=False)),
        ("{private: }", Publish(private=None)),
        ("{license: 1.0}", Publish(license="1.0")),
    ],
)
def test_parts(written, publish):
    parsed = parse(START + f"publish: {written}\n")
    assert parsed.recipe is not None
    assert (parsed.recipe.publish, parsed.findings) == (publish, ())


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "publish: me/it",
            "error 4:10: `publish` is the text `me/it`, expected a mapping; write its keys, such as `repo: …`",
        ),
        (
            "publish: {repo: it}",
            "error 4:17: `it` is no repo on the Hub, expected `namespace/name`; write it as `namespace/name`",
        ),
        (
            "publish: {repo: a/b/c}",
            "error 4:17: `a/b/c` is no repo on the Hub, expected `namespace/name`; write it as `namespace/name`",
        ),
        (
            "publish: {repo: me/my model}",
            f"error 4:17: `me/my model` is no repo on the Hub, expected `namespace/name`; in each part: {RULE}",
        ),
        ("name: me/it", f"error 4:7: `me/it` cannot be the name of a model on the Hub; a name has {RULE}"),
        ("name: a--b", f"error 4:7: `a--b` cannot be the name of a model on the Hub; a name has {RULE}"),
        (
            "publish: {private: 'yes'}",
            "error 4:20: `private` is the text `yes`, expected true or false; write `true` or `false`",
        ),
        (
            "publish: {tags: merge}",
            "error 4:17: `tags` is the text `merge`, expected a list of texts; write it as `[one, two]`",
        ),
        ("publish: {tags: [a, [b]]}", "error 4:21: item 2 of `tags` is a list, expected a text; write it in one line"),
        ("publish: {license: [mit]}", "error 4:20: `license` is a list, expected a text; write it in one line"),
        (
            "publish: {language: {en: 1}}",
            "error 4:21: `language` is a mapping, expected a list of texts; write it as `[one, two]`",
        ),
        ("publish: {licence: mit}", "error 4:11: `licence` is no key of `publish:`; did you mean `license`?"),
        (
            'publish: {description: "  "}',
            "error 4:24: `description` is the text `  `, expected a text; write one, or remove the key",
        ),
    ],
)
def test_findings(said, written, expected):
    assert said(START + written + "\n") == [expected]


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "A.b_c-9",
        "_a_",
        "9",
        "-a",
        "a-",
        ".a",
        "a.",
        "a..b",
        "a--b",
        "a.git",
        "a b",
        "ä",
        "a" * 96,
        "a" * 97,
        "a/b/c",
    ],
)
def test_repos_are_those_that_the_hubs_client_takes(name):
    # to the client letters are any script's; the Hub itself takes ASCII
    accepted = name != "ä"
    try:
        validate_repo_id(f"me/{name}")
    except HFValidationError:
        accepted = False
    parsed = parse(START + f"publish: {{repo: 'me/{name}'}}\n")
    assert parsed.recipe is not None
    assert parsed.recipe.publish is not None
    assert parsed.recipe.publish.repo == (f"me/{name}" if accepted else None)


@pytest.mark.parametrize("written", ["", "license: mit, "])
def test_a_licence_is_named_only_where_it_is_other(written):
    parsed = parse(START + f"publish: {{{written}license_name: x}}\n")
    column = 11 + len(written)
    assert [(f.id, f.column, f.message, f.fix) for f in parsed.findings] == [
        (
            "license-name",
            column,
            "`license_name` names a licence that the Hub has no identifier for",
            "say `license: other` beside it, or remove it",
        )
    ]


def test_a_collection_is_refused_by_name():
    parsed = parse(START + "publish: {collection: me/abc}\n")
    assert [(f.id, f.message, f.fix) for f in parsed.findings] == [
        ("not-built", "`collection` (a collection to add the result to) is not built yet", "remove it")
    ]
