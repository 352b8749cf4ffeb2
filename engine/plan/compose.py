"""Sections → the tensors of a recipe's model: which others each is made of, and with which parameters."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from engine.checkpoints.dtypes import MERGED, SIZES, promoted
from engine.checkpoints.header import TensorInfo
from engine.checkpoints.layout import is_derived, is_embedding, is_head
from engine.plan.fit import account, check_fit
from engine.plan.plan import Input, Mixture, OutputTensor
from engine.plan.resolve import Resolver

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from engine.methods.contract import Method, Mix
    from engine.plan.models import Models, Named
    from engine.plan.plan import Options, Reading
    from engine.plan.problems import Problems
    from engine.plan.sections import Member, Section
    from engine.recipe import Recipe


@dataclass(frozen=True)
class Mixed:
    """One tensor of a recipe's model. ``dtype`` is that of the result, or what a stage's counts as.

    ``verbatim`` says that its mixture is its only operand, as it is.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    layer: int | None
    mixture: Mixture
    verbatim: bool

    @property
    def operand(self) -> Input | Mixture:
        """What another mixture takes for it."""
        return self.mixture.operands[0] if self.verbatim else self.mixture

    @property
    def info(self) -> TensorInfo:
        """Its header, as if it were stored."""
        return TensorInfo(self.name, self.dtype, self.shape, "", 0, prod(self.shape) * SIZES[self.dtype])


@dataclass(frozen=True)
class Slot:
    """One output tensor before its parameters are known: its name, and what each member gives.

    ``rest`` is the name within its layer.
    """

    name: str
    layer: int | None
    rest: str
    t: float
    section: Section
    stored: tuple[TensorInfo | None, ...]
    """One per ``section.everyone``, None where a model lacks it; never all of them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the first that is there."""
        return next(info.shape for info in self.stored if info is not None)


def compose(
    recipe: Recipe,
    method: Method,
    models: Named,
    sections: Sequence[Section],
    lender: int,
    problems: Problems,
    stage: str = "",
) -> tuple[Mixed, ...]:
    """Work out every tensor, in order: before the layers, the layers, after them. ``stage`` names it; "": the result.

    What does not fit is told to ``problems``, which groups it by kind.
    """
    resolver = Resolver(recipe, method, problems)
    tied = is_output_tied(models, sections)
    tensors = []
    slots = list(_slots(models, sections, lender, tied=tied, problems=problems))
    account(slots, sections, models, tied=tied, problems=problems)
    check_fit(slots, models, lender, problems)
    for slot in slots:
        pairs = list(zip(slot.section.everyone, slot.stored, strict=True))
        stored = [info for _, info in pairs if info is not None]
        if len(stored) < len(pairs):
            having = [member.model for member, info in pairs if info is not None]
            problems.lacks(slot.name, [member for member, info in pairs if info is None], having)
        elif problems.same_shape(slot.name, slot.section.everyone, [info.shape for info in stored]):
            mix = resolver.mix(slot, stored)
            if mix is not None:
                tensors.append(_mixed(slot, stored, mix, method, recipe, problems, models, stage))
    return tuple(tensors)


def is_output_tied(models: Named, sections: Sequence[Section]) -> bool:
    """Whether the output's head is its embedding: only if it is in all models that give any tensor."""
    return all(models.known[member.model].tied for section in sections for member in section.everyone)


def _slots(
    models: Named, sections: Sequence[Section], lender: int, *, tied: bool, problems: Problems
) -> Iterator[Slot]:
    yield from _outside(_names("before", sections[0], models), sections[0], models)
    layer = 0
    for section in sections:
        for step in range(section.length):
            t = step / (section.length - 1) if section.length > 1 else 1.0
            for rest in _rests(section, step, models, problems):
                stored = tuple(
                    known.tensors.get(known.layout.name(start + step, rest))
                    for known, start in ((models.known[m.model], m.start) for m in section.everyone)
                )
                yield Slot(models.known[lender].layout.name(layer, rest), layer, rest, t, section, stored)
            layer += 1
    names = _names("after", sections[-1], models)
    yield from _outside(names if tied else names | _heads(sections, models), sections[-1], models)


def _rests(section: Section, step: int, models: Named, problems: Problems) -> list[str]:
    """Names within a layer that any of its models has, sorted."""
    rests = set()
    for member in section.everyone:
        layout = models.known[member.model].layout
        for rest in layout.by_layer.get(member.start + step, ()):
            name = layout.name(member.start + step, rest)
            if is_derived(name):
                problems.dropped_derived(member.model, name)
            else:
                rests.add(rest)
    return sorted(rests)


def _names(part: str, section: Section, models: Named) -> set[str]:
    """Names on one side of the layers that any of a section's models has, but for the stored heads of tied ones."""
    names: set[str] = set()
    for member in section.everyone:
        known = models.known[member.model]
        names |= {
            name
            for name in (known.layout.before if part == "before" else known.layout.after)
            if not (is_derived(name) or (is_head(name) and known.tied))
        }
    return names


def _heads(sections: Sequence[Section], models: Named) -> set[str]:
    """Names of the head, from all models that are not tied: tied ones give their embedding under that name."""
    everyone = [models.known[member.model] for section in sections for member in section.everyone]
    return {name for known in everyone if not known.tied for name in known.layout.after if is_head(name)}


def _outside(names: Iterable[str], section: Section, models: Named) -> Iterator[Slot]:
    for name in sorted(names):
        stored = tuple(_stored(name, member, models) for member in section.everyone)
        if any(info is not None for info in stored):
            yield Slot(name, None, name, 0.0, section, stored)


def _stored(name: str, member: Member, models: Named) -> TensorInfo | None:
    """Find a tensor outside the layers; the head of a tied model is its embedding."""
    known = models.known[member.model]
    if is_head(name) and name.endswith("weight") and known.tied:
        return next((info for other, info in known.tensors.items() if is_embedding(other)), None)
    return known.tensors.get(name)


def _mixed(
    slot: Slot,
    stored: Sequence[TensorInfo],
    mix: Mix,
    method: Method,
    recipe: Recipe,
    problems: Problems,
    models: Named,
    stage: str,
) -> Mixed:
    operands = tuple(
        models.known[member.model].operands[info.name]
        for member, info in zip(slot.section.everyone, stored, strict=True)
    )
    has_base = slot.section.base is not None
    dtypes = {info.dtype for info in stored}
    arithmetic = dtypes <= set(MERGED)
    if not arithmetic and len(dtypes) > 1:
        problems.mixed_kinds(slot.name, slot.section.everyone, [info.dtype for info in stored])
    wanted = recipe.out_dtype or recipe.dtype
    rounded = recipe.out_dtype if stage and arithmetic else None
    mixture = Mixture(
        stage=stage,
        name=slot.name,
        seed=recipe.seed,
        method=method.name,
        base=operands[0] if has_base else None,
        sources=operands[1:] if has_base else operands,
        parameters=_plain(mix.parameters),
        source_parameters=tuple(_plain(source) for source in mix.sources),
        row=method.row(mix),
        sweeps=method.sweeps(mix) if arithmetic else 0,
        dtype=rounded,
    )
    return Mixed(
        slot.name,
        (wanted or promoted(dtypes)) if arithmetic else min(dtypes),
        stored[0].shape,
        slot.layer,
        mixture,
        method.verbatim(mix) and rounded in (None, operands[0].dtype),
    )


def output_tensor(mixed: Mixed, models: Models, options: Options) -> OutputTensor:
    """Decide how the inputs of one of the result's tensors are read."""
    mixture = mixed.mixture
    reading = reading_of(
        mixture.bytes_in,
        mixture.all_sweeps,
        options,
        arithmetic=mixed.dtype in MERGED,
        copied=mixed.verbatim and isinstance(mixed.operand, Input) and mixed.operand.dtype == mixed.dtype,
        remote=any(models.checkpoints[item.model].remote for item in mixture.inputs),
    )
    return OutputTensor(mixed.name, mixed.dtype, mixed.shape, mixed.layer, mixture, reading)


def _plain(parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401 - any method's parameter set
    dumped: Mapping[str, Any] = parameters.model_dump(by_alias=True)
    return dumped


def reading_of(nbytes: int, sweeps: int, options: Options, *, arithmetic: bool, copied: bool, remote: bool) -> Reading:
    """Decide how a tensor's inputs, ``nbytes`` together, are read.

    For one pass local inputs are read in passing. For several, and from the Hub, where every piece is a request and
    small pieces are many: held where they fit into half the memory budget; else spooled where they come from the Hub
    and the disk budget has room; else read in passing, once for each pass.
    """
    if copied:
        return "copy"
    if not arithmetic:
        return "equal"
    if sweeps == 0 and not remote:
        return "stream"
    if nbytes <= options.memory // 2:
        return "hold"
    if remote and (options.disk is None or nbytes <= options.disk):
        return "spool"
    return "again" if sweeps else "stream"
