"""A plan as JSON: the part of it that the outside can rely on."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from engine.canonical import digest
from engine.plan.show.mixture import stages_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.findings import Finding
    from engine.plan.plan import Plan


def plans_as_json(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Put the recipes' entries together, with one digest over theirs."""
    return {"digest": digest([entry["digest"] for entry in entries]), "recipes": list(entries)}


def refused_as_json(path: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """Entry of a recipe that cannot be planned: its findings, and no digest."""
    return {
        "path": path,
        "digest": None,
        "weights_digest": None,
        "models": [],
        "stages": [],
        "output": None,
        "cost": None,
        "findings": [asdict(finding) for finding in findings],
    }


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """Entry of a planned recipe. Sizes are in bytes, parameters in elements."""
    return {
        "path": plan.path,
        "digest": plan.digest,
        "weights_digest": plan.weights_digest,
        "models": [
            {
                "ref": pin.ref,
                "kind": pin.kind,
                "commit": pin.commit,
                "license": pin.license,
                "gated": pin.gated,
                "architecture": pin.architecture,
                "parameters": pin.parameters,
            }
            for pin in plan.models
        ],
        "stages": [
            {"name": stage.name, "merge_method": stage.method, "models": list(stage.models)}
            for stage in stages_of(plan)
        ],
        "output": {
            "name": plan.title,
            "repo": plan.repo,
            "license": plan.licence.license,
            "parameters": plan.parameters,
            "bytes": plan.bytes,
            "shards": len(plan.shards),
            "dtype": plan.dtype,
            "layers": plan.layers,
            "files": [file.name for file in plan.side_files],
        },
        "cost": asdict(plan.cost),
        "findings": [asdict(finding) for finding in plan.findings],
    }
