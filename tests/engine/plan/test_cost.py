"""What a plan says a run costs, against what is really read and written."""

from __future__ import annotations

import families
import pytest
import torch

from engine import commands
from engine.checkpoints.local import LocalCheckpoint
from engine.events import silent
from engine.hub_client import Hub
from engine.plan.compose import reading_of
from engine.plan.cost import INTERPRETER, cost_of
from engine.plan.plan import Input, Mixture, Options, OutputTensor, Shard

SHAPE = families.Shape(layers=4)
BYTES = 17696
"""Of one model's tensors: embedding and head 1024 each, layers 3904 each, the last norm 32."""

SLERP = "models: [{model: M/a}, {model: M/b}]\nmerge_method: slerp\nbase_model: M/a\nparameters: {t: 0.5}\n"
LINEAR = "models: [{model: M/a}, {model: M/b}]\nmerge_method: linear\nparameters: {weight: 1}\n"
STACK = "slices:\n  - sources: [{model: M/a, layer_range: [0, 4]}]\nmerge_method: passthrough\n"
TIES = (
    "models: [{model: M/base}, {model: M/a}, {model: M/b}]\nmerge_method: ties\nbase_model: M/base\n"
    "parameters: {weight: 1, density: 0.5}\n"
)
DARE = TIES.replace("ties", "dare_ties")


@pytest.fixture
def bench(bench, monkeypatch):
    base = families.random_tensors(SHAPE, 1)
    for seed, name in enumerate(("base", "a", "b")):
        bench.model(name, families.tuned(base, seed))
    bench.read = 0
    original = LocalCheckpoint.read

    def read(checkpoint, tensor, begin, out):
        bench.read += len(out)
        original(checkpoint, tensor, begin, out)

    monkeypatch.setattr(LocalCheckpoint, "read", read)
    return bench


@pytest.mark.parametrize(
    ("text", "options", "times", "readings"),
    [
        (STACK, {}, 1, {"copy"}),
        (LINEAR, {}, 2, {"stream"}),
        (SLERP, {}, 2, {"hold"}),
        (SLERP, {"memory": 0}, 4, {"again"}),
        (TIES, {}, 3, {"hold"}),
        (DARE, {}, 3, {"stream"}),
        (DARE.replace("weight: 1,", "weight: 1, rescale_norm: l1,"), {"memory": 0}, 6, {"again"}),
    ],
)
def test_bytes_read_are_those_that_are_read(bench, text, options, times, readings):
    made = bench.merge(text.replace("M/", "./"), **options)
    assert {tensor.reading for tensor in made.plan.tensors} == readings
    assert made.plan.cost.bytes_read == times * BYTES
    assert bench.read == times * BYTES


def test_a_search_by_size_reads_at_most_as_often_as_planned(bench):
    made = bench.merge(TIES.replace("M/", "./"), memory=0)
    assert {tensor.reading for tensor in made.plan.tensors} == {"again"}
    assert made.plan.cost.bytes_read == 3 * 8 * BYTES  # seven sweeps at most, then the blend
    assert 3 * 2 * BYTES <= bench.read <= 3 * 6 * BYTES


def test_planning_reads_no_weight_and_says_what_it_reads(bench):
    plan = bench.plan(SLERP.replace("M/", "./"))
    assert bench.read == 0
    expected = 0
    for name in "ab":
        weights = (bench.root / name / "model.safetensors").read_bytes()
        expected += 8 + int.from_bytes(weights[:8], "little") + (bench.root / name / "config.json").stat().st_size
    assert plan.cost.header_bytes_read == expected


def test_bytes_written_are_those_of_the_shards(bench):
    made = bench.merge(SLERP.replace("M/", "./"), max_shard_size=8000)
    sizes = [path.stat().st_size for path in made.folder.glob("*.safetensors")]
    assert len(sizes) == 3
    assert made.plan.cost.bytes_written == sum(sizes)
    assert made.plan.cost.peak_disk_bytes == max(sizes)


@pytest.fixture
def hub(bench, devhub):
    for name in ("base", "a", "b"):
        devhub.store.create_repo(f"alice/{name}", "alice")
        files = {path.name: path for path in sorted((bench.root / name).iterdir())}
        devhub.store.commit_files(f"alice/{name}", files, "Upload")
    return devhub


@pytest.mark.parametrize(
    ("text", "options", "times", "reading"),
    [
        (SLERP, {}, 2, "hold"),
        (SLERP, {"memory": 0}, 2, "spool"),
        (SLERP, {"memory": 0, "disk": 0}, 4, "again"),
        (STACK, {}, 1, "copy"),
    ],
)
def test_bytes_fetched_from_a_hub(bench, hub, text, options, times, reading):
    def open_hub():
        return Hub(endpoint=hub.endpoint, token=hub.token("alice"))

    options = Options(**options)
    path = bench.recipe(text.replace("M/", "alice/"))
    headers = commands.plan_for_review(path, open_hub, options).plan.cost.header_bytes_read
    ranges = sum(exchange.sent for exchange in hub.log if exchange.status == 206)
    configs = sum(e.sent for e in hub.log if e.status == 200 and e.path.endswith("config.json"))
    assert ranges + configs == headers
    hub.clear_log()
    plan = commands.merge(path, bench.root / "out", open_hub, options, silent)
    assert {tensor.reading for tensor in plan.tensors} == {reading}
    assert plan.cost.bytes_read == times * BYTES
    assert sum(e.sent for e in hub.log if e.status == 206) - ranges == times * BYTES


def tensor(reading, sweeps, inputs=2, size=1000, dtype="bfloat16"):
    items = tuple(Input(i, "x", dtype, size * 2) for i in range(inputs))
    mixture = Mixture("", "x", 0, "slerp", None, items, {}, (), sweeps=sweeps)
    return OutputTensor("x", dtype, (size,), None, mixture, reading)


def test_peaks_are_the_largest_tensors_and_shards():
    tensors = [tensor("hold", 1), tensor("spool", 1, inputs=3), tensor("stream", 0, size=500)]
    shards = [Shard("a", (0, 1), b"", 4100), Shard("b", (2,), b"", 1100)]
    cost = cost_of(tensors, shards, Options(threads=3), 77, ())
    assert cost.bytes_read == 4000 + 6000 + 2000
    assert cost.bytes_written == 5200
    assert cost.header_bytes_read == 77
    assert cost.peak_disk_bytes == 4100 + 6000
    # held inputs, and for each thread a span (inputs and result) and float64 chunks (inputs and 12 temporaries)
    held = 4000 + 3 * (4000 + 2000 + 8 * 1000 * 14)
    spooled = 3 * (6000 + 2000 + 8 * 1000 * 15)
    assert cost.peak_memory_bytes == INTERPRETER + max(held, spooled)


@pytest.mark.parametrize(
    ("size", "operand"), [(2**16, 8 * 2**16), (2**17, 8 * 2**16), (2**17 + 1, 4 * (2**17 + 1)), (2**19, 4 * 2**18)]
)
def test_what_a_tensor_of_several_chunks_needs(size, operand):
    """An operand's chunk is of float64, or of four times as many numbers in float32."""
    cost = cost_of([tensor("again", 1, inputs=50, size=size)], [], Options(threads=2), 0, ())
    span = 51 * 2 * size
    assert cost.peak_memory_bytes == INTERPRETER + 2 * (span + 50 * operand + 12 * 8 * 2**16)


@pytest.mark.parametrize(("size", "piece"), [(1000, 2000), (2**23, 8 * 2**20)])
@pytest.mark.parametrize(("reading", "inputs"), [("copy", 1), ("equal", 8)])
def test_what_a_copy_needs(reading, inputs, size, piece):
    """A piece of each input, of 8 MiB at most, and one more, for each thread."""
    cost = cost_of([tensor(reading, 0, inputs=inputs, size=size)], [], Options(threads=3), 0, ())
    assert cost.peak_memory_bytes == INTERPRETER + 3 * (inputs + 1) * piece


def test_what_is_read_ahead_is_within_the_budget():
    tensors = [tensor("hold", 1), tensor("copy", 0, inputs=1), tensor("equal", 0), tensor("spool", 1, inputs=3)]
    spooled = 3 * (6000 + 2000 + 8 * 1000 * 15)
    # 4000 + 2000 + 4000 bytes at most, beside the tensor that needs most
    for memory, ahead in ((10**6, 10_000), (7000, 7000)):
        cost = cost_of(tensors, [], Options(threads=3, memory=memory), 0, {0, 1, 2})
        assert cost.peak_memory_bytes == INTERPRETER + ahead + spooled


def test_memory_does_not_grow_with_a_tensor_that_is_not_held():
    small, large = (
        cost_of([tensor("again", 1, size=size)], [], Options(), 0, ()).peak_memory_bytes for size in (2**21, 2**24)
    )
    assert small == large


@pytest.mark.parametrize(
    ("nbytes", "sweeps", "memory", "disk", "kind", "expected"),
    [
        (100, 0, 0, None, {}, "stream"),
        (100, 0, 200, None, {"remote": True}, "hold"),
        (101, 0, 200, None, {"remote": True}, "spool"),
        (101, 0, 200, 100, {"remote": True}, "stream"),
        (100, 1, 200, None, {}, "hold"),
        (101, 1, 200, None, {}, "again"),
        (101, 1, 200, None, {"remote": True}, "spool"),
        (101, 1, 200, 101, {"remote": True}, "spool"),
        (101, 1, 200, 100, {"remote": True}, "again"),
        (100, 0, 0, None, {"arithmetic": False}, "equal"),
        (100, 0, 0, None, {"copied": True}, "copy"),
    ],
)
def test_how_inputs_are_read(nbytes, sweeps, memory, disk, kind, expected):
    options = Options(memory=memory, disk=disk)
    given = {"arithmetic": True, "copied": False, "remote": False} | kind
    assert reading_of(nbytes, sweeps, options, **given) == expected


def test_equal_integers_are_read_from_every_model(bench):
    for name in "ab":
        bench.model(name, {"ids": torch.arange(10)}, num_hidden_layers=0)
    made = bench.merge(SLERP.replace("M/", "./"))
    assert made.plan.tensors[0].reading == "equal"
    assert (made.plan.cost.bytes_read, bench.read) == (160, 160)
