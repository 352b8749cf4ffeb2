from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import huggingface_hub
import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from markdown_it.token import Token

from engine.devhub import Server
from engine.publish.card import code, front_matter, link, render, text
from engine.publish.facts import CardFacts, Parent

RECIPE = """\
models:
  - model: org/base
  - model: org/chat_tune
    parameters: {density: 0.5, weight: 1}
  - model: ./mine
    parameters: {density: 0.5, weight: 0.5}
merge_method: ties
base_model: org/base
dtype: bfloat16
"""


def parent(ref: str, commit: str | None, licence: str | None, parameters: int, *, base: bool = False) -> Parent:
    return Parent(
        ref=ref,
        repo=ref if commit else None,
        commit=commit,
        url=f"https://huggingface.co/{ref}" if commit else None,
        license=licence,
        license_name=None,
        license_link=None,
        is_base=base,
        architecture="LlamaForCausalLM",
        parameters=parameters,
    )


FACTS = CardFacts(
    title="My merge_1",
    repo="me/my-merge",
    url_base="https://huggingface.co",
    recipe_text=RECIPE,
    recipe_file="mergekit_config.yml",
    methods=(("ties", "merge many fine-tunes of one base where their changes conflict", "2306.01708"),),
    parents=(
        parent("org/base", "0123456789abcdef0123456789abcdef01234567", "apache-2.0", 8_030_261_248, base=True),
        parent("org/chat_tune", "89abcdef0123456789abcdef0123456789abcdef", "mit", 8_030_261_248),
        parent("./mine", None, None, 8_030_261_248),
    ),
    dtype="bfloat16",
    parameters=8_030_261_248,
    layers=32,
    architecture="LlamaForCausalLM",
    license="apache-2.0",
    license_name=None,
    license_link=None,
    license_note="the recipe states apache-2.0; the parents: apache-2.0 (org/base); mit (org/chat_tune)",
    tags=("chat", "merge"),
    language=("en", "no"),
    description="Answers in two languages.",
    weights_digest="5f" * 32,
    engine_version="0.1.0",
    warnings=("A folder was pinned by its files.",),
    pipeline_tag="text-generation",
    has_tokenizer=True,
    has_chat_template=True,
)

CARD = (
    """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
base_model:
- org/base
- org/chat_tune
base_model_relation: merge
tags:
- merge
- mergekit
- mergesmith
- chat
language:
- en
- 'no'
---

# My merge_1

Answers in two languages.

**My merge_1** is made from the weights of 3 models alone: nothing was trained.
It is a `LlamaForCausalLM` with 8.03 B parameters in 32 layers, stored as `bfloat16`.

## Lineage

| Model | Role | Commit | Licence | Parameters |
| --- | --- | --- | --- | ---: |
| [org/base](https://huggingface.co/org/base) | base | [0123456](https://huggingface.co/org/base/tree/0123456789abcdef0123456789abcdef01234567) | apache-2.0 | 8.03 B |
| [org/chat_tune](https://huggingface.co/org/chat_tune) | merged in | [89abcde](https://huggingface.co/org/chat_tune/tree/89abcdef0123456789abcdef0123456789abcdef) | mit | 8.03 B |
| ./mine | merged in | local folder | not stated | 8.03 B |

## Method

- `ties`: merge many fine-tunes of one base where their changes conflict ([arXiv:2306.01708](https://arxiv.org/abs/2306.01708))

The recipe as written, also in [mergekit_config.yml](https://huggingface.co/me/my-merge/blob/main/mergekit_config.yml):

```yaml
"""  # noqa: E501 - a table's row is one line
    + RECIPE
    + """\
```

## Use

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model_id = "me/my-merge"
tokenizer = AutoTokenizer.from_pretrained(model_id)
model = AutoModelForCausalLM.from_pretrained(model_id, dtype="auto")

messages = [{"role": "user", "content": "What is a large language model?"}]
inputs = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"
)
output = model.generate(**inputs, max_new_tokens=128)
new = output[0, inputs["input_ids"].shape[1] :]
print(tokenizer.decode(new, skip_special_tokens=True))
```

## Check

Nothing here has to be taken on trust: the recipe and the commits above decide every bit of the weights, and mergesmith 0.1.0 makes them again.
Whoever wants to do that needs the same local folders.

```sh
mergesmith verify me/my-merge             # every file is what its record says
mergesmith verify me/my-merge --sample 5  # five tensors, made again from the parents: the same bytes?
mergesmith verify me/my-merge --rebuild   # the whole model
```

`merge.lock.json` has the parents' commits and files, and `merge.record.json` the hash of every file and tensor of this model.
`mergesmith plan` shows a recipe's weights digest before a weight is read: the same digest means the same weights. Of this model it is

    5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f

## Licence

This merge is under **apache-2.0**: the recipe states apache-2.0; the parents: apache-2.0 (org/base); mit (org/chat_tune).
That is worked out from what the parents' cards say; it is not legal advice.

## Notes

- A folder was pinned by its files.
"""  # noqa: E501 - a paragraph's sentence is one line
)


def changed(**values: object) -> CardFacts:
    return dataclasses.replace(FACTS, **values)  # type: ignore[arg-type]


def first(**values: object) -> tuple[Parent, ...]:
    """FACTS' parents, the first one changed."""
    return (dataclasses.replace(FACTS.parents[0], **values), *FACTS.parents[1:])  # type: ignore[arg-type]


def section(card: str, name: str) -> str:
    return card.split(f"\n## {name}\n\n", 1)[1].split("\n## ", 1)[0]


def tokens(card: str) -> list[Token]:
    """The page below the front matter, as an independent Markdown parser sees it; blocks and inlines flat."""
    body = re.sub(r"\A---\n.*?\n---\n", "", card, flags=re.DOTALL)
    blocks = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(body)
    return [token for block in blocks for token in [block, *(block.children or [])]]


def shape(card: str) -> list[tuple[str, str]]:
    """What the page is built of, whatever its words: runs of plain text count as one."""
    kinds = [("text" if token.type == "text_special" else token.type, token.tag) for token in tokens(card)]
    return [kind for kind, before in zip(kinds, [None, *kinds], strict=False) if kind != before or kind[0] != "text"]


def test_the_whole_card() -> None:
    assert render(FACTS) == CARD


def test_the_hub_accepts_it(devhub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", devhub.endpoint)
    card = ModelCard(render(FACTS))
    card.validate()
    data = card.data.to_dict()
    assert data["base_model"] == ["org/base", "org/chat_tune"]
    assert data["base_model_relation"] == "merge"
    assert data["language"] == ["en", "no"]
    with pytest.raises(ValueError, match="identifiers, not my-own"):
        ModelCard(render(changed(license="my-own"))).validate()


def test_only_local_parents_leave_out_the_base_models() -> None:
    data = yaml.safe_load(front_matter(changed(parents=FACTS.parents[2:])))
    assert set(data) == {"license", "library_name", "pipeline_tag", "tags", "language"}


def test_a_parent_used_twice_is_listed_once() -> None:
    data = yaml.safe_load(front_matter(changed(parents=(*FACTS.parents, *FACTS.parents))))
    assert data["base_model"] == ["org/base", "org/chat_tune"]


def test_another_licence_has_its_name_and_its_address() -> None:
    facts = changed(license="other", license_name="yi-licence", license_link="https://yi.example/terms")
    assert yaml.safe_load(front_matter(facts)) | {"tags": []} == {
        "license": "other",
        "license_name": "yi-licence",
        "license_link": "https://yi.example/terms",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "base_model": ["org/base", "org/chat_tune"],
        "base_model_relation": "merge",
        "tags": [],
        "language": ["en", "no"],
    }
    assert "This merge is under **[yi-licence](https://yi.example/terms)**: the recipe" in render(facts)


def test_a_parents_licence_is_linked() -> None:
    card = render(changed(parents=first(license="other", license_name="yi", license_link="LICENSE")))
    address = "https://huggingface.co/org/base/blob/0123456789abcdef0123456789abcdef01234567/LICENSE"
    assert f" | [yi]({address}) | 8.03 B |" in card


def test_a_folder_that_is_not_published() -> None:
    card = render(changed(repo=None))
    assert 'model_id = "out"\n' in section(card, "Use")
    assert "\nmergesmith verify out --rebuild   # the whole model\n" in section(card, "Check")
    assert "also in mergekit_config.yml:" in card


def test_without_notes_description_or_layers() -> None:
    card = render(changed(warnings=(), description=None, layers=None))
    assert card.endswith("it is not legal advice.\n")
    assert "\n# My merge_1\n\n**My merge_1** is made" in card
    assert "with 8.03 B parameters, stored" in card


def test_hub_parents_alone_need_nothing_else_to_be_made_again() -> None:
    assert "makes them again.\n\n```sh\n" in render(changed(parents=FACTS.parents[:1]))
    assert "weights of 1 model alone" in render(changed(parents=FACTS.parents[:1]))


def test_without_a_tokenizer() -> None:
    assert section(render(changed(has_tokenizer=False, has_chat_template=False)), "Use") == (
        "This model comes without a tokenizer: take one of its parents'.\n\n```python\n"
        "from transformers import AutoModelForCausalLM\n\n"
        'model = AutoModelForCausalLM.from_pretrained("me/my-merge", dtype="auto")\n```\n'
    )


@pytest.mark.parametrize(
    ("architecture", "loader"),
    [
        ("BertForSequenceClassification", "BertForSequenceClassification"),
        ("BertModel", "AutoModel"),
        ("x; import os", "AutoModel"),
    ],
)
def test_what_generates_no_text_is_loaded_with_its_head(architecture: str, loader: str) -> None:
    assert section(render(changed(architecture=architecture)), "Use") == (
        f'```python\nfrom transformers import {loader}\n\nmodel = {loader}.from_pretrained("me/my-merge")\n```\n'
    )


HOSTILE = [
    "x\n---\nlicense: mit",
    "x\n\n# Heading",
    "x | y",
    "``` x",
    "` x",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "![x](http://evil.example/p.png)",
    "**x** __x__ _x_ ~~x~~",
    "&lt;b&gt; &#x41;",
    "{{ 7 * 7 }} {% raw %}",
    "- x",
    "1. x",
    "# x",
    "=== x",
    "x\\",
    "\u202ex\x00y\u2028---",
    "snow ☃ 雪 😀",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_untrusted_text_changes_neither_front_matter_nor_structure(value: str) -> None:
    plain, hostile = [
        changed(
            title=each,
            description=each,
            architecture=f"{each}ForCausalLM",
            warnings=(each,),
            license_note=each,
            tags=(each,),
            parents=first(ref=each, license=each),
        )
        for each in ("x", value)
    ]
    card = render(hostile)
    assert shape(card) == shape(render(plain))
    data = ModelCard(card).data.to_dict()
    assert (data["license"], data["base_model"]) == ("apache-2.0", ["org/base", "org/chat_tune"])
    assert len(data["tags"]) == 4
    assert not [token.type for token in tokens(card) if token.type in ("html_block", "html_inline", "image")]


@pytest.mark.parametrize("value", HOSTILE)
def test_escaped_text_reads_as_it_was_written(value: str) -> None:
    inline = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text(value))[1]
    visible = "".join(character for character in value if character not in "\x00\u202e")
    assert "".join(token.content for token in inline.children or []) == " ".join(visible.split())
    assert {token.type for token in inline.children or []} <= {"text", "text_special"}


@pytest.mark.parametrize("value", HOSTILE)
def test_code_reads_as_it_was_written(value: str) -> None:
    (span,) = MarkdownIt("commonmark").parse(code(value))[1].children or []
    visible = "".join(character for character in value if character not in "\x00\u202e")
    assert (span.type, span.content) == ("code_inline", " ".join(visible.split()))


def test_ordinary_names_stay_as_they_are() -> None:
    assert text("org/my_model-7B_v0.2") == "org/my_model-7B_v0.2"
    assert text("_x_ snake_case 1.5 B") == "\\_x\\_ snake_case 1.5 B"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (None, "x"),
        ("javascript:alert(1)", "x"),
        ("data:text/html,x", "x"),
        ("https://e.example/a b)c", "[x](https://e.example/a%20b%29c)"),
        ('https://e.example/"><script>', "[x](https://e.example/%22%3E%3Cscript%3E)"),
        ("http://127.0.0.1:8000/o/m/tree/abc", "[x](http://127.0.0.1:8000/o/m/tree/abc)"),
    ],
)
def test_links_lead_to_the_web_or_nowhere(url: str | None, expected: str) -> None:
    assert link("x", url) == expected


@pytest.mark.parametrize("run", ["```", "````", "`" * 9])
def test_the_recipe_stays_in_its_fence(run: str) -> None:
    recipe = f"# a note\n{run}\n# Not a heading\n<script>\n---\n"
    fences = [token for token in tokens(render(changed(recipe_text=recipe))) if token.type == "fence"]
    assert fences[0].content == recipe
    assert [fence.info for fence in fences] == ["yaml", "python", "sh"]


@pytest.mark.parametrize("chat", [True, False])
def test_the_snippet_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], chat: bool
) -> None:
    make_tiny_model(tmp_path / "out", chat=chat)
    monkeypatch.chdir(tmp_path)
    card = render(changed(repo=None, has_chat_template=chat))
    snippet = re.fullmatch(r"```python\n(.*)```\n", section(card, "Use"), re.DOTALL)
    assert snippet
    capsys.readouterr()
    names: dict[str, object] = {}
    exec(snippet[1], names)
    assert capsys.readouterr().out.strip() == "a " * 127 + "a"


def make_tiny_model(folder: Path, *, chat: bool) -> None:
    """A Llama whose every next word is "a", since its head is 1 for that word, and 0 for all others."""
    import torch  # noqa: PLC0415 - these take seconds, and one test needs them
    from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: PLC0415
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: PLC0415

    words = Tokenizer(models.WordLevel({"?": 0, "a": 1, "b": 2}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?")
    if chat:
        tokenizer.chat_template = "{% for message in messages %}{{ message.content }} b{% endfor %}"
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=3,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.model.embed_tokens.weight.fill_(1)
        model.model.norm.weight.fill_(1)
        model.lm_head.weight[1] = 1
    model.save_pretrained(folder)
