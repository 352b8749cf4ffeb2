"""The Hub, as the engine sees it: the only package that imports huggingface_hub.

What it raises is ours: ``ModelError`` where a model, a revision or a file is missing or gated, ``HubError``
for anything else. Import it only where a Hub name occurs: the client takes a moment to load.
"""

from __future__ import annotations

from engine.hub_client.hub import Hub
from engine.hub_client.values import Commit, Found, HubFile, HubModel, PullRequest, Upload
from engine.hub_errors import BranchMissing, FileMissing, ModelGated, ModelMissing, Moved, NotCached, RevisionMissing

__all__ = [
    "BranchMissing",
    "Commit",
    "FileMissing",
    "Found",
    "Hub",
    "HubFile",
    "HubModel",
    "ModelGated",
    "ModelMissing",
    "Moved",
    "NotCached",
    "PullRequest",
    "RevisionMissing",
    "Upload",
]
