"""Checks that need the models: each a function from values to findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.checkpoints.side_files import is_tokenizer_file
from engine.findings import error, note, warning
from engine.plan.sections import range_findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.findings import Finding
    from engine.plan.models import Models
    from engine.plan.plan import OutputTensor, SideFile
    from engine.publish.licences import Verdict
    from engine.recipe import Places, Recipe


def ranges(recipe: Recipe, models: Models, places: Places) -> list[Finding]:
    """Layer ranges that reach outside their models."""
    slices = recipe.slices or ()
    return [f for part in slices for source in part.sources for f in range_findings(source, models, places)]


def architectures(models: Models, places: Places, *, allowed: bool) -> list[Finding]:
    """Different architectures in one merge: an error, or a warning where the caller allows it."""
    first = models.checkpoints[0].pin.architecture
    findings = []
    for model, checkpoint in enumerate(models.checkpoints):
        if checkpoint.pin.architecture != first:
            make = warning if allowed else error
            findings.append(
                make(
                    "architecture-differs",
                    f"{models.ref(model)} is a {checkpoint.pin.architecture} and {models.ref(0)} a {first}; "
                    "models of one merge must have the same architecture",
                    "" if allowed else "name models of one architecture, or pass --allow-crimes if you know they fit",
                    places.value(models.mentions[model]),
                )
            )
    return findings


def cancelling_weights(tensors: Sequence[OutputTensor], recipe: Recipe, places: Places) -> list[Finding]:
    """Weights that are divided by their sum, and sum to zero."""
    bad = [t for t in tensors if t.method == "linear" and t.parameters["normalize"] and _sum_of_weights(t) == 0]
    if not bad:
        return []
    sources = recipe.models or recipe.slices[-1].sources if recipe.slices else recipe.models or ()
    last = (*sources[-1].at, "parameters", "weight") if sources else ("merge_method",)
    return [
        error(
            "weights-cancel",
            f"the weights for tensor {bad[0].name!r} add up to 0, and the result is divided by their sum",
            "change a weight, or set `normalize: false`",
            places.value(last),
        )
    ]


def _sum_of_weights(tensor: OutputTensor) -> float:
    return float(sum(source["weight"] for source in tensor.source_parameters))


def licence(verdict: Verdict, recipe: Recipe, places: Places) -> list[Finding]:
    """What the parents' licences make of the result's."""
    if verdict.level == "ok":
        return []
    declared = recipe.publish is not None and recipe.publish.license is not None
    place = places.value(("publish", "license") if declared else ("merge_method",))
    return [warning("licence", verdict.message.rstrip("."), verdict.fix, place)]


def tokenizer(files: Sequence[SideFile], models: Models, lender: int, places: Places, *, wanted: bool) -> list[Finding]:
    """A model without a tokenizer can be made, but hardly used."""
    if any(is_tokenizer_file(file.name) for file in files):
        return []
    place = places.value(models.mentions[lender])
    if not wanted:
        return [note("tokenizer-left-out", "the result gets no tokenizer, as asked", "", place)]
    message = f"{models.ref(lender)} has no tokenizer, so the result gets none"
    return [warning("tokenizer-missing", message, "add one to the model that lends its config", place)]
