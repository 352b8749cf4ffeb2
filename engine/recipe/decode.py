"""Tree → Recipe: what can be understood, with a finding for all that cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from engine.methods import METHODS
from engine.recipe.keys import DTYPES, nearest
from engine.recipe.parameters import read_parameters
from engine.recipe.publishing import read_name, read_publish, read_stage_name
from engine.recipe.reading import described, quoted
from engine.recipe.text import Leaf
from engine.recipe.values import ModelRef, Recipe, Slice, Source

Read = TypeVar("Read")

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.methods.contract import Method
    from engine.recipe.reading import Reading
    from engine.recipe.text import Tree
    from engine.recipe.values import Parameters, Path

_DTYPE_SPELLINGS = {"bf16": "bfloat16", "fp16": "float16", "half": "float16", "fp32": "float32", "float": "float32"}


def read_recipe(reading: Reading, tree: Tree, *, alone: bool = True) -> Recipe | None:
    """Read a document; None where it is no mapping at all. ``alone`` says that the text has no other."""
    if not isinstance(tree, dict):
        reading.wrong((), tree, "a mapping", "write `merge_method: …` and `models:`, each in a line of its own")
        return None
    fields = reading.fields((), tree, "recipe")
    name = reading.text(("merge_method",), fields["merge_method"]) if "merge_method" in fields else None
    method = None if name is None else _method(reading, name)

    def optional(key: str, read: Callable[[Reading, Path, Tree], Read | None]) -> Read | None:
        return read(reading, (key,), fields[key]) if key in fields else None

    return Recipe(
        merge_method=name,
        models=_sources(reading, ("models",), fields, "entry", method),
        slices=_slices(reading, fields, method),
        base_model=optional("base_model", read_model),
        dtype=optional("dtype", _dtype),
        out_dtype=optional("out_dtype", _dtype),
        parameters=_parameters(reading, (), fields, method),
        seed=optional("seed", _seed) or 0,
        name=optional("name", read_name if alone else read_stage_name),
        publish=optional("publish", read_publish),
    )


def _method(reading: Reading, name: str) -> Method | None:
    if name in METHODS:
        return METHODS[name]
    close = nearest(name, METHODS)
    fix = f"did you mean `{close}`?" if close else f"there are {', '.join(METHODS)}"
    reading.error("unknown-method", f"{quoted(name)} is no merge method", fix, reading.places.value(("merge_method",)))
    return None


def _slices(reading: Reading, fields: dict[str, Tree], method: Method | None) -> tuple[Slice, ...] | None:
    if "slices" not in fields:
        return None
    items = reading.items(("slices",), fields["slices"], "sources: …")
    read = [_slice(reading, ("slices", index), item, method) for index, item in enumerate(items or ())]
    return tuple(part for part in read if part is not None)


def _slice(reading: Reading, at: Path, tree: Tree, method: Method | None) -> Slice | None:
    if not isinstance(tree, dict):
        reading.wrong(at, tree, "a slice", "write it as `- sources: …`")
        return None
    fields = reading.fields(at, tree, "slice")
    sources = _sources(reading, (*at, "sources"), fields, "source", method)
    base = read_model(reading, (*at, "base_model"), fields["base_model"]) if "base_model" in fields else None
    parameters = _parameters(reading, at, fields, method)
    if sources is None:
        _missing(reading, at, "sources", "this slice has no `sources`", "list the models that it is merged from")
        return None
    return Slice(sources, base, parameters, at)


def _sources(
    reading: Reading, at: Path, fields: dict[str, Tree], scope: str, method: Method | None
) -> tuple[Source, ...] | None:
    key = str(at[-1])
    if key not in fields:
        return None
    items = reading.items(at, fields[key], "model: …")
    read = [_source(reading, (*at, index), item, scope, method) for index, item in enumerate(items or ())]
    return tuple(source for source in read if source is not None)


def _source(reading: Reading, at: Path, tree: Tree, scope: str, method: Method | None) -> Source | None:
    if not isinstance(tree, dict):
        example = tree.text if isinstance(tree, Leaf) and tree.text.isprintable() and tree.text else "…"
        reading.wrong(at, tree, "a mapping with `model`", f"write it as `- model: {example}`")
        return None
    fields = reading.fields(at, tree, scope)
    parameters = _parameters(reading, at, fields, method, per_model=True)
    layers = _layer_range(reading, at, fields) if scope == "source" else None
    if "model" not in fields:
        _missing(reading, at, "model", "this item has no `model`", "name one, as in `- model: namespace/name`")
        return None
    model = read_model(reading, (*at, "model"), fields["model"])
    if model is None:
        reading.breaks(at)
        return None
    return Source(model, layers, parameters, at)


def _missing(reading: Reading, at: Path, key: str, message: str, fix: str) -> None:
    """Tell that an item lacks a key, unless the key is there and something else is wrong with it."""
    if not reading.unsure((*at, key)):
        reading.error(f"{key.replace('_', '-')}-missing", message, fix, reading.places.value(at))
    reading.breaks(at)


def _parameters(
    reading: Reading, at: Path, fields: dict[str, Tree], method: Method | None, *, per_model: bool = False
) -> Parameters:
    if "parameters" not in fields:
        return {}
    return read_parameters(reading, (*at, "parameters"), fields["parameters"], method, per_model=per_model)


def read_model(reading: Reading, at: Path, tree: Tree) -> ModelRef | None:
    """Read a model's name: a text, or mergekit's mapping, which becomes the same text."""
    if not isinstance(tree, dict):
        text = reading.text(at, tree)
        return None if text is None else ModelRef(text)
    fields = reading.fields(at, tree, "model")
    if "override_architecture" in fields:
        place = reading.places.key((*at, "override_architecture"))
        reading.note("inert", "`override_architecture` changes nothing: architectures are inferred", "", place)
    if "model" not in fields:
        _missing(reading, at, "model", "this mapping has no `model`", "add `model: namespace/name`")
        return None
    parts = [_path(reading, (*at, key), fields[key]) for key in ("model", "lora") if key in fields]
    found = [part for part in parts if part is not None]
    return ModelRef("+".join(found)) if len(found) == len(parts) else None


def _path(reading: Reading, at: Path, tree: Tree) -> str | None:
    if not isinstance(tree, dict):
        return reading.text(at, tree)
    fields = reading.fields(at, tree, "path")
    if "path" not in fields:
        _missing(reading, at, "path", "this mapping has no `path`", "add `path: namespace/name`")
        return None
    path = reading.text((*at, "path"), fields["path"])
    if "revision" not in fields:
        return path
    revision = reading.text((*at, "revision"), fields["revision"])
    return None if path is None or revision is None else f"{path}@{revision}"


def _layer_range(reading: Reading, at: Path, fields: dict[str, Tree]) -> tuple[int, int] | None:
    here = (*at, "layer_range")
    if "layer_range" not in fields:
        if not reading.unsure(here):
            message = "under `slices:` every model needs a `layer_range`"
            fix = "add one, such as `layer_range: [0, 32]`"
            reading.error("layer-range-missing", message, fix, reading.places.value(at))
        reading.breaks(here)
        return None
    tree = fields["layer_range"]
    whole = [number for number in map(_whole_number, tree) if number is not None] if isinstance(tree, list) else []
    wrong = None
    if not isinstance(tree, list) or len(tree) != 2 or len(whole) != 2:
        wrong = "is no pair of whole numbers"
    elif min(whole) < 0:
        wrong = "has a number below 0"
    elif whole[0] > whole[1]:
        wrong = f"ends at {whole[1]}, before it starts at {whole[0]}"
    if wrong is None:
        return whole[0], whole[1]
    message = f"`layer_range` {wrong}, expected the first layer and the one after the last"
    reading.error("layer-range", message, "write it as in `[0, 32]`", reading.places.value(here))
    reading.breaks(here)
    return None


def _dtype(reading: Reading, at: Path, tree: Tree) -> str | None:
    text = reading.text(at, tree)
    if text is None:
        return None
    name = text.removeprefix("torch.")
    if name in DTYPES:
        return name
    close = _DTYPE_SPELLINGS.get(name) or nearest(name, DTYPES)
    fix = f"did you mean `{close}`?" if close else "write one of them"
    message = f"{quoted(text)} is no element type for weights, expected {', '.join(DTYPES)}"
    reading.error("unknown-dtype", message, fix, reading.places.value(at))
    return None


def _seed(reading: Reading, at: Path, tree: Tree) -> int | None:
    value = _whole_number(tree)
    if value is not None and value >= 0:
        return value
    message = f"`seed` is {described(tree)}, expected a whole number of at least 0"
    reading.error("wrong-value", message, "write one, such as `seed: 42`", reading.places.value(at))
    return None


def _whole_number(tree: Tree) -> int | None:
    value = tree.value if isinstance(tree, Leaf) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
