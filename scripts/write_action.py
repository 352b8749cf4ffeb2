"""Write what is made from the Action's inputs and the policy: ``action.yml``, and the tables in their docs.

Run it after changing ``bot/inputs.py`` or ``bot/policy.py``; ``tests/test_action.py`` fails where a file is behind.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.inputs import OUTPUTS, Inputs
from bot.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parents[1]
NAME = "mergesmith"
DESCRIPTION = (
    "Merge language models by pull request: plan a recipe for review, publish the model to the Hugging Face Hub"
)


def action_text() -> str:
    """Write the Action's metadata. Texts are JSON strings, which YAML reads as they are.

    A release puts the built image in the place of ``Dockerfile``, so that nobody builds it on each run.
    """
    lines = [
        "# Written by scripts/write_action.py.",
        f"name: {NAME}",
        f"description: {json.dumps(DESCRIPTION)}",
        "author: mergesmith",
        "branding: {icon: git-merge, color: purple}",
        "inputs:",
    ]
    for name, field in inputs().items():
        lines += [f"  {name}:", f"    description: {_json(field.description)}", "    required: false"]
        default = default_of(field)
        lines += [f"    default: {_json(default)}"] if default else []
    lines += ["outputs:"]
    for name, description in OUTPUTS.items():
        lines += [f"  {name}:", f"    description: {_json(description)}"]
    lines += ["runs:", "  using: docker", "  image: Dockerfile", "  entrypoint: /usr/local/bin/mergesmith-action"]
    return "\n".join(lines) + "\n"


def inputs() -> dict[str, FieldInfo]:
    """The Action's inputs by the names that workflows use."""
    return {field.alias or name: field for name, field in Inputs.model_fields.items()}


def default_of(field: FieldInfo) -> str:
    """What an input is where a workflow leaves it out, as text; "" for nothing."""
    extra = field.json_schema_extra
    value: Any = extra["default"] if isinstance(extra, dict) and "default" in extra else field.default
    if isinstance(value, bool):
        return str(value).lower()
    return "\n".join(value) if isinstance(value, tuple) else value or ""


def _json(text: str | None) -> str:
    return json.dumps(text or "", ensure_ascii=False)


def inputs_table() -> str:
    """One row for each input."""
    rows = [(f"`{name}`", _code(default_of(field)), field.description or "") for name, field in inputs().items()]
    return _table(("input", "default", ""), rows)


def outputs_table() -> str:
    """One row for each output."""
    return _table(("output", ""), [(f"`{name}`", _sentence(text)) for name, text in OUTPUTS.items()])


def policy_table() -> str:
    """One row for each key of the policy."""
    schema = Policy.model_json_schema()["properties"]
    rows = [
        (f"`{name}`", _kind(schema[name]), _sentence(field.description or ""))
        for name, field in Policy.model_fields.items()
    ]
    return _table(("key", "value", ""), rows)


def _kind(schema: dict[str, Any]) -> str:
    """Say what a key's value is; the first of several kinds, the other being that it is left out."""
    schema = schema["anyOf"][0] if "anyOf" in schema else schema
    if schema["type"] == "array":
        return "a list of keys" if "enum" in schema["items"] else "a list of names"
    return {"boolean": "`true` or `false`", "integer": "a size"}[schema["type"]]


def _code(text: str) -> str:
    return "<br>".join(f"`{line}`" for line in text.splitlines())


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    rule = " | ".join("---" for _ in head)
    return "".join(f"| {line} |\n" for line in (" | ".join(head), rule, *lines))


def written(page: str) -> str:
    """Put the present tables into a page of docs, between its markers."""
    for name, table in {"inputs": inputs_table(), "outputs": outputs_table(), "policy": policy_table()}.items():
        start, end = f"<!-- {name}: written by scripts/write_action.py -->\n", f"<!-- end of {name} -->\n"
        before, marker, rest = page.partition(start)
        if marker:
            page = before + start + table + end + rest.partition(end)[2]
    return page


def main() -> None:
    """Write all of it."""
    (ROOT / "action.yml").write_text(action_text(), encoding="utf-8")
    for page in (ROOT / "docs" / "action.md", ROOT / "docs" / "policy.md"):
        page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
