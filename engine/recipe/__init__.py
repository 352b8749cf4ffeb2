"""Recipe text → Recipe: reads YAML with positions, reports every mistake at once, knows nothing of models."""

from __future__ import annotations

from engine.recipe.canonical import meaning
from engine.recipe.lookup import look_up
from engine.recipe.parsing import Parsed, parse
from engine.recipe.places import Places
from engine.recipe.publishing import is_repo
from engine.recipe.schema import json_schema
from engine.recipe.stages import unknown_stage
from engine.recipe.values import (
    Case,
    HubName,
    ModelRef,
    Parameters,
    Path,
    Publish,
    Recipe,
    Scalar,
    Setting,
    Slice,
    Source,
    hub_name,
)

__all__ = [
    "Case",
    "HubName",
    "ModelRef",
    "Parameters",
    "Parsed",
    "Path",
    "Places",
    "Publish",
    "Recipe",
    "Scalar",
    "Setting",
    "Slice",
    "Source",
    "hub_name",
    "is_repo",
    "json_schema",
    "look_up",
    "meaning",
    "parse",
    "unknown_stage",
]
