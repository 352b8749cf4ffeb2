"""The plan: everything that will happen, known before any weight is read. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any, Literal

from engine.checkpoints.dtypes import SIZES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.checkpoints.checkpoint import Pin
    from engine.findings import Finding
    from engine.publish.licences import Verdict
    from engine.recipe import Recipe

Reading = Literal["copy", "equal", "stream", "hold", "spool", "again"]
"""How a tensor's inputs are read: bytes copied as they are; copied once all are found equal (integers); read
once in passing; held in memory, or spooled to a scratch file, for several passes; or read again for each pass."""

MiB = 1024 * 1024
CPU = "cpu"
"""The device that computes unless another is asked for."""


@dataclass(frozen=True)
class Options:
    """What a caller decides about planning, beside the recipe. Sizes in bytes.

    ``memory`` is the budget of the run on top of the interpreter, ``disk`` that of scratch files (None: what is
    free). ``local`` allows folders as models; ``allow_crimes`` different architectures in one merge. ``repo`` and
    ``private`` go before what the recipe's ``publish:`` says. ``endpoint`` is the Hub that addresses point to.
    ``threads`` and ``device`` (cpu, cuda, or auto) say what computes, and change nothing of what comes out.
    """

    max_shard_size: int = 5_000_000_000
    memory: int = 256 * MiB
    disk: int | None = None
    threads: int = 2
    device: str = CPU
    local: bool = True
    allow_crimes: bool = False
    copy_tokenizer: bool = True
    repo: str | None = None
    private: bool | None = None
    endpoint: str = "https://huggingface.co"


@dataclass(frozen=True)
class Input:
    """One stored tensor that goes in: ``model`` is an index into the plan's models."""

    model: int
    tensor: str
    dtype: str
    nbytes: int


@dataclass(frozen=True)
class Mixture:
    """How one tensor's values come about: a method over stored tensors, or over the mixtures of another stage.

    ``stage``, ``name`` and ``seed`` key its random streams. ``dtype`` is what values are rounded to before another
    mixture takes them; None, as for the result itself, means that they go on as they are, in float64. ``row`` and
    ``sweeps`` are the method's answers.
    """

    stage: str
    name: str
    seed: int
    method: str
    base: Input | Mixture | None
    sources: tuple[Input | Mixture, ...]
    parameters: Mapping[str, Any]
    source_parameters: tuple[Mapping[str, Any], ...]
    row: int = 1
    sweeps: int = 0
    dtype: str | None = None

    @property
    def operands(self) -> tuple[Input | Mixture, ...]:
        """What it is mixed of, the base first where there is one."""
        return self.sources if self.base is None else (self.base, *self.sources)

    @property
    def inner(self) -> tuple[Mixture, ...]:
        """The mixtures among its operands."""
        return tuple(item for item in self.operands if isinstance(item, Mixture))

    def of_stage(self, stage: str) -> Mixture | None:
        """Find the first mixture of a stage, from this one on down."""
        if self.stage == stage:
            return self
        below = (item.of_stage(stage) for item in self.inner)
        return next((found for found in below if found is not None), None)

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """All stored tensors below, each once."""
        below = ((item,) if isinstance(item, Input) else item.inputs for item in self.operands)
        return tuple(dict.fromkeys(chain.from_iterable(below)))

    @cached_property
    def bytes_in(self) -> int:
        """Bytes of all stored tensors below, each counted once."""
        return sum(item.nbytes for item in self.inputs)

    @property
    def all_sweeps(self) -> int:
        """Its sweeps, and those of the mixtures below."""
        return self.sweeps + sum(item.all_sweeps for item in self.inner)

    @property
    def bytes_measured(self) -> int:
        """Bytes that its measures read, and those of the mixtures below, where nothing is kept between them."""
        return self.sweeps * self.bytes_in + sum(item.bytes_measured for item in self.inner)

    @property
    def run(self) -> int:
        """What chunks are cut into: whole rows of all methods. Rows of one tensor divide each other."""
        return max(self.row, *(item.run for item in self.inner)) if self.inner else self.row


@dataclass(frozen=True)
class OutputTensor:
    """One tensor of the result: what it is mixed of, and how its inputs are read."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    layer: int | None
    mixture: Mixture
    reading: Reading

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of the result in bytes."""
        return self.size * SIZES[self.dtype]

    @property
    def inputs(self) -> tuple[Input, ...]:
        """All stored tensors that go in, each once."""
        return self.mixture.inputs

    @property
    def bytes_in(self) -> int:
        """Bytes of all inputs, each counted once."""
        return self.mixture.bytes_in

    @property
    def copied(self) -> bool:
        """Whether its bytes are a model's own, and nothing is computed."""
        return self.reading in {"copy", "equal"}

    @property
    def bytes_read(self) -> int:
        """Bytes that will be read from the models."""
        return self.bytes_in + (self.mixture.bytes_measured if self.reading == "again" else 0)


@dataclass(frozen=True)
class Shard:
    """One output file. ``tensors`` are indices into the plan's tensors, in file order."""

    file: str
    tensors: tuple[int, ...]
    header: bytes
    size: int


@dataclass(frozen=True)
class SideFile:
    """A file beside the weights. ``model`` lends it (an index into the plan's models); None: made by us."""

    name: str
    model: int | None
    size: int | None


@dataclass(frozen=True)
class Cost:
    """What a run costs, in bytes."""

    bytes_read: int
    bytes_written: int
    peak_memory_bytes: int
    peak_disk_bytes: int
    header_bytes_read: int


@dataclass(frozen=True)
class Plan:
    """Everything that a recipe would make. ``lender`` gives config, tokenizer and side files."""

    path: str
    text: str
    recipe: Recipe
    models: tuple[Pin, ...]
    base: int | None
    lender: int
    tensors: tuple[OutputTensor, ...]
    shards: tuple[Shard, ...]
    side_files: tuple[SideFile, ...]
    config: Mapping[str, Any]
    dtype: str
    layers: int | None
    findings: tuple[Finding, ...]
    licence: Verdict
    cost: Cost
    weights_digest: str
    digest: str
    title: str
    repo: str | None
    private: bool
    endpoint: str

    @property
    def parameters(self) -> int:
        """Number of elements of all output tensors."""
        return sum(tensor.size for tensor in self.tensors)

    @property
    def bytes(self) -> int:
        """Size of all shards."""
        return sum(shard.size for shard in self.shards)
