"""Where a merge comes from: its parents at their commits, and the facts for its card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.methods import METHODS
from engine.publish.facts import CardFacts, Parent
from engine.version import ENGINE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.checkpoints.checkpoint import Pin
    from engine.plan.plan import Plan

RECIPE = "mergekit_config.yml"
"""Name of the recipe beside the model: the one that family-tree tools look for."""
LOCK = "merge.lock.json"
"""Name of the lock beside the model."""


def parents_of(pins: Sequence[Pin], base: int | None, endpoint: str) -> tuple[Parent, ...]:
    """Make a parent of each pinned model; ``base`` is the index of the base model."""
    return tuple(
        Parent(
            ref=pin.ref,
            repo=pin.repo,
            commit=pin.commit,
            url=None if pin.repo is None else f"{endpoint}/{pin.repo}",
            license=pin.license,
            license_name=pin.license_name,
            license_link=pin.license_link,
            is_base=number == base,
            architecture=pin.architecture,
            parameters=pin.parameters,
        )
        for number, pin in enumerate(pins)
    )


def facts_of(plan: Plan, *, has_tokenizer: bool, has_chat_template: bool) -> CardFacts:
    """Gather what the card says. The same plan gives the same facts."""
    names = [each.merge_method or "" for each in (plan.recipe, *plan.recipe.stages.values())]
    methods = [METHODS[name] for name in dict.fromkeys(names)]
    publish = plan.recipe.publish
    architecture = plan.models[plan.lender].architecture
    return CardFacts(
        title=plan.title,
        repo=plan.repo,
        url_base=plan.endpoint,
        recipe_text=plan.text,
        recipe_file=RECIPE,
        methods=tuple((method.name, method.purpose, method.paper) for method in methods),
        parents=parents_of(plan.models, plan.base, plan.endpoint),
        dtype=plan.dtype,
        parameters=plan.parameters,
        layers=plan.layers,
        architecture=architecture,
        license=plan.licence.license,
        license_name=plan.licence.license_name,
        license_link=plan.licence.license_link,
        license_note=plan.licence.message,
        tags=tuple(publish.tags) if publish else (),
        language=tuple(publish.language) if publish else (),
        description=publish.description if publish else None,
        weights_digest=plan.weights_digest,
        engine_version=ENGINE,
        warnings=tuple(_sentence(f.message) for f in plan.findings if f.level == "warning" and f.id != "licence"),
        pipeline_tag="text-generation" if architecture.endswith("ForCausalLM") else None,
        has_tokenizer=has_tokenizer,
        has_chat_template=has_chat_template,
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
