"""A plan as JSON, as Markdown and as text: what each holds, and that no name can break out of it."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import families
import pytest
from rich.console import Console

from engine.errors import RecipeError
from engine.findings import Finding
from engine.plan.show.as_json import plan_as_json, plans_as_json, refused_as_json
from engine.plan.show.as_markdown import cell, planned_entry, plans_as_markdown, refused_entry
from engine.plan.show.as_text import plan_as_text
from engine.plan.show.words import count, plain, plural, short, size

SHAPE = families.Shape(layers=4)
TEXT = """\
models:
  - model: ./a
  - model: ./b
merge_method: slerp
base_model: ./a
parameters:
  t: [0, 1]
dtype: float16
"""


@pytest.fixture
def plan(bench):
    base = families.random_tensors(SHAPE, 1)
    bench.model("a", base)
    families.write_model(bench.root / "b", families.tuned(base, 2), families.config_of(SHAPE), tokenizer=False)
    return bench.plan(TEXT)


def as_text(plan, width=80):
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(plan_as_text(plan))
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def test_json_holds_what_the_outside_relies_on(plan):
    data = json.loads(json.dumps(plans_as_json([plan_as_json(plan)])))
    (recipe,) = data["recipes"]
    assert re.fullmatch("[0-9a-f]{64}", data["digest"])
    assert (recipe["path"], recipe["digest"], recipe["weights_digest"]) == ("r.yaml", plan.digest, plan.weights_digest)
    assert recipe["models"] == [
        {
            "ref": ref,
            "kind": "local",
            "commit": None,
            "license": "apache-2.0",
            "gated": False,
            "architecture": "MistralForCausalLM",
            "parameters": 8848,
        }
        for ref in ("./a", "./b")
    ]
    header = len(plan.shards[0].header)
    assert recipe["output"] == {
        "name": "r",
        "repo": None,
        "license": "apache-2.0",
        "parameters": 8848,
        "bytes": 17696 + header,
        "shards": 1,
        "dtype": "float16",
        "layers": 4,
        "files": ["tokenizer.json", "tokenizer_config.json"],
    }
    assert recipe["cost"].keys() == {
        "bytes_read",
        "bytes_written",
        "peak_memory_bytes",
        "peak_disk_bytes",
        "header_bytes_read",
    }
    assert recipe["cost"]["bytes_read"] == 2 * 17696
    assert recipe["cost"]["bytes_written"] == 17696 + header
    assert recipe["findings"] == []


def test_json_of_a_finding_and_of_a_refused_recipe(plan):
    finding = Finding("some-id", "warning", "what", "do this", 3, 5)
    entry = {"id": "some-id", "level": "warning", "message": "what", "fix": "do this", "line": 3, "column": 5}
    assert plan_as_json(replace(plan, findings=(finding,)))["findings"] == [entry]
    refused = refused_as_json("r.yaml", [finding])
    assert refused.keys() == plan_as_json(plan).keys()
    assert (refused["digest"], refused["output"], refused["cost"], refused["models"]) == (None, None, None, [])
    assert refused["findings"] == [entry]


def test_the_digest_of_all_changes_with_any(plan):
    one, other = plan_as_json(plan), plan_as_json(replace(plan, digest="0" * 64))
    digests = {plans_as_json(entries)["digest"] for entries in ([one], [other], [one, other], [other, one])}
    assert len(digests) == 4


def test_text(plan):
    assert (
        as_text(plan)
        == f"""
r  slerp: blend two models along the arc between them, so that neither loses its
length

makes      8.85 k parameters, 4 layers, float16, licence apache-2.0
           {size(plan.bytes)} in 1 shard
           with tokenizer.json, tokenizer_config.json

from       model        commit   licence      parameters
           ─────────────────────────────────────────────
           ./a (base)   local    apache-2.0       8.85 k
           ./b          local    apache-2.0       8.85 k

mixes      t  ▁▃▆█          0 to 1
              layer 0 to 3

costs      reads 35.4 kB, writes {size(plan.bytes)}
           needs {size(plan.cost.peak_memory_bytes)} of memory and {size(plan.bytes)} of disk at a time

findings   none: ready to merge

digest     plan {plan.digest[:16]}  weights {plan.weights_digest[:16]}"""
    )


STAGES = """\
name: early
models: [{model: ./a}, {model: ./b}]
merge_method: slerp
base_model: ./a
parameters: {t: [0, 1]}
---
models: [{model: early}, {model: ./b}]
merge_method: linear
parameters: {weight: 0.5}
dtype: float16
"""


@pytest.fixture
def staged(plan, bench):
    return bench.plan(STAGES)


def test_stages_as_text(staged):
    text = as_text(staged)
    assert text.startswith("\nr  linear: average fine-tunes of one model, each with its share\n")
    assert (
        text[text.index("stages") : text.index("costs")]
        == """\
stages     early  slerp of ./a, ./b

mixes      early     ▅▅▅▅          0.5
           b         ▅▅▅▅          0.5
           in early
           t         ▁▃▆█          0 to 1
                     layer 0 to 3

"""
    )


def test_stages_as_markdown(staged):
    text = plans_as_markdown([planned_entry(staged)])
    assert (
        text[text.index("| ./b |") : text.index("</details>")]
        == """\
| ./b | local | apache-2.0 | 8.85 k |

| stage | method | of |
| --- | --- | --- |
| early | slerp | ./a, ./b |

<details><summary>How it is mixed, layer by layer</summary>

```text
early  ▅▅▅▅
./b    ▅▅▅▅

in early:
t  ▁▃▆█
```

"""
    )


def test_stages_as_json(staged, plan):
    data = plan_as_json(staged)
    assert data["stages"] == [{"name": "early", "merge_method": "slerp", "models": ["./a", "./b"]}]
    assert [model["ref"] for model in data["models"]] == ["./a", "./b"]
    assert plan_as_json(plan)["stages"] == []


def test_text_shows_findings_and_the_target(plan):
    finding = Finding("x", "warning", "something is odd", "look", 2, 4)
    text = as_text(replace(plan, findings=(finding,), repo="alice/m", private=True))
    assert "findings   warning r.yaml:2:4: something is odd; look" in text
    assert "to https://huggingface.co/alice/m (private)" in text


def test_markdown(plan):
    finding = Finding("x", "note", "good to know", "", 2, 4)
    assert (
        plans_as_markdown([planned_entry(replace(plan, findings=(finding,), repo="alice/m"))])
        == f"""\
### r

slerp makes 8.85 k parameters, 4 layers, float16, {size(plan.bytes)} in 1 shard, licence apache-2.0, to \
https://huggingface.co/alice/m.

| | where | finding |
| --- | --- | --- |
| note | r.yaml:2:4 | good to know |

| model | commit | licence | parameters |
| --- | --- | --- | ---: |
| ./a (base) | local | apache-2.0 | 8.85 k |
| ./b | local | apache-2.0 | 8.85 k |

<details><summary>How it is mixed, layer by layer</summary>

```text
t  ▁▃▆█
```

</details>

Reads 35.4 kB, writes {size(plan.bytes)}; needs {size(plan.cost.peak_memory_bytes)} of memory and \
{size(plan.bytes)} of disk at a time.

Plan digest `{plan.digest}`, weights digest `{plan.weights_digest}`.
"""
    )


def test_markdown_of_a_refused_recipe():
    refused = RecipeError("r.yaml", [Finding("x", "error", "`t` is | 2", "correct it", 7, 6)])
    assert (
        plans_as_markdown([refused_entry(refused.path, refused.findings)])
        == """\
### r.yaml

This recipe cannot be merged as it is.

| | where | finding |
| --- | --- | --- |
| error | r.yaml:7:6 | \\`t\\` is \\| 2; correct it |
"""
    )


NASTY = "a|b`c`<img src=x>[d](http://e)\n\n# f @alice #1 **g** &amp; \x1b[31m\u202e"


def test_a_cell_holds_any_text():
    zero = "\u200b"
    assert cell(NASTY) == (
        "a\\|b\\`c\\`&lt;img src=x&gt;\\[d\\](http://e) \\#"
        + zero
        + " f @"
        + zero
        + "alice \\#"
        + zero
        + "1 \\*\\*g\\*\\* &amp;amp; \\\\x1b\\[31m\\\\u202e"
    )


def nasty(plan):
    pins = tuple(replace(pin, ref=NASTY, license=NASTY) for pin in plan.models)
    finding = Finding("x", "warning", NASTY, NASTY, 1, 1)
    verdict = replace(plan.licence, license=NASTY)
    side = tuple(replace(file, name=NASTY) for file in plan.side_files)
    stack = tuple(replace(t, mixture=replace(t.mixture, parameters={}, source_parameters=({},))) for t in plan.tensors)
    return replace(
        plan, models=pins, findings=(finding,), licence=verdict, side_files=side, title=NASTY, path=NASTY, tensors=stack
    )


def test_no_name_breaks_out_of_the_markdown(plan):
    rendered = plans_as_markdown([planned_entry(nasty(plan))])
    plain_one = plans_as_markdown([planned_entry(replace(plan, findings=(Finding("x", "note", "m", "", 1, 1),)))])
    code = re.search("```text\n(.*?)```", rendered, re.DOTALL)
    assert code is not None
    assert "`" not in code[1]
    outside = rendered.replace(code[0], "")
    assert "<img" not in outside
    assert not re.search(r"(?<!\\)\[|@alice|(?<!\\)\*", outside)
    assert [line for line in outside.splitlines() if line.startswith("#")] == [f"### {cell(NASTY)}"]
    # as many lines, and as many columns in each table, as with plain names
    assert len(rendered.splitlines()) == len(plain_one.splitlines())
    for line in outside.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) in {4, 5}


def test_no_name_reaches_the_terminal_as_a_command(plan):
    text = as_text(nasty(plan), width=400)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\x1b[31m\\u202e" in text
    assert "[d](http://e)" in text


def test_markup_in_a_licence_is_text(plan):
    assert "licence [/red]" in as_text(replace(plan, licence=replace(plan.licence, license="[/red]")))


@pytest.mark.parametrize(
    ("nbytes", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (17696, "17.7 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (14_480_000_000, "14.5 GB"),
        (5_000_000_000_000, "5 TB"),
    ],
)
def test_size(nbytes, words):
    assert size(nbytes) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0"),
        (999, "999"),
        (8848, "8.85 k"),
        (7_241_732_096, "7.24 B"),
        (999_600_000, "1 B"),
        (405_853_388_800, "406 B"),
    ],
)
def test_count(number, words):
    assert count(number) == words


def test_other_words():
    assert (plural(1, "shard"), plural(2, "shard")) == ("1 shard", "2 shards")
    assert (short(None), short("0123456789abcdef")) == ("local", "01234567")
    assert plain("naïve 模型 \t\x07") == "naïve 模型 \\t\\x07"
