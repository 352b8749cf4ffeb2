"""Model cards: their front matter, and what the Hub checks in it. Source: the Hub's model card documentation."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml

from engine.devhub.answers import Answer, as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.devhub.answers import Call
    from engine.devhub.schema import Commit

LICENSES = frozenset(
    [
        "afl-3.0",
        "agpl-3.0",
        "apache-2.0",
        "apple-amlr",
        "apple-ascl",
        "artistic-2.0",
        "bigcode-openrail-m",
        "bigscience-bloom-rail-1.0",
        "bigscience-openrail-m",
        "bsd",
        "bsd-2-clause",
        "bsd-3-clause",
        "bsd-3-clause-clear",
        "bsl-1.0",
        "c-uda",
        "cc",
        "cc-by-2.0",
        "cc-by-2.5",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nc-nd-3.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "cc-by-nd-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc0-1.0",
        "cdla-permissive-1.0",
        "cdla-permissive-2.0",
        "cdla-sharing-1.0",
        "creativeml-openrail-m",
        "deepfloyd-if-license",
        "ecl-2.0",
        "epl-1.0",
        "epl-2.0",
        "etalab-2.0",
        "eupl-1.1",
        "eupl-1.2",
        "fair-noncommercial-research-license",
        "gemma",
        "gfdl",
        "gpl",
        "gpl-2.0",
        "gpl-3.0",
        "grok2-community",
        "h-research",
        "intel-research",
        "isc",
        "lgpl",
        "lgpl-2.1",
        "lgpl-3.0",
        "lgpl-lr",
        "llama2",
        "llama3",
        "llama3.1",
        "llama3.2",
        "llama3.3",
        "llama4",
        "lppl-1.3c",
        "mit",
        "mpl-2.0",
        "ms-pl",
        "ncsa",
        "odbl",
        "odc-by",
        "ofl-1.1",
        "openmdw-1.0",
        "openrail",
        "openrail++",
        "osl-3.0",
        "other",
        "pddl",
        "postgresql",
        "unknown",
        "unlicense",
        "wtfpl",
        "zlib",
    ]
)
RELATIONS = ("adapter", "finetune", "merge", "quantized")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


def front_matter(text: str) -> tuple[dict[str, Any], list[str]]:
    """Return a README's front matter and what is wrong with its YAML; {} where there is none."""
    match = _FRONT_MATTER.match(text.removeprefix("\ufeff"))
    if match is None:
        return {}, []
    try:
        data = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        return {}, [f"invalid YAML: {error}"]
    if data is None:
        return {}, []
    if not isinstance(data, dict):
        return {}, ["the front matter must be a mapping"]
    return data, []


def problems(text: str) -> tuple[list[str], list[str]]:
    """Return the errors and the warnings that the Hub has for a README."""
    data, errors = front_matter(text)
    if not errors and not data:
        return [], ["empty or missing yaml metadata in repo card"]
    found = [problem for key, check in _CHECKS.items() if key in data and (problem := check(data[key]))]
    if data.get("license") == "other" and not isinstance(data.get("license_name"), str):
        found.append('"license_name" must be a string where "license" is "other"')
    return errors + found, []


def _license(value: object) -> str | None:
    values = value if isinstance(value, list) else [value]
    bad = [str(one) for one in values if one not in LICENSES]
    return f'"license" must be one of the Hub\'s identifiers, not {", ".join(bad)}' if bad else None


def _repos(value: object) -> str | None:
    values = value if isinstance(value, list) else [value]
    bad = [str(one) for one in values if not isinstance(one, str) or not _REPO.fullmatch(one)]
    return f'"base_model" must name models on the Hub, not {", ".join(bad)}' if bad else None


def _relation(value: object) -> str | None:
    return None if value in RELATIONS else f'"base_model_relation" must be one of {", ".join(RELATIONS)}'


def _texts(key: str) -> Callable[[object], str | None]:
    def check(value: object) -> str | None:
        fine = isinstance(value, list) and all(isinstance(one, str) for one in value)
        return None if fine else f'"{key}" must be a list of strings'

    return check


def _text_or_texts(key: str) -> Callable[[object], str | None]:
    def check(value: object) -> str | None:
        return None if isinstance(value, str) else _texts(key)(value)

    return check


def _text(key: str) -> Callable[[object], str | None]:
    return lambda value: None if isinstance(value, str) else f'"{key}" must be a string'


_CHECKS: Mapping[str, Callable[[object], str | None]] = {
    "license": _license,
    "base_model": _repos,
    "base_model_relation": _relation,
    "tags": _texts("tags"),
    "language": _text_or_texts("language"),
    "library_name": _text("library_name"),
    "pipeline_tag": _text("pipeline_tag"),
    "license_name": _text("license_name"),
    "license_link": _text("license_link"),
}


def validate(call: Call) -> Answer:
    """POST /api/validate-yaml: ``{content, repoType}`` → ``{errors, warnings}``, 400 where there are errors.

    Who accepts text only, as the client's ``RepoCard.validate`` does, gets the errors as lines.
    """
    errors, warnings = problems(str(call.json().get("content", "")))
    status = 400 if errors else 200
    if call.headers.get("accept") == "text/plain":
        return Answer(status, {"Content-Type": "text/plain; charset=utf-8"}, "\n".join(errors).encode())
    return as_json({"errors": [{"message": m} for m in errors], "warnings": [{"message": m} for m in warnings]}, status)


def card_of(call: Call, commit: Commit) -> dict[str, Any]:
    """Return the front matter of a commit's README as JSON has it (dates as texts); {} if none or bad."""
    entry = commit.files.get("README.md")
    if entry is None:
        return {}
    data, _ = front_matter(call.store.blobs.path(entry.sha256).read_text("utf-8", errors="replace"))
    return dict(json.loads(json.dumps(data, default=str)))


def tags_of(card: Mapping[str, Any], commit: Commit, task: str | None) -> list[str]:
    """Return a model's tags: the card's own, and those that the Hub derives; what it is for is one of them."""
    tags = [card["library_name"]] if isinstance(card.get("library_name"), str) else []
    tags += ["safetensors"] if any(name.endswith(".safetensors") for name in commit.files) else []
    tags += [tag for tag in _listed(card.get("tags")) if tag not in tags]
    tags += [task] if task else []
    tags += _listed(card.get("language"))
    relation = card.get("base_model_relation")
    for base in _listed(card.get("base_model")):
        tags += [f"base_model:{base}", *([f"base_model:{relation}:{base}"] if relation else [])]
    tags += [f"license:{name}" for name in _listed(card.get("license"))]
    return list(dict.fromkeys(tags))


def _listed(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str)]
