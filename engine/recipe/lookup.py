"""How a parameter resolves for one tensor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.recipe.values import Parameters, Scalar


def look_up(name: str, levels: Sequence[Parameters], tensor: str, t: float) -> Scalar | None:
    """Resolve a parameter for the tensor of that name at depth ``t`` (0 first layer … 1 last layer).

    The first of ``levels`` (source, slice, recipe) with a case that matches wins; a level whose filters all miss
    falls through to the next. None where nothing resolves: the method's default holds then.
    """
    for level in levels:
        for case in level.get(name, ()):
            if case.matches(tensor):
                return _graded(case.points, t)
    return None


def _graded(points: Sequence[Scalar], t: float) -> Scalar:
    """Interpolate linearly at ``t·(n-1)``; booleans and text take the point at ``⌊t·(n-1)⌋``.

    Never outside the two neighbours, so that a range that every point keeps is kept in between.
    """
    position = t * (len(points) - 1)
    index = min(math.floor(position), len(points) - 1)
    low, high = points[index], points[min(index + 1, len(points) - 1)]
    if not (type(low) is float and type(high) is float):
        return low
    share = position - index
    value = (1 - share) * low + share * high
    return min(max(value, min(low, high)), max(low, high))
