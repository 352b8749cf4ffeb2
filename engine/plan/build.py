"""Recipe and models → Plan. Reads headers and configs only, and reports every mistake at once."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import PurePath
from typing import TYPE_CHECKING

from engine.canonical import digest
from engine.checkpoints.side_files import side_files
from engine.errors import HubError, RecipeError
from engine.plan import checks
from engine.plan.compose import output_tensor
from engine.plan.cost import cost_of
from engine.plan.models import open_models
from engine.plan.plan import Plan, SideFile
from engine.plan.shards import shards_of
from engine.plan.stages import fit_all, named_by
from engine.publish.licences import combine
from engine.publish.lineage import parents_of
from engine.recipe import Publish, meaning, parse
from engine.version import NUMERICS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from engine.checkpoints.checkpoint import Pin
    from engine.findings import Finding
    from engine.hub_client import Hub
    from engine.plan.models import Models
    from engine.plan.plan import Options
    from engine.plan.stages import Fitted
    from engine.recipe import Places, Recipe


def build(
    path: str,
    text: str,
    open_hub: Callable[[], Hub],
    options: Options,
    commits: Mapping[str, str] | None = None,
) -> tuple[Plan, Models]:
    """Plan the recipe ``text`` (``path`` names it in errors); ``commits`` pins models by reference, from a lock.

    Returns the plan and the opened models that a run reads from. ``RecipeError`` with all findings where any is an
    error; ``HubError`` where the Hub does not answer and the recipe itself is sound.
    """
    parsed = parse(text)
    findings = list(parsed.findings)
    if parsed.recipe is None:
        raise RecipeError(path, findings)
    try:
        models, more = open_models(parsed.recipe, parsed.places, open_hub, local=options.local, commits=commits)
    except HubError:
        _stop_on_errors(path, findings)
        raise
    findings += more
    if models is not None and parsed.sound is not None:
        fitted, more = fit_all(parsed.recipe, parsed.places, models, options)
        findings += more
        _stop_on_errors(path, findings)
        if fitted is not None:
            return _plan(path, text, parsed.recipe, parsed.places, models, fitted, findings, options), models
    elif models is not None:
        findings += _as_far_as_known(parsed.recipe, parsed.places, models, options)
    raise RecipeError(path, _sorted(findings))


def _as_far_as_known(recipe: Recipe, places: Places, models: Models, options: Options) -> list[Finding]:
    """What can be said of the models of a text that has mistakes: each document's with each other."""
    stored, findings = dict(zip(models.refs, models.known, strict=True)), []
    for each in (recipe, *recipe.stages.values()):
        named, own = named_by(each, stored), places.within(each.at)
        if named.refs:
            findings += checks.architectures(named, own, allowed=options.allow_crimes)[1]
            findings += checks.ranges(each, named, own)
            findings += checks.sizes(named, own)
    return findings


def _stop_on_errors(path: str, findings: Sequence[Finding]) -> None:
    if any(finding.level == "error" for finding in findings):
        raise RecipeError(path, _sorted(findings))


def _sorted(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    levels = ("error", "warning", "note")
    return tuple(sorted(dict.fromkeys(findings), key=lambda f: (levels.index(f.level), f.line, f.column)))


def _plan(
    path: str,
    text: str,
    recipe: Recipe,
    places: Places,
    models: Models,
    fitted: Fitted,
    findings: list[Finding],
    options: Options,
) -> Plan:
    """Plan a recipe that is sound, and whose models fit."""
    base, lender = fitted.stored_base, fitted.stored_lender
    tensors = tuple(output_tensor(mixed, models, options) for mixed in fitted.tensors)
    pins = tuple(checkpoint.pin for checkpoint in models.checkpoints)
    publish = recipe.publish or Publish()
    verdict = combine(parents_of(pins, base, options.endpoint), publish.license, publish.license_name)
    findings += checks.licence(verdict, recipe, places)
    files = _side_files(models, lender, copy_tokenizer=options.copy_tokenizer)
    findings += checks.tokenizer(files, models, lender, places, wanted=options.copy_tokenizer)
    shards = shards_of(tensors, options.max_shard_size)
    repo = options.repo or (recipe.publish.repo if recipe.publish else None)
    weights_digest = digest(_weights(recipe, pins, options))
    return Plan(
        path=path,
        text=text,
        recipe=recipe,
        models=pins,
        base=base,
        lender=lender,
        tensors=tensors,
        shards=shards,
        side_files=files,
        config=fitted.config(),
        dtype=fitted.dtype,
        layers=fitted.layers or None,
        findings=_sorted(findings),
        licence=verdict,
        cost=cost_of(
            tensors,
            shards,
            options,
            sum(checkpoint.header_bytes for checkpoint in models.checkpoints),
            {number for number, checkpoint in enumerate(models.checkpoints) if checkpoint.remote},
        ),
        weights_digest=weights_digest,
        digest=digest(_reviewed(recipe, repo, _private(recipe, options), weights_digest, files, asdict(verdict))),
        title=_title(path, recipe, repo),
        repo=repo,
        private=_private(recipe, options),
        endpoint=options.endpoint,
    )


def _title(path: str, recipe: Recipe, repo: str | None) -> str:
    """The recipe's name, else the target's, else the file's."""
    return recipe.name or (repo.split("/")[-1] if repo else PurePath(path).stem)


def _private(recipe: Recipe, options: Options) -> bool:
    if options.private is not None:
        return options.private
    return bool(recipe.publish and recipe.publish.private)


def _side_files(models: Models, lender: int, *, copy_tokenizer: bool) -> tuple[SideFile, ...]:
    """Files that the lender lends; ``generation_config.json`` from the first that has one."""
    checkpoint = models.checkpoints[lender]
    sizes = {file.name: file.size for file in checkpoint.pin.files}
    names = side_files(sizes, checkpoint.config, tokenizer=copy_tokenizer)
    files = [SideFile(name, lender, sizes[name]) for name in names]
    if "generation_config.json" not in names:
        for model, other in enumerate(models.checkpoints):
            found = [file for file in other.pin.files if file.name == "generation_config.json"]
            if found:
                files.append(SideFile(found[0].name, model, found[0].size))
                break
    return tuple(files)


def _weights(recipe: Recipe, pins: Sequence[Pin], options: Options) -> object:
    """What decides any bit of the weights, or which tokenizer comes with them."""
    return {
        "meaning": meaning(recipe),
        "models": [
            {"ref": pin.ref, "commit": pin.commit, "files": {file.name: file.hash for file in pin.files}}
            for pin in pins
        ],
        "tokenizer": {"copy": options.copy_tokenizer},
        "numerics": NUMERICS,
    }


def _reviewed(
    recipe: Recipe, repo: str | None, private: bool, weights_digest: str, files: Sequence[SideFile], licence: object
) -> object:
    """What a reviewer approves: the weights, and all that is published with them."""
    publish = asdict(recipe.publish or Publish()) | {"repo": repo, "private": private}
    return {
        "weights": weights_digest,
        "name": recipe.name,
        "publish": publish,
        "licence": licence,
        "side_files": [[file.name, file.model] for file in files],
    }
