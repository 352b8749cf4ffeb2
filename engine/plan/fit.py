"""Does the result fit the config that it gets, and is every tensor of its models accounted for?"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from engine.checkpoints.layout import is_derived, is_embedding, is_head
from engine.plan.sections import Member

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.plan.compose import Slot
    from engine.plan.models import Named
    from engine.plan.problems import Problems
    from engine.plan.sections import Section

Shapes = dict[str, tuple[int, ...]]


def account(
    slots: Sequence[Slot], sections: Sequence[Section], models: Named, *, tied: bool, problems: Problems
) -> None:
    """Tell of each tensor outside the layers that some model has and the result would not.

    Of a layer that is taken, every tensor is in the result by construction. Known to be left out are derived
    tensors, a stored head where it is tied, and layers that the recipe does not name.
    """
    made = {slot.name for slot in slots}
    members = {member.model: member for section in reversed(sections) for member in reversed(section.everyone)}
    for model, member in members.items():
        layout = models.known[model].layout
        for name in (*layout.before, *layout.after):
            if is_derived(name):
                problems.dropped_derived(model, name)
            elif is_head(name) and models.known[model].tied:
                problems.ignored_head(model, name)
            elif name not in made and not (is_head(name) and tied):
                problems.left_over(name, member)


def check_fit(slots: Sequence[Slot], models: Named, lender: int, problems: Problems) -> None:
    """Hold what is made without the model that lends the config against that model, tensor by tensor.

    Where it takes part the others are compared with it anyway. A layer must have the tensors, and their shapes, of
    one of the lender's layers, which may be of several kinds.
    """
    apart = [slot for slot in slots if all(member.model != lender for member in slot.section.everyone)]
    giver = Member(lender, 0, {}, models.mentions[lender])
    _check_outside([slot for slot in apart if slot.layer is None], models, giver, problems)
    if len(apart) == len(slots):
        _check_missing(slots, models, lender, problems)
    kinds = _kinds(models, lender)
    layered = [slot for slot in apart if slot.layer is not None]
    for layer, group in groupby(layered, key=lambda slot: slot.layer or 0):
        made = {slot.rest: slot for slot in group}
        if kinds and _shapes(made) not in kinds:
            _check_layer(made, _nearest(_shapes(made), kinds), layer, models, giver, problems)


def _check_outside(slots: Sequence[Slot], models: Named, giver: Member, problems: Problems) -> None:
    expected = _outside(models, giver.model)
    embedding = next((shape for name, shape in expected.items() if is_embedding(name)), None)
    for slot in slots:
        member = slot.section.everyone[0]
        shape = expected.get(slot.name, embedding if is_head(slot.name) else None)
        if shape is None:
            problems.lacks(slot.name, [giver], [member.model])
        else:
            problems.fits(slot.name, (giver.model, shape), (member, slot.shape))


def _check_missing(slots: Sequence[Slot], models: Named, lender: int, problems: Problems) -> None:
    """Tell of what the config makes one expect outside the layers, where its model gives nothing itself."""
    made = {slot.name for slot in slots}
    member = slots[0].section.everyone[0]
    for name in _outside(models, lender):
        if name not in made and not is_head(name):
            problems.lacks(name, [member], [lender])


def _check_layer(
    made: Mapping[str, Slot], kind: Shapes, layer: int, models: Named, giver: Member, problems: Problems
) -> None:
    member = next(iter(made.values())).section.everyone[0]
    for rest in sorted(made.keys() | kind.keys()):
        name = models.known[giver.model].layout.name(layer, rest)
        if rest not in kind:
            problems.lacks(name, [giver], [member.model])
        elif rest not in made:
            problems.lacks(name, [member], [giver.model])
        else:
            problems.fits(name, (giver.model, kind[rest]), (member, made[rest].shape))


def _outside(models: Named, model: int) -> Shapes:
    layout, tensors = models.known[model].layout, models.known[model].tensors
    return {name: tensors[name].shape for name in (*layout.before, *layout.after) if not is_derived(name)}


def _kinds(models: Named, model: int) -> list[Shapes]:
    layout, tensors = models.known[model].layout, models.known[model].tensors
    return [
        {rest: tensors[name].shape for rest in rests if not is_derived(name := layout.name(layer, rest))}
        for layer, rests in layout.by_layer.items()
    ]


def _shapes(made: Mapping[str, Slot]) -> Shapes:
    return {rest: slot.shape for rest, slot in made.items()}


def _nearest(shapes: Shapes, kinds: Sequence[Shapes]) -> Shapes:
    return max(kinds, key=lambda kind: (len(kind.items() & shapes.items()), len(kind.keys() & shapes.keys())))
