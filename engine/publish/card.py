"""The model card: front matter that the Hub reads, and a page that people read."""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import yaml
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.plan.show.words import count, plural
from engine.resources import TEMPLATES

if TYPE_CHECKING:
    from engine.publish.facts import CardFacts

TEMPLATE = "model-card.md.j2"
TAGS = ("merge", "mergekit", "mergesmith")

# An underscore inside a word is plain text in CommonMark, so that ordinary model names stay as they are.
_MARKUP = re.compile(r"[\\`*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_])")
_BLOCK_START = re.compile(r"([-+#=]|\d+(?=[.)](?:\s|$)))")
_RUN_OF_BACKTICKS = re.compile(r"`+")
_TURNS_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def render(facts: CardFacts) -> str:
    """Render the README.md of a model: the same facts give the same text.

    Names, descriptions and licences come from other people's repos: in the front matter they are YAML values,
    in the text one line without markup, in an address percent-encoded, and the recipe stands in a fence
    longer than any in it. Source of the front matter's keys: the Hub's documentation on model cards.
    """
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # Markdown, not HTML; `text` and `code` take its markup away
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"text": text, "code": code, "link": link, "shell": shell}
    environment.filters |= {"count": count, "plural": plural}
    return environment.get_template(TEMPLATE).render(_context(facts))


def front_matter(facts: CardFacts) -> str:
    """Write the YAML between the dashes: one key a line or more, no key without a value.

    ``base_model`` has plain Hub ids in recipe order, each once; local folders are left out, and without any
    Hub parent both it and ``base_model_relation`` are, since an empty list breaks the Hub's family tree.
    """
    parents = list(dict.fromkeys(_line(parent.repo) for parent in facts.parents if parent.repo))
    other = facts.license == "other"
    values = {
        "license": facts.license,
        "license_name": facts.license_name if other else None,
        "license_link": facts.license_link if other else None,
        "library_name": "transformers",
        "pipeline_tag": facts.pipeline_tag,
        "base_model": parents,
        "base_model_relation": "merge" if parents else None,
        "tags": list(dict.fromkeys(_line(tag) for tag in (*TAGS, *facts.tags))),
        "language": [_line(language) for language in facts.language],
    }
    plain = {key: _line(value) if isinstance(value, str) else value for key, value in values.items() if value}
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=10**6)


def text(value: str) -> str:
    """Make any text one line of Markdown that reads as it is written: no markup, no HTML, no table cell's end."""
    escaped = _MARKUP.sub(lambda match: f"\\{match[0]}", _line(value))
    start = _BLOCK_START.match(escaped)
    if start is None:
        return escaped
    cut = start.end() if start[0].isdigit() else 0
    return f"{escaped[:cut]}\\{escaped[cut:]}"


def code(value: str) -> str:
    """Make a code span that ends where the text ends."""
    line = _line(value)
    ticks = "`" * (_longest_run(line) + 1)
    return f"{ticks} {line} {ticks}" if "`" in line else f"`{line}`"


def link(label: str, url: str | None) -> str:
    """Link ``label``, which is Markdown already, to a web address; without one it stays as it is."""
    if not url or urlsplit(url).scheme not in ("http", "https"):
        return label
    return f"[{label}]({quote(_line(url), safe=':/?#@!$&+,;=%~')})"


def shell(value: str) -> str:
    """Make one word of a command line."""
    return shlex.quote(_line(value))


def _line(value: str) -> str:
    kept = (" " if character.isspace() else character for character in value)
    visible = (c for c in kept if unicodedata.category(c) not in ("Cc", "Cs") and c not in _TURNS_DIRECTION)
    return " ".join("".join(visible).split())


def _longest_run(value: str) -> int:
    return max((len(run) for run in _RUN_OF_BACKTICKS.findall(value)), default=0)


def _context(facts: CardFacts) -> dict[str, Any]:
    recipe = facts.recipe_text.rstrip("\n")
    return vars(facts) | {
        "front_matter": front_matter(facts),
        "recipe": recipe,
        "recipe_url": f"{facts.url_base}/{facts.repo}/blob/main/{facts.recipe_file}" if facts.repo else None,
        "fence": "`" * max(3, _longest_run(recipe) + 1),
        "from_hub_only": all(parent.repo for parent in facts.parents),
        "model_id": json.dumps(_line(facts.repo or "out"), ensure_ascii=False),
        "generates": facts.architecture.endswith("ForCausalLM"),
        "loader": _loader(facts.architecture),
    }


def _loader(architecture: str) -> str:
    """Name the class that loads it with its head: transformers' own where it has one, else the bare model."""
    return architecture if re.fullmatch(r"[A-Z][A-Za-z0-9]*For[A-Z][A-Za-z0-9]*", architecture) else "AutoModel"
