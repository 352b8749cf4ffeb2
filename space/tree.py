"""A recipe's content while it is changed: mappings that know which item of their list they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Map(dict[str, Any]):
    """A mapping; ``origin`` is its place in the list that it was read from, None where it is new, or in no list."""

    def __init__(self, values: Mapping[str, Any] | None = None, origin: int | None = None) -> None:
        super().__init__(values or {})
        self.origin = origin


def numbered(node: Any, origin: int | None = None) -> Any:  # noqa: ANN401 - any part of a recipe
    """Copy a tree, with every item of a list where it is now."""
    if isinstance(node, Map):
        return Map({key: numbered(value) for key, value in node.items()}, origin)
    if isinstance(node, list):
        return [numbered(item, index) for index, item in enumerate(node)]
    return node


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 - as above
    """Whether two trees say the same: ``1``, ``1.0`` and ``true`` are three things, and ``.nan`` is one."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or one != one)  # noqa: PLR0124 - only .nan is not itself


def is_flat(value: Any) -> bool:  # noqa: ANN401 - as above
    """Whether a value is written on one line: a plain one, a list of plain ones, or nothing in brackets."""
    if isinstance(value, list):
        return not any(isinstance(item, dict | list) for item in value)
    return not isinstance(value, dict) or not value
