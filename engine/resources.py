"""Where templates and examples lie: beside the ``engine`` package, in a clone and in an installation alike."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = _ROOT / "templates"
EXAMPLES = _ROOT / "examples"
