"""``python -m engine`` is the command line, for where the console script is not on the path."""

from __future__ import annotations

from engine.cli import main

main()
