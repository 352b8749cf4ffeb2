"""Checks that need the models: each a function from values to findings."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from engine.checkpoints.config import architecture, extra_layers
from engine.checkpoints.side_files import is_tokenizer_file
from engine.findings import error, note, warning
from engine.plan.problems import Problems
from engine.plan.sections import Member, range_findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.findings import Finding
    from engine.plan.models import Models, Named
    from engine.plan.plan import SideFile
    from engine.plan.sections import Section
    from engine.publish.licences import Verdict
    from engine.recipe import Places, Recipe


def ranges(recipe: Recipe, models: Named, places: Places) -> list[Finding]:
    """Layer ranges that reach outside their models, as far as those are known."""
    sources = [source for part in recipe.slices or () for source in part.sources if source.model in models.refs]
    return [finding for source in sources for finding in range_findings(source, models, places)]


def sizes(models: Named, places: Places) -> list[Finding]:
    """Models that do not fit the first one of their architecture: told even where the text has mistakes of its own.

    A sound text is held against its models slice by slice instead.
    """
    problems = Problems(models, places)
    first = models.known[0]
    for number, (at, other) in enumerate(zip(models.mentions, models.known, strict=True)):
        if architecture(other.config) == architecture(first.config):
            member = Member(number, 0, {}, _item(at))
            for name in [name for name in first.tensors if name in other.tensors]:
                problems.fits(name, (0, first.tensors[name].shape), (member, other.tensors[name].shape))
    return problems.findings()


def _item(at: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Where a list's entry stands whose ``model:`` stands at ``at``."""
    return at[:-1] if at[-1:] == ("model",) else at


def architectures(models: Named, places: Places, *, allowed: bool) -> tuple[frozenset[int], list[Finding]]:
    """Different architectures in one merge: an error, or a warning where the caller allows it.

    Returns the models that are refused for it too: those that are unlike most, or unlike the first.
    """
    names = [architecture(known.config) for known in models.known]
    usual = Counter(names).most_common(1)[0][0]
    example = models.ref(names.index(usual))
    foreign = frozenset(model for model, name in enumerate(names) if name != usual)
    findings = []
    for model in sorted(foreign):
        message = f"{models.ref(model)} is a {names[model]} and {example} a {usual}"
        place = places.value(models.mentions[model])
        if allowed:
            message += ", which --allow-crimes lets pass"
            findings.append(warning("architecture-differs", message, "try the result before you trust it", place))
        else:
            message += "; models of one merge must have the same architecture"
            fix = "name models of one architecture, or pass --allow-crimes if you know they fit"
            findings.append(error("architecture-differs", message, fix, place))
    return frozenset() if allowed else foreign, findings


def duplicates(sections: Sequence[Section], models: Named, places: Places) -> list[Finding]:
    """One model under two names among those that are merged with each other."""
    findings = {}
    for section in sections:
        seen: dict[tuple[str | None, str], Member] = {}
        for member in section.everyone:
            pin = models.known[member.model].pin
            if pin is None:
                continue
            identity = (pin.repo, pin.commit or str(Path(pin.ref).resolve()))
            first = seen.setdefault(identity, member)
            if first is not member:
                message = f"{models.ref(member.model)} and {models.ref(first.model)} are the same model"
                later = max(places.value(member.at), places.value(first.at))
                findings[message] = error("same-model", message, "remove one, or call it by one name", later)
    return list(findings.values())


def extra_layers_stay(models: Named, lender: int, layers: int, places: Places) -> list[Finding]:
    """Layers that predict further tokens are numbered after the others, so their number must stay."""
    extra, count = extra_layers(models.known[lender].config), models.layers(lender)
    if not extra or layers == count:
        return []
    message = (
        f"{models.ref(lender)} stores {extra} layers behind its {count} to predict further tokens, and the result "
        f"would have {layers} layers; such a model keeps its number of layers"
    )
    return [error("extra-layers", message, f"let the slices add up to {count} layers", places.key(("slices",)))]


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
    message = f"{models.ref(lender)} lends the config and has no tokenizer, so the result gets none"
    return [warning("tokenizer-missing", message, "put a tokenizer beside the result before you use it", place)]
