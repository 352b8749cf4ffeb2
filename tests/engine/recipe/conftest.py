"""What the tests of the recipe room share."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest

from engine.recipe import parse


@pytest.fixture(scope="session")
def said() -> Callable[[str], list[str]]:
    """All findings of a recipe's text, as a terminal shows them, each after its level."""

    def _said(text: str) -> list[str]:
        return [f"{f.level} {f.line_for('r').removeprefix('r:')}" for f in parse(dedent(text)).findings]

    return _said
