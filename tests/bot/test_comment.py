"""The comment as a reader meets it."""

from __future__ import annotations

import re
from pathlib import Path

import families
from markdown_it import MarkdownIt

ARTICLE = Path(__file__).parents[2] / "examples/article"
PARENTS = ("AIDC-ai-business/Marcoroni-7B-v3", "EmbeddedLLM/Mistral-7B-Merge-14-v0.1")


def test_the_articles_slerp(github, events, act, seed, devhub):
    """Every line of it, with the gradient's values as the article gives them at the first and last layer."""
    shape = families.Shape(layers=32)
    commits = {name: seed(name, number, shape=shape) for number, name in enumerate(PARENTS, start=1)}
    base = github.commit({"README.md": "x"})
    text = (ARTICLE / "marcoro14-7b-slerp.yaml").read_text()
    head = github.commit({"recipes/marcoro14-7b-slerp.yaml": text}, base)
    number = github.open_pull(head, base)
    act("pull_request", events.pull(github, number, "opened"), head, namespace="octocat")
    body = github.comments[number][0]["body"].replace(devhub.endpoint, "HUB")
    shown = re.sub(r"```json\n.*?\n```", "LOCK", body, flags=re.DOTALL)
    shown = re.sub(r"[0-9a-f]{64}", "DIGEST", shown).replace(head, "HEAD").replace(head[:8], "HEAD")
    for name, commit in zip("AB", commits.values(), strict=True):
        shown = shown.replace(commit, name).replace(commit[:8], name)
    shown = re.sub(r"(this runner has ).*? free", r"\1ROOM free", shown)
    shown = re.sub(r"it needs .*? of memory", "it needs MEMORY of memory", shown)
    assert shown.splitlines()[2:] == EXPECTED.splitlines()
    assert "<h3>" in MarkdownIt("commonmark").enable("table").render(body)


EXPECTED = """\
## mergesmith plan

✅ Ready to merge.

---

### ✅ `recipes/marcoro14-7b-slerp.yaml`

Added. No findings. It publishes to [`octocat/marcoro14-7b-slerp`](HUB/octocat/marcoro14-7b-slerp).

**Makes** `marcoro14-7b-slerp` by `slerp`: 63.5 k parameters, 32 layers, bfloat16, 157 kB in 1 shard, licence \
`apache-2.0`. With `tokenizer.json`, `tokenizer_config.json`.

**From**

| model | commit | licence | parameters | size |
| --- | --- | --- | ---: | ---: |
| [`AIDC-ai-business/Marcoroni-7B-v3`](HUB/AIDC-ai-business/Marcoroni-7B-v3) (base) | \
[`A`](HUB/AIDC-ai-business/Marcoroni-7B-v3/tree/A) | apache-2.0 | 63.5 k | 157 kB |
| [`EmbeddedLLM/Mistral-7B-Merge-14-v0.1`](HUB/EmbeddedLLM/Mistral-7B-Merge-14-v0.1) | \
[`B`](HUB/EmbeddedLLM/Mistral-7B-Merge-14-v0.1/tree/B) | apache-2.0 | 63.5 k | 157 kB |

**Mixed** as `t`: 0 is the base, 1 is the other model.

| | layers 0 to 31 | 0 | 8 | 16 | 23 | 31 |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
| `t` attention | `▁▁▂▂▃▃▄▄▄▄▄▄▄▄▃▃▃▄▄▄▅▅▅▆▆▆▇▇▇▇██` | 0 | 0.494 | 0.326 | 0.687 | 1 |
| `t` mlp | `██▇▇▆▆▅▅▅▅▅▅▅▅▆▆▆▅▅▅▄▄▄▃▃▃▂▂▂▂▁▁` | 1 | 0.506 | 0.674 | 0.313 | 0 |
| `t` other | `▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅` | 0.5 | 0.5 | 0.5 | 0.5 | 0.5 |

**Costs** 254 kB to read and 157 kB to write: under a minute at 100 MB/s.

✅ It fits: it needs MEMORY of memory and 157 kB of disk at a time, and this runner has ROOM free.

**Changes** `octocat/marcoro14-7b-slerp` does not exist yet, or is private.

<details><summary>No lock yet: pin these commits</summary>

Commit this as `recipes/marcoro14-7b-slerp.lock.json`, so that merging makes exactly this plan, whatever the parents \
do meanwhile. [Open it on GitHub](https://github.com/octocat/merges/new/change?filename=\
recipes/marcoro14-7b-slerp.lock.json) to paste it.

LOCK

</details>

<sub>plan digest `DIGEST`<br>weights digest `DIGEST`</sub>

<sub>[`HEAD`](https://github.com/octocat/merges/commit/HEAD) · \
[this run](https://github.com/octocat/merges/actions/runs/42) · read from headers alone, no weights</sub>
"""
