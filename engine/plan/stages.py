"""A recipe with its stages → what each is made of: a planned stage is one more model to those that name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.checkpoints.config import extra_layers, layer_count, merged_config
from engine.checkpoints.layout import is_embedding, layout_of
from engine.methods import METHODS
from engine.plan import checks
from engine.plan.compose import compose, is_output_tied
from engine.plan.models import Known, Named
from engine.plan.problems import Problems
from engine.plan.sections import sections_of
from engine.recipe import ModelRef

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.findings import Finding
    from engine.plan.compose import Mixed
    from engine.plan.models import Models
    from engine.plan.plan import Options
    from engine.plan.sections import Section
    from engine.recipe import Places, Recipe


@dataclass(frozen=True)
class Fitted:
    """One document's recipe, with the models that it names. ``lender`` and ``base`` are numbers among these."""

    models: Named
    sections: tuple[Section, ...]
    lender: int
    base: int | None
    tensors: tuple[Mixed, ...]

    @property
    def layers(self) -> int:
        """Layers of its model."""
        return sum(section.length for section in self.sections)

    @property
    def dtype(self) -> str:
        """The element type that most bytes of its model have."""
        totals: dict[str, int] = {}
        for tensor in self.tensors:
            totals[tensor.dtype] = totals.get(tensor.dtype, 0) + tensor.info.nbytes
        return max(totals, key=lambda dtype: totals[dtype])

    @property
    def stored_lender(self) -> int:
        """The stored model that config and tokenizer come from: the base's, or the first's, down to the last stage."""
        return self.models.known[self.lender].lender

    @property
    def stored_base(self) -> int | None:
        """The stored model that the bases lead to; None where a stage on the way has none."""
        return None if self.base is None else self.models.known[self.base].base

    def config(self) -> Mapping[str, Any]:
        """Make the config of its model."""
        known, lender = self.models.known, self.models.known[self.lender]
        origins = []
        for section in self.sections:
            giver = next((member for member in section.everyone if member.model == self.lender), section.everyone[0])
            origins += [(known[giver.model].config, giver.start + step) for step in range(section.length)]
        unchanged = len(origins) == lender.layout.count and all(
            origin is lender.config and index == layer for layer, (origin, index) in enumerate(origins)
        )
        return merged_config(
            lender.config,
            layers=None if unchanged or lender.layout.stack is None else origins,
            tied=is_output_tied(self.models, self.sections),
            dtype=self.dtype,
            vocabulary=next((tensor.shape[0] for tensor in self.tensors if is_embedding(tensor.name)), None),
        )

    def known(self) -> Known:
        """Make it a model for other documents."""
        config = self.config()
        tensors = {tensor.name: tensor.info for tensor in self.tensors}
        return Known(
            config,
            tensors,
            layout_of(tensors, layer_count(config), extra_layers(config)),
            is_output_tied(self.models, self.sections),
            {tensor.name: tensor.operand for tensor in self.tensors},
            self.stored_lender,
            self.stored_base,
        )


def named_by(recipe: Recipe, known: Mapping[ModelRef, Known]) -> Named:
    """Take what a document names out of all that is ``known``; what is not is left out."""
    found = [(ref, at, known[ref]) for ref, at in recipe.named() if ref in known]
    return Named(
        tuple(ref for ref, _, _ in found), tuple(at for _, at, _ in found), tuple(each for _, _, each in found)
    )


def fit_all(recipe: Recipe, places: Places, models: Models, options: Options) -> tuple[Fitted | None, list[Finding]]:
    """Fit every stage, each before those that name it, and then the result.

    None for the result where a finding is an error. What is made of a stage that does not fit is left alone.
    """
    known, findings = dict(zip(models.refs, models.known, strict=True)), []
    fitted = None
    for name, each in (*recipe.stages.items(), ("", recipe)):
        named = named_by(each, known)
        fitted = None
        if len(named.refs) == len(each.named()):
            fitted, more = _fit(name, each, places.within(each.at), named, options)
            findings += more
            if name and fitted is not None:
                known[ModelRef(name)] = fitted.known()
    return fitted, findings


def _fit(
    name: str, recipe: Recipe, places: Places, models: Named, options: Options
) -> tuple[Fitted | None, list[Finding]]:
    method = METHODS[recipe.merge_method or ""]
    foreign, findings = checks.architectures(models, places, allowed=options.allow_crimes)
    sections, more = sections_of(recipe, method, models, places, foreign)
    findings += more
    if more:
        return None, findings
    base = None if recipe.base_model is None else models.index(recipe.base_model)
    lender = base if base is not None else sections[0].everyone[0].model
    findings += checks.duplicates(sections, models, places)
    findings += checks.extra_layers_stay(models, lender, sum(section.length for section in sections), places)
    problems = Problems(models, places, foreign)
    tensors = compose(recipe, method, models, sections, lender, problems, name)
    findings += problems.findings()
    if any(finding.level == "error" for finding in findings):
        return None, findings
    return Fitted(models, sections, lender, base, tensors), findings
