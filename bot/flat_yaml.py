"""YAML of one level → values and where each stands. For small files of settings; safe whatever the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from engine.findings import Place, error

if TYPE_CHECKING:
    from engine.findings import Finding

Where = dict[tuple[str | int, ...], Place]
"""Places by way: ``(key,)`` is where the key stands, ``(key, 1)`` the second item of its list."""


def read_flat(text: str, what: str) -> tuple[dict[str, Any], Where, list[Finding]]:
    """Read a mapping of names to lists of names, truth values or texts; ``what`` names it in messages and ids.

    A list becomes a tuple of its names as written (``no`` is one). Anything nested deeper becomes ``{}``, for the
    schema to refuse; so aliases repeat nothing. Mistakes of YAML itself are findings, all the others the schema's.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as refusal:
        mark = refusal.problem_mark or refusal.context_mark
        return {}, {}, [_unreadable(what, str(refusal.problem), _place(mark) if mark else Place(1, 1))]
    except RecursionError:  # of `[[[[…`
        return {}, {}, [_unreadable(what, "nested too deeply", Place(1, 1))]
    except (yaml.YAMLError, ValueError, OverflowError) as refusal:
        # PyYAML lets chr() fail on an escape such as "\UFFFFFFFF"
        return {}, {}, [_unreadable(what, str(refusal).partition("\n")[0], Place(1, 1))]
    if node is None:
        return {}, {}, []
    if not isinstance(node, yaml.MappingNode):
        fix = "write lines of `key: value`"
        return {}, {}, [error(what, f"the {what} is no mapping", fix, _place(node.start_mark))]
    return _mapping(node, what)


def _unreadable(what: str, why: str, place: Place) -> Finding:
    return error(what, f"not valid YAML: {why}", "check indentation, quotes and brackets", place)


def _mapping(node: yaml.MappingNode, what: str) -> tuple[dict[str, Any], Where, list[Finding]]:
    values: dict[str, Any] = {}
    places: Where = {}
    problems = []
    for key, value in node.value:
        name, place = _text(key), _place(key.start_mark)
        if name in values:
            message = f"`{name}` is given twice, first in line {places[name,].line}"
            problems.append(error(what, message, "keep one of them", place))
            continue
        values[name], places[name,] = _value(value), place
        if isinstance(value, yaml.SequenceNode):
            places |= {(name, index): _place(item.start_mark) for index, item in enumerate(value.value)}
    return values, places, problems


def _text(key: yaml.Node) -> str:
    return key.value if isinstance(key, yaml.ScalarNode) else "a list or mapping as key"


def _value(node: yaml.Node) -> object:
    if isinstance(node, yaml.SequenceNode):
        return tuple(item.value if isinstance(item, yaml.ScalarNode) else {} for item in node.value)
    if not isinstance(node, yaml.ScalarNode):
        return {}
    if node.tag == "tag:yaml.org,2002:bool":
        return yaml.SafeLoader.bool_values.get(node.value.lower(), node.value)
    return node.value


def _place(mark: Any) -> Place:  # noqa: ANN401 - untyped in PyYAML's stubs
    """Count as editors do, from 1."""
    return Place(mark.line + 1, mark.column + 1)
