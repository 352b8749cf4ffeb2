"""Several documents → one recipe: which is the result, which are its stages, and what is wrong between them.

The result is the document without a ``name``, as in mergekit-multi; where all have one, the only one that no other
names. Their order in the text means nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.findings import error
from engine.recipe.keys import nearest
from engine.recipe.reading import quoted
from engine.recipe.text import Leaf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from engine.findings import Finding, Place
    from engine.recipe.reading import Reading
    from engine.recipe.text import Tree
    from engine.recipe.values import Path, Recipe

MAX_MIXTURES = 256
"""How many mixtures one tensor may be computed of. Hierarchical merges of as many models as people merge have tens."""
_BITS = {"float64": 64, "float32": 32, "float16": 16, "bfloat16": 16}


@dataclass(frozen=True, eq=False)
class Part:
    """One document. ``name`` is as it is written, be it allowed or not; ``seeded`` says that it has a seed."""

    number: int
    recipe: Recipe
    reading: Reading
    name: str | None
    seeded: bool

    @staticmethod
    def of(number: int, recipe: Recipe, reading: Reading, tree: Tree) -> Part:
        """Take what the recipe does not tell from its document."""
        fields = tree if isinstance(tree, dict) else {}
        given = {key: value for key, value in fields.items() if isinstance(value, Leaf) and value.value is not None}
        name = given["name"].text.strip() if "name" in given else ""
        return Part(number, recipe, reading, name or None, "seed" in given)

    @property
    def top(self) -> Place:
        """Where it starts."""
        return self.reading.places.top

    def place(self, *at: str | int) -> Place:
        """Where a value in it stands."""
        return self.reading.places.value(at)


Uses = dict[int, list[tuple[Part, "Path"]]]
"""For each document the stages that it names, with the place that does so first."""


def joined(parts: Sequence[Part], *, whole: bool) -> tuple[Recipe, int]:
    """Put documents together; gives the result, and its number. ``whole`` says that every document is among them.

    Every mistake between them is told; where there is one, the result is a guess.
    """
    if len(parts) == 1:
        return parts[0].recipe, parts[0].number
    by_name = _by_name(parts)
    kept = [part for part in parts if part.name is None or by_name[part.name] is part]
    uses = {part.number: _uses(part, by_name) for part in kept}
    used = {other.number for part in kept for other, _ in uses[part.number]}
    whole = whole and not any(part.reading.unsure(("name",)) for part in kept)
    result, clear = _result(kept, used, whole=whole)
    ordered = _in_order(result, kept, uses)
    if whole and result.name is None:
        _tell_unused([part for part in kept if part.name and part.number not in used], kept, by_name)
    stages = [part for part in ordered if part.name and (part is not result or part.number in used)]
    if clear:
        for part in stages:
            _tell_misplaced(part, result)
    _bounded(result, ordered, uses)
    return replace(result.recipe, stages={str(part.name): _stage(part, result) for part in stages}), result.number


def unknown_stage(text: str, names: Iterable[str], place: Place) -> Finding:
    """Tell of a reference that can only mean a stage, and there is none of that name."""
    close = nearest(text, names)
    there = ", ".join(quoted(name) for name in names)
    fix = f"did you mean {quoted(close)}?" if close else f"there are {there}; a model on the Hub is `namespace/name`"
    return error("unknown-stage", f"there is no stage {quoted(text)}", fix, place)


def _by_name(parts: Sequence[Part]) -> dict[str, Part]:
    found: dict[str, Part] = {}
    for part in parts:
        if part.name in found:
            message = f"two documents have the name {quoted(part.name)}, the other starts in line "
            message += str(found[part.name].top.line)
            part.reading.error("duplicate-stage", message, "give one of them another name", part.place("name"))
        elif part.name is not None:
            found[part.name] = part
    return found


def _uses(part: Part, by_name: Mapping[str, Part]) -> list[tuple[Part, Path]]:
    return [(by_name[ref.text], at) for ref, at in part.recipe.named() if ref.text in by_name]


def _result(parts: Sequence[Part], used: set[int], *, whole: bool) -> tuple[Part, bool]:
    """Find the result, and whether there is no doubt about it."""
    unnamed = [part for part in parts if part.name is None]
    free = [part for part in parts if part.number not in used]
    if unnamed:
        for part in unnamed[1:] if whole else ():
            message = f"this document has no `name`, and neither has the one that starts in line {unnamed[0].top.line}"
            fix = "give every document but the result a `name`"
            part.reading.error("several-results", message, fix, part.top)
        return unnamed[-1], whole and len(unnamed) == 1
    if whole and len(free) > 1:
        names = " and ".join(quoted(str(part.name)) for part in free)
        message = f"no document names {names}, expected that of the result alone"
        free[-1].reading.error("several-results", message, "leave out the result's `name`", free[-1].place("name"))
    return (free or parts)[-1], whole and len(free) == 1


def _in_order(result: Part, parts: Sequence[Part], uses: Uses) -> list[Part]:
    """Order the documents: each after those that it names. Tells of circles."""
    done: list[Part] = []
    way: list[Part] = []

    def visit(part: Part) -> None:
        way.append(part)
        for other, at in uses[part.number]:
            if other in way:
                _tell_circle(way[way.index(other) :], at)
            elif other not in done:
                visit(other)
        done.append(way.pop())

    for part in (result, *parts):
        if part not in done:
            visit(part)
    return done


def _tell_circle(circle: Sequence[Part], at: Path) -> None:
    last = circle[-1]
    names = [quoted(str(part.name)) for part in (*circle, circle[0])]
    message = f"the stage {names[0]} is made of itself" + (f": {' → '.join(names)}" if len(circle) > 1 else "")
    last.reading.error("stage-circle", message, "name another model here", last.place(*at))


def _tell_unused(unused: Sequence[Part], parts: Sequence[Part], by_name: Mapping[str, Part]) -> None:
    """Tell of stages that nothing is made of, by the misspelt name that means one where there is any."""
    others = [(part, ref.text, at) for part in parts for ref, at in part.recipe.named() if ref.text not in by_name]
    for stage in unused:
        name = str(stage.name)
        meant = [(part, text, at) for part, text, at in others if "/" not in text and nearest(text, [name])]
        for part, text, at in meant:
            part.reading.findings.append(unknown_stage(text, by_name, part.place(*at)))
        if not meant:
            fix = "name it as a model in another one, or remove it"
            stage.reading.error("unused-stage", f"no document names the stage {quoted(name)}", fix, stage.place("name"))


def _tell_misplaced(stage: Part, result: Part) -> None:
    """Tell of what says nothing in a stage."""
    recipe, reading = stage.recipe, stage.reading
    if recipe.publish is not None:
        message = f"`publish` stands in the stage {quoted(str(stage.name))}, and only the result is published"
        fix = f"move it to the document that starts in line {result.top.line}"
        reading.error("misplaced-publish", message, fix, reading.places.key(("publish",)))
    wanted = result.recipe.out_dtype or result.recipe.dtype
    own = recipe.dtype if recipe.out_dtype is None else None
    if own and wanted and own != wanted and _BITS[own] <= _BITS[wanted]:
        message = f"the stage {quoted(str(stage.name))} is not rounded to {own}: its values go on as they are"
        fix = f"write `out_dtype: {own}` in its stead if they should be rounded"
        reading.note("stage-dtype", message, fix, stage.place("dtype"))


def _bounded(result: Part, ordered: Sequence[Part], uses: Uses) -> None:
    """Refuse what would take for ever: stages that are used again and again, on every level."""
    mixtures: dict[int, int] = {}
    for part in ordered:
        mixtures[part.number] = 1 + sum(mixtures.get(other.number, 0) for other, _ in uses[part.number])
    if mixtures[result.number] > MAX_MIXTURES:
        message = f"each tensor may be computed of {mixtures[result.number]} mixtures, counting a stage as often as "
        message += f"it is used; expected at most {MAX_MIXTURES}"
        fix = "publish a stage that is used often as a model of its own, and name that"
        result.reading.error("too-many-mixtures", message, fix, result.reading.places.key(("merge_method",)))


def _stage(part: Part, result: Part) -> Recipe:
    """The recipe of a stage: without a seed of its own it has the result's."""
    seed = part.recipe.seed if part.seeded else result.recipe.seed
    return replace(part.recipe, seed=seed, at=(part.number,))
