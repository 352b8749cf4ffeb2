"""Write what is generated from the code: ``docs/methods.md``, and the table of methods in the README.

Run it after changing a method, or an example in ``docs/examples.yaml``; ``tests/test_docs.py`` fails where the
documents are behind.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from engine.describe import models_of, parameters_of
from engine.methods import METHODS

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "docs" / "examples.yaml"
START, END = "<!-- methods: written by scripts/write_docs.py -->\n", "<!-- end of methods -->\n"


def methods_table() -> str:
    """One row for each method."""
    rows = [f"| `{name}` | {method.purpose} | {models_of(method)} |" for name, method in METHODS.items()]
    return "\n".join(["| method | what it is for | takes |", "| --- | --- | --- |", *rows]) + "\n"


def worked(example: dict[str, Any]) -> str:
    """An example: its recipe, what goes in and comes out, and how."""
    values = example["tensors"] | {"result": example["result"]}
    width = max(map(len, values))
    lines = [f"    {name:<{width}} = {numbers}" for name, numbers in values.items()]
    steps = [f"- {step}" for step in example["working"]]
    return "\n".join(["Example:\n", "```yaml", example["recipe"] + "```\n", *lines, "", *steps]) + "\n"


def methods_page() -> str:
    """Everything about every method."""
    examples = yaml.safe_load(EXAMPLES.read_text(encoding="utf-8"))
    parts = ["# Methods\n", "Made from the methods themselves by `scripts/write_docs.py`.\n", methods_table()]
    for name, method in METHODS.items():
        parts.append(f"## {name}\n")
        parts.append(f"{method.purpose[0].upper()}{method.purpose[1:]}. Takes {models_of(method)}.\n")
        parts.append(f"    {method.formula}\n")
        rows = [("per model", row) for row in parameters_of(method.source_parameters)]
        rows += [("for all", row) for row in parameters_of(method.parameters)]
        if rows:
            lines = [f"| `{label}` | {scope} | {default} | {text} |" for scope, (label, default, text) in rows]
            parts.append("\n".join(["| parameter | scope | default | |", "| --- | --- | --- | --- |", *lines]) + "\n")
        if method.inert:
            names = ", ".join(f"`{inert}`" for inert in sorted(method.inert))
            parts.append(f"Accepted without effect, as by mergekit: {names}.\n")
        if method.paper:
            parts.append(f"Paper: <https://arxiv.org/abs/{method.paper}>.\n")
        parts.append(worked(examples[name]))
    return "\n".join(parts)


def with_table(readme: str) -> str:
    """Put the present table into the README's text."""
    return re.sub(
        re.escape(START) + ".*?" + re.escape(END), lambda _: START + methods_table() + END, readme, flags=re.DOTALL
    )


def main() -> None:
    """Write both."""
    (ROOT / "docs" / "methods.md").write_text(methods_page(), encoding="utf-8")
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
