"""The engine's version, and the version of its numerics."""

from __future__ import annotations

ENGINE = "0.1.0"
NUMERICS = 1
"""Raised whenever any bit of any result may change: methods, parameter resolution, casting, random streams."""
