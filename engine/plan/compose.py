"""Sections → output tensors: which stored tensors each is made of, and with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.checkpoints.dtypes import MERGED, promoted
from engine.checkpoints.layout import is_derived, is_embedding, is_head
from engine.plan.plan import Input, OutputTensor
from engine.plan.resolve import Resolver

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.checkpoints.header import TensorInfo
    from engine.methods.contract import Method, Mix
    from engine.plan.models import Models
    from engine.plan.plan import Options, Reading
    from engine.plan.problems import Problems
    from engine.plan.sections import Member, Section
    from engine.recipe import Recipe

Sources = Mapping["Member", "TensorInfo"]


@dataclass(frozen=True)
class Slot:
    """One output tensor before its parameters are known: its name, and what each member gives."""

    name: str
    layer: int | None
    t: float
    section: Section
    stored: tuple[TensorInfo | None, ...]
    """One per ``section.everyone``, None where a model lacks it."""


def compose(
    recipe: Recipe,
    method: Method,
    models: Models,
    sections: Sequence[Section],
    lender: int,
    options: Options,
    problems: Problems,
) -> tuple[OutputTensor, ...]:
    """Work out every output tensor, in order: before the layers, the layers, after them.

    What does not fit is told to ``problems``, which groups it by kind.
    """
    resolver = Resolver(recipe, method, problems)
    tied = is_output_tied(models, sections)
    tensors = []
    for slot in _slots(models, sections, lender, tied=tied, problems=problems):
        stored = [info for info in slot.stored if info is not None]
        if len(stored) < len(slot.stored):
            problems.lacks(slot.name, [m for m, i in zip(slot.section.everyone, slot.stored, strict=True) if i is None])
        elif problems.same_shape(slot.name, slot.section.everyone, stored):
            mix = resolver.mix(slot, stored)
            if mix is not None:
                tensors.append(_tensor(slot, stored, mix, method, recipe, options, problems, models))
    return tuple(tensors)


def is_output_tied(models: Models, sections: Sequence[Section]) -> bool:
    """Whether the output's head is its embedding: only if it is in all models that give either."""
    givers = {member.model for section in (sections[0], sections[-1]) for member in section.everyone}
    return all(models.tied[model] for model in givers)


def _slots(
    models: Models, sections: Sequence[Section], lender: int, *, tied: bool, problems: Problems
) -> Iterator[Slot]:
    yield from _outside("before", sections[0], models, tied=tied, problems=problems)
    layer = 0
    for section in sections:
        for step in range(section.length):
            t = step / (section.length - 1) if section.length > 1 else 1.0
            for rest in _rests(section, step, models, problems):
                stored = tuple(
                    models.checkpoints[m.model].tensors.get(models.layouts[m.model].name(m.start + step, rest))
                    for m in section.everyone
                )
                yield Slot(models.layouts[lender].name(layer, rest), layer, t, section, stored)
            layer += 1
    yield from _outside("after", sections[-1], models, tied=tied, problems=problems)


def _rests(section: Section, step: int, models: Models, problems: Problems) -> list[str]:
    """Names within a layer that any of its models has, sorted."""
    rests = set()
    for member in section.everyone:
        for rest in models.layouts[member.model].by_layer.get(member.start + step, ()):
            if is_derived(rest):
                problems.dropped_derived(rest)
            else:
                rests.add(rest)
    return sorted(rests)


def _outside(part: str, section: Section, models: Models, *, tied: bool, problems: Problems) -> Iterator[Slot]:
    names = set()
    for member in section.everyone:
        layout = models.layouts[member.model]
        for name in layout.before if part == "before" else layout.after:
            if is_derived(name):
                problems.dropped_derived(name)
            elif is_head(name) and models.tied[member.model]:
                problems.ignored_head(member.model, name)
            elif not (is_head(name) and tied):
                names.add(name)
    for name in sorted(names):
        yield Slot(name, None, 0.0, section, tuple(_stored(name, member, models) for member in section.everyone))


def _stored(name: str, member: Member, models: Models) -> TensorInfo | None:
    """Find a tensor outside the layers; the head of a tied model is its embedding."""
    tensors = models.checkpoints[member.model].tensors
    if is_head(name) and models.tied[member.model]:
        return next((info for other, info in tensors.items() if is_embedding(other)), None)
    return tensors.get(name)


def _tensor(
    slot: Slot,
    stored: Sequence[TensorInfo],
    mix: Mix,
    method: Method,
    recipe: Recipe,
    options: Options,
    problems: Problems,
    models: Models,
) -> OutputTensor:
    inputs = tuple(
        Input(member.model, info.name, info.dtype, info.nbytes)
        for member, info in zip(slot.section.everyone, stored, strict=True)
    )
    has_base = slot.section.base is not None
    dtypes = {info.dtype for info in stored}
    arithmetic = dtypes <= set(MERGED)
    if not arithmetic and len(dtypes) > 1:
        problems.mixed_kinds(slot.name, sorted(dtypes))
    wanted = recipe.out_dtype or recipe.dtype
    dtype = (wanted or promoted(dtypes)) if arithmetic else min(dtypes)
    sweeps = method.sweeps(mix) if arithmetic else 0
    copied = method.verbatim(mix) and dtypes == {dtype}
    remote = any(models.checkpoints[item.model].remote for item in inputs)
    reading = reading_of(
        sum(item.nbytes for item in inputs), sweeps, options, arithmetic=arithmetic, copied=copied, remote=remote
    )
    return OutputTensor(
        name=slot.name,
        dtype=dtype,
        shape=stored[0].shape,
        layer=slot.layer,
        method=method.name,
        base=inputs[0] if has_base else None,
        sources=inputs[1:] if has_base else inputs,
        parameters=_plain(mix.parameters),
        source_parameters=tuple(_plain(source) for source in mix.sources),
        reading=reading,
        sweeps=sweeps,
    )


def _plain(parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401 - any method's parameter set
    dumped: Mapping[str, Any] = parameters.model_dump(by_alias=True)
    return dumped


def reading_of(nbytes: int, sweeps: int, options: Options, *, arithmetic: bool, copied: bool, remote: bool) -> Reading:
    """Decide how a tensor's inputs, ``nbytes`` together, are read.

    Several passes: held where they fit into half the memory budget; else spooled where fetching them again would
    cost requests and the disk budget has room; else read again.
    """
    if copied:
        return "copy"
    if not arithmetic:
        return "equal"
    if sweeps == 0:
        return "stream"
    if nbytes <= options.memory // 2:
        return "hold"
    if remote and (options.disk is None or nbytes <= options.disk):
        return "spool"
    return "again"
