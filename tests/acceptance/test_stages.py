"""Merges of merges: equal to the exact formula of the whole, with no model in between on any disk.

Nothing in between is rounded unless a stage asks for it, so the formulas are composed in float64.
"""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import suppress
from pathlib import Path
from string import Template

import cases
import cases_selective
import cases_spherical
import cases_thinned
import families
import pytest
import reference
import torch
from safetensors.torch import load_file

from engine.checkpoints.local import LocalCheckpoint
from engine.commands import merge, plan_locked
from engine.events import silent
from engine.methods import METHODS
from engine.plan.plan import Options
from engine.publish.assemble import assemble
from engine.publish.folder import FolderSink
from engine.run import blending as blending_module
from engine.run.merge import run
from engine.run.streams import bernoulli, stream_key

CASES = {
    name: case
    for name, case in (cases.CASES | cases_selective.CASES | cases_spherical.CASES | cases_thinned.CASES).items()
    if name in METHODS
}
"""One of each method: those that are called by its name."""
SHAPE = families.Shape(layers=3, width=64, inner=96)
STORED = {"base": "bfloat16", "one": "float16", "two": "float32", "three": "bfloat16", "four": "bfloat16"}
NAMES = tuple(families.tensor_shapes(SHAPE))


@pytest.fixture(scope="module")
def models():
    base = families.random_tensors(SHAPE, 1)
    made = {name: base if name == "base" else families.tuned(base, seed) for seed, name in enumerate(STORED)}
    return {model: {k: t.to(getattr(torch, STORED[model])) for k, t in made[model].items()} for model in STORED}


@pytest.fixture(scope="module")
def folders(models, tmp_path_factory):
    root = tmp_path_factory.mktemp("parents")
    config = families.config_of(SHAPE)
    return {name: families.write_model(root / name, tensors, config) for name, tensors in models.items()}


@pytest.fixture
def made(folders, tmp_path, monkeypatch):
    """Merges recipe documents in which ``$base`` and so on stand for the models; the tensors that come out."""
    monkeypatch.chdir(tmp_path)

    def made(*documents, out="out", **options):
        path = Path(f"{out}.yaml")
        path.write_text(Template("---\n".join(documents)).substitute(folders))
        merge(path, Path(out), lambda: pytest.fail("no Hub"), Options(**options), silent)
        return load_file(Path(out) / "model.safetensors")

    return made


def share(tensors, expected):
    """Share of elements that are the correctly rounded value, in all tensors together."""
    assert tensors.keys() == set(NAMES)
    same = sum(reference.same_share(tensors[name], expected(name)) * tensors[name].numel() for name in NAMES)
    return same / sum(tensor.numel() for tensor in tensors.values())


def slerp(name, base, other, t, more=""):
    return (
        f"name: {name}\nmerge_method: slerp\nbase_model: {base}\nmodels: [{{model: {base}}}, {{model: {other}}}]\n"
        f"parameters: {{t: {t}}}\n{more}"
    )


LAST = "dtype: bfloat16\n"
LEVELS = (
    slerp("left", "$base", "$one", 0.3),
    slerp("right", "$two", "$three", 0.6),
    slerp("middle", "left", "right", 0.5),
    slerp("whole", "middle", "$four", 0.25, LAST),
)


def levels(name, models, between=lambda tensor: tensor):
    """The four slerps of ``LEVELS``, composed; ``between`` is what becomes of each that is not the last."""
    base, one, two, three, four = (models[model][name] for model in STORED)
    left, right = between(reference.slerp(base, one, 0.3)), between(reference.slerp(two, three, 0.6))
    return reference.slerp(between(reference.slerp(left, right, 0.5)), four, 0.25)


def test_three_levels_of_slerp_are_the_formula_of_the_whole(made, models):
    assert share(made(*LEVELS), lambda name: levels(name, models)) >= 0.9999


def test_what_is_not_rounded_in_between_differs_from_what_is(made, models):
    """So that the test above could tell: in bfloat16 between the levels, many an element ends up elsewhere."""
    rounding = [document + "out_dtype: bfloat16\n" for document in LEVELS[:3]]
    tensors = made(*rounding, LEVELS[3])
    once = lambda tensor: tensor.to(torch.bfloat16)  # noqa: E731 - float64 to bfloat16 meets no midpoint here
    assert share(tensors, lambda name: levels(name, models, once)) >= 0.9999
    assert share(tensors, lambda name: levels(name, models)) < 0.9


def test_there_is_a_case_of_each_method():
    assert set(CASES) == set(METHODS)


RANDOM = {name for name in CASES if name.startswith(("dare", "della"))}


@pytest.mark.parametrize("name", CASES)
def test_every_method_takes_a_stage(name, made, models):
    """As a fine-tune, and as its base where it has one."""
    case, later = CASES[name], {"base": "first", "one": "second"}
    stages = [slerp("first", "$base", "$three", 0.1), slerp("second", "$one", "$four", 0.2)]
    outer = case.recipe
    for model, stage in later.items():
        outer = outer.replace(f"${model}", stage)
    used = [document for document, stage in zip(stages, later.values(), strict=True) if stage in outer]
    if name == "passthrough":
        outer, used = outer.replace("$two", "second").replace("[0, 1]", f"[0, {SHAPE.layers}]"), stages[1:]

    def expected(tensor):
        first = reference.slerp(models["base"][tensor], models["three"][tensor], 0.1)
        second = reference.slerp(models["one"][tensor], models["four"][tensor], 0.2)
        two = second if name == "passthrough" else models["two"][tensor]
        return case.expected(tensor, {m: {tensor: t} for m, t in (("base", first), ("one", second), ("two", two))})

    assert share(made(*used, outer + LAST), expected) >= 0.9999


@pytest.mark.parametrize("name", sorted(CASES.keys() - RANDOM))
def test_every_method_makes_a_stage(name, made, models):
    case = CASES[name]
    inner = case.recipe.replace("[0, 1]", f"[0, {SHAPE.layers}]")
    outer = slerp("result", "$three", "inner", 0.4, LAST)
    tensors = made("name: inner\n" + inner.lstrip(), outer)
    own = {model: models[model] for model in cases.MODELS}
    assert (
        share(tensors, lambda tensor: reference.slerp(models["three"][tensor], case.expected(tensor, own), 0.4))
        >= 0.9999
    )


def dare(tensor, base, sources, stage, seed, density=0.6):
    """Σ of 0.5 times what is kept of each task vector, drawn from the streams of that stage."""

    def thin(source, delta):
        key = stream_key(seed, stage, tensor, source)
        return delta * bernoulli(key, density, 0, delta.numel()).view(delta.shape) / density

    return reference.task_vectors(base, sources, [0.5] * len(sources), thin)


def test_ties_of_a_dare_of_a_slerp(made, models):
    """A measure on each level, and random streams of the stage's own name, seeded by the result."""
    dropped = (
        "name: dropped\nmerge_method: dare_linear\nbase_model: $base\nparameters: {weight: 0.5, density: 0.6}\n"
        "models: [{model: inner}, {model: $two}]\n"
    )
    ties = (
        "merge_method: ties\nbase_model: $base\nseed: 9\nparameters: {density: 0.4}\n"
        "models: [{model: dropped, parameters: {weight: 1}}, {model: $three, parameters: {weight: 0.5}}]\n"
    )

    def expected(seed):
        def whole(tensor):
            base = models["base"][tensor]
            inner = reference.slerp(models["one"][tensor], models["four"][tensor], 0.5)
            sources = [dare(tensor, base, [inner, models["two"][tensor]], "dropped", seed), models["three"][tensor]]
            trim = lambda _source, delta: reference.largest(delta, 0.4)  # noqa: E731 - as a parameter
            return reference.task_vectors(base, sources, [1, 0.5], trim, consensus=True, normalize=True)

        return whole

    inner = slerp("inner", "$one", "$four", 0.5)
    assert share(made(inner, dropped, ties + LAST), expected(9)) >= 0.9999
    assert share(made(inner, dropped + "seed: 4\n", ties + LAST, out="seeded"), expected(4)) >= 0.9999


LINEAR = "merge_method: linear\nparameters: {weight: 1}\nmodels: [{model: trimmed}, {model: left}, {model: $four}]\n"
TRIMMED = (
    "name: trimmed\nmerge_method: ties\nbase_model: left\nparameters: {density: 0.3, weight: 0.8, lambda: 1.2}\n"
    "models: [{model: $two}, {model: $three}]\n"
)


def test_one_after_the_other_in_float64_gives_the_same_bits(made, tmp_path):
    """Each stage in a folder of its own, none rounded: the same model to the last bit of float64."""
    at_once = made(LEVELS[0], TRIMMED, LINEAR + "dtype: float64\n", out="once")
    for name, document in (("left", LEVELS[0]), ("trimmed", TRIMMED), ("result", LINEAR)):
        alone = document.replace("model: left", "model: ./left").replace("model: trimmed", "model: ./trimmed")
        made(alone + "out_dtype: float64\n", out=name)
    one_by_one = load_file("result/model.safetensors")
    assert at_once.keys() == one_by_one.keys()
    for name, tensor in at_once.items():
        assert torch.equal(tensor.view(torch.int64), one_by_one[name].view(torch.int64)), name


FULL = (
    LEVELS[0],
    slerp("right", "$two", "$three", 0.6, "out_dtype: float32\n"),
    "name: dropped\nmerge_method: dare_ties\nbase_model: left\nseed: 3\nparameters: {rescale_norm: l1}\n"
    "models: [{model: right, parameters: {weight: 0.7, density: 0.5}}, {model: $four, parameters: {weight: 0.4}}]\n",
    "merge_method: ties\nbase_model: left\nparameters: {density: 0.4, weight: 0.6}\nmodels: [{model: dropped}, "
    "{model: right}]\ndtype: float64\n",
)
"""A diamond of two levels above the slerps, with every kind of measure; float64 shows the last bit of everything."""


def digest(out):
    return hashlib.sha256((Path(out) / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The same models with a tensor of more than one span beside the others."""
    root = tmp_path_factory.mktemp("large")
    shape = families.Shape(layers=1)
    base = families.random_tensors(shape, 1)
    generator = torch.Generator().manual_seed(9)
    base["model.layers.0.mlp.large.weight"] = torch.randn(1030, 1024, generator=generator).to(torch.bfloat16)
    for seed, name in enumerate(STORED):
        families.write_model(root / name, families.tuned(base, seed), families.config_of(shape))
    (root / "full.yaml").write_text(Template("---\n".join(FULL)).substitute({name: f"./{name}" for name in STORED}))
    return root


def test_neither_threads_nor_chunks_nor_spans_nor_memory_change_a_bit(large, monkeypatch, tmp_path):
    monkeypatch.chdir(large)

    def once(number, threads, chunk, memory=2**28):
        planned = plan_locked(Path("full.yaml"), None, Options(memory=memory))
        sink = FolderSink(tmp_path / str(number), planned.plan, force=False)
        shards = run(planned.plan, planned.models, sink, silent, threads=threads, chunk=chunk)
        sink.finish(assemble(planned.plan, planned.models, shards))
        return digest(tmp_path / str(number))

    first = once(0, 1, 2**12)
    assert [once(1, 4, 2**16), once(2, 2, 2**20), once(3, 3, 2**16, memory=0)] == [first] * 3
    monkeypatch.setattr(blending_module, "SPAN", 2**14)
    assert once(4, 3, 2**13) == first


@pytest.mark.parametrize(("memory", "reading"), [(2**28, "hold"), (0, "again")])
def test_bytes_are_read_as_planned_and_nothing_else_is_written(made, folders, monkeypatch, memory, reading):
    read = []
    original = LocalCheckpoint.read

    def counted(checkpoint, tensor, begin, out):
        read.append(len(out))
        original(checkpoint, tensor, begin, out)

    monkeypatch.setattr(LocalCheckpoint, "read", counted)
    written = set()
    done = threading.Event()

    def look():
        while not done.wait(0.001):
            with suppress(FileNotFoundError):  # a folder that goes while it is looked through
                written.update(str(path) for path in Path().rglob("*.safetensors*"))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        made(*LEVELS, memory=memory)
    finally:
        done.set()
        watcher.join()
    plan = plan_locked(Path("out.yaml"), None, Options(memory=memory)).plan
    assert {tensor.reading for tensor in plan.tensors} == {reading}
    stored = {name: sum(t.nbytes for t in load_file(folders[name] / "model.safetensors").values()) for name in STORED}
    whole, leaves = sum(stored.values()), list(stored.values())
    # again: each of the four slerps measures what is below it, and the last is blended
    again = sum(leaves[:2]) + sum(leaves[2:4]) + sum(leaves[:4]) + whole + whole
    assert plan.cost.bytes_read == sum(read) == (whole if reading == "hold" else again)
    assert {Path(path).parts[-1].removesuffix(".partial") for path in written} <= {"model.safetensors"}
    assert [path.name for path in Path("out").iterdir() if path.suffix == ".safetensors"] == ["model.safetensors"]


def test_the_finished_model_says_what_it_is_made_of(made):
    made(*LEVELS)
    assert Path("out/mergekit_config.yml").read_bytes() == Path("out.yaml").read_bytes()
    lock = json.loads(Path("out/merge.lock.json").read_text())
    assert [Path(pin["ref"]).name for pin in lock["models"]] == list(STORED)
    # whoever has the folder makes the same again, from the recipe and the lock in it
    before = digest("out")
    merge(Path("out/mergekit_config.yml"), Path("again"), lambda: pytest.fail("no Hub"), Options(), silent)
    assert digest("again") == before
    assert {path.name for path in Path("again").iterdir()} == {path.name for path in Path("out").iterdir()}
