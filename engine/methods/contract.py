"""What a merge method is: some measure passes, then one blend, both over chunks.

A method gets tensors and numbers. It knows nothing of recipes, files, models or devices: the engine
resolves parameters, subtracts the base, casts to float64, cuts into chunks and seeds. Nothing here
imports torch, so that methods can be listed, and their parameters checked, without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from torch import Tensor


class ParameterSet(BaseModel):
    """Base of every method's parameter models: typed, frozen, nothing unknown.

    A field without a default is required. ``ge``/``le``/``gt``/``lt`` give the range and ``description``
    one line; the documentation, the form and the checks are made from them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False)


class NoParameters(ParameterSet):
    """A scope in which a method takes nothing."""


@dataclass(frozen=True)
class Inputs:
    """Which models a method takes.

    ``base`` is *required* (a base, and ``least``..``most`` other models), *optional* (likewise, but it may
    be missing), or *participant* (a base is one more model like the others, and counts). ``lends_only``
    says that a base gives its config and tokenizer and nothing else. With ``task_vectors`` the method sees
    each model minus the base.
    """

    base: Literal["required", "optional", "participant"]
    least: int
    most: int | None
    task_vectors: bool = False
    lends_only: bool = False


@dataclass(frozen=True)
class Mix:
    """One output tensor as its method sees it.

    ``sources`` holds one parameter set per model, the base excluded, in recipe order; ``parameters`` the
    global ones; ``has_base`` whether a base takes part.
    """

    shape: tuple[int, ...]
    sources: tuple[Any, ...]
    parameters: Any
    has_base: bool

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def row(self) -> int:
        """Elements of one row along the last dimension; a vector is one row, and so is a single number."""
        return self.shape[-1] if self.shape else 1


class Chunk(Protocol):
    """A run of consecutive elements of one output tensor, in float64: whole rows, where the method asks for those.

    ``models`` has one flat tensor per source, in recipe order
    without the base: weights, or task vectors where the method takes those. Every pass gets chunks of its own, so a
    method may overwrite what it needs no more.
    """

    @property
    def start(self) -> int:
        """Flat index of the first element."""
        ...

    @property
    def models(self) -> Sequence[Tensor]:
        """Elements of each source."""
        ...

    @property
    def base(self) -> Tensor:
        """The base's elements; only where the mix has a base."""
        ...

    def upto(self, index: int) -> int:
        """Count its elements up to a flat index, that one included."""
        ...

    def bernoulli(self, source: int, probability: float | Tensor) -> Tensor:
        """Draw for each element of ``source``: 1.0 with ``probability`` (one, or one each), else 0.0."""
        ...


@dataclass(frozen=True)
class Sums:
    """A measure: the total, over the whole tensor, of each elementwise term. Terms are taken one at a time.

    Added pairwise over fixed blocks (rows, where a method asks for whole ones), so that chunks and threads change
    no bit. Yields ``tuple[float, ...]``.
    """

    terms: Callable[[Chunk], Iterable[Tensor]]


@dataclass(frozen=True)
class Rows:
    """A measure: some values for each row (of ``Method.row`` elements). Yields ``tuple[Tensor, ...]``: by row."""

    values: Callable[[Chunk], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Columns:
    """A measure: the total of each elementwise term over all rows (of ``Method.row`` elements), for each place in them.

    Rows are added one after the other, in order. Yields ``tuple[Tensor, ...]`` of ``Method.row`` elements each.
    """

    terms: Callable[[Chunk], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Cut:
    """Where a selection by size ends.

    One total order: larger first, then the lower flat index. Selected is what is larger than ``value``,
    and what equals it up to and including flat index ``last``. ``single`` says that magnitudes that are rounded to
    float32 tell as well: no other one of the tensor rounds to what ``value`` rounds to.
    """

    value: float
    last: int
    single: bool = False

    def selects(self, magnitudes: Tensor, equals: int) -> Tensor:
        """Mask of the selected ones, in their place: 1.0 and 0.0. The first ``equals`` elements lie up to ``last``.

        A mask of booleans takes torch several times as long.
        """
        magnitudes[:equals].ge_(self.value)
        magnitudes[equals:].gt_(self.value)
        return magnitudes

    def kept(self, values: Tensor, equals: int) -> Tensor:
        """Those of ``values`` whose magnitudes are selected, and zeros in between; a tensor of its own."""
        if equals == 0:
            return values.hardshrink(self.value)
        below = values.new_tensor(self.value).nextafter(values.new_tensor(-math.inf))
        kept = values.hardshrink(float(below))
        if equals < values.numel():
            kept[equals:] = values[equals:].hardshrink(self.value)
        return kept


@dataclass(frozen=True)
class Cuts:
    """A measure: for each sequence of magnitudes (>= 0), the cut that selects exactly ``keep[i]`` elements.

    ``magnitudes`` makes those of the sequences that it is asked for, by their number. ``1 <= keep[i] <= size``. Yields
    ``tuple[Cut, ...]``. ``plain`` says that each is the size of one of the chunk's models' elements, so that float32
    ones are in the same order, equal where those in float64 are close.
    """

    magnitudes: Callable[[Chunk, Sequence[int]], Sequence[Tensor]]
    keep: tuple[int, ...]
    plain: bool = False


SUMS_SWEEPS = 1
"""How many times the whole tensor is read for ``Sums``, ``Rows`` or ``Columns``."""
CUTS_SWEEPS = 7
"""How many times the whole tensor is read for ``Cuts``, at most."""

Measure = Sums | Rows | Columns | Cuts
Blend = Callable[[Chunk], "Tensor"]
Steps = Generator[Measure, Any, Blend]


@dataclass(frozen=True)
class Stored:
    """A run of elements as they are stored, never task vectors: the base first, where there is one, then the models.

    ``single`` makes a chunk of them, in float32.
    """

    operands: tuple[Tensor, ...]
    single: Callable[[], Chunk]


@dataclass(frozen=True)
class Estimate:
    """Float32 values of a blend that are at most ``error`` from those in float64, with room for two roundings.

    Neither is larger than ``largest``. Where ``doubt`` is above zero, and not next to nothing, they may be further off,
    and larger. ``values`` are the caller's to change.
    """

    values: Tensor
    error: float
    largest: float
    doubt: Tensor | None = None


@dataclass(frozen=True)
class Estimated:
    """A blend that can tell quickly, in float32, about where its results lie."""

    exact: Blend
    estimate: Callable[[Stored], Estimate]

    def __call__(self, chunk: Chunk) -> Tensor:
        """Give the result, in float64."""
        return self.exact(chunk)


class NoResultError(Exception):
    """Raised by a method's steps where these tensors have no result; the text says why, and what to do."""


def never(_mix: Mix) -> bool:
    """The usual answer to ``Method.verbatim``."""
    return False


def no_sweeps(_mix: Mix) -> int:
    """The usual answer to ``Method.sweeps`` of a method that blends at once."""
    return 0


def any_run(_mix: Mix) -> int:
    """The usual answer to ``Method.row``."""
    return 1


def last_dimension(mix: Mix) -> int:
    """The answer to ``Method.row`` of a method that looks at rows along the last dimension."""
    return max(mix.row, 1)


@dataclass(frozen=True)
class Clamped:
    """A parameter of one source that is not used as it is given, and a sentence that says so.

    Of ``names``, which decide it together, the first one that a recipe sets is where its reader is sent.
    """

    source: int
    names: tuple[str, ...]
    sentence: str
    fix: str


def nothing_clamped(_mix: Mix) -> tuple[Clamped, ...]:
    """The usual answer to ``Method.clamped``."""
    return ()


@dataclass(frozen=True)
class Method:
    """A merge method, as its file declares it.

    ``steps`` yields measures, is sent what they measured, and returns the blend. ``sweeps`` tells, before any
    weight is read, how many times those measures may read the whole tensor. ``row`` says what chunks are cut into:
    a whole number of runs of that many elements (1: anywhere). ``verbatim`` says that the output *is* its only input,
    so that bytes may be copied. ``clamped`` tells of parameters that are not used as they are given. ``inert`` names
    parameters that mergekit accepts without effect here.
    """

    name: str
    purpose: str
    formula: str
    paper: str
    inputs: Inputs
    source_parameters: type[ParameterSet]
    parameters: type[ParameterSet]
    steps: Callable[[Mix], Steps]
    sweeps: Callable[[Mix], int] = no_sweeps
    row: Callable[[Mix], int] = any_run
    verbatim: Callable[[Mix], bool] = never
    clamped: Callable[[Mix], tuple[Clamped, ...]] = nothing_clamped
    inert: frozenset[str] = field(default_factory=frozenset)
