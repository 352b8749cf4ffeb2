"""One chunk of one output tensor, as a method sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import torch

from engine.plan.plan import CPU
from engine.run.streams import bernoulli

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Lazy(Sequence["Tensor"]):
    """Tensors that are made when they are asked for, each time anew."""

    def __init__(self, makers: Sequence[Callable[[], Tensor]]) -> None:
        self._makers = makers

    @overload
    def __getitem__(self, place: int) -> Tensor: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Tensor]: ...
    def __getitem__(self, place: int | slice) -> Tensor | Sequence[Tensor]:
        """Make one of them, or some that are still to be made."""
        return Lazy(self._makers[place]) if isinstance(place, slice) else self._makers[place]()

    def __len__(self) -> int:
        """Count them."""
        return len(self._makers)


class TensorChunk:
    """Values of all inputs for a run of elements; see ``engine.methods.contract.Chunk``.

    Or of scattered ones, then at ``places``, counted from ``start`` on, ascending. In float64, or in less where a
    measure or an estimate takes that: for a measure ``exact`` gives float64 ones at some indices of the span. All of
    them are on ``device``; numbers are drawn by the processor.
    """

    def __init__(
        self,
        start: int,
        models: Sequence[Tensor],
        base: Tensor | None,
        keys: Sequence[bytes],
        *,
        exact: Callable[[Tensor], TensorChunk] | None = None,
        places: Tensor | None = None,
        size: int | None = None,
        device: str = CPU,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self.start = start
        self.models = models
        self._base = base
        self._keys = keys
        self.exact = exact
        self._places, self._dtype, self._device = places, dtype, device
        self._size = models[0].numel() if size is None else size

    def upto(self, index: int) -> int:
        """Count its elements up to a flat index, that one included."""
        ahead = index + 1 - self.start
        if self._places is not None:
            return int(torch.searchsorted(self._places, ahead))
        return min(max(ahead, 0), self._size)

    @property
    def base(self) -> Tensor:
        """The base's elements; ``LookupError`` for a mix that has none."""
        if self._base is None:
            raise LookupError("this mix has no base")
        return self._base

    def bernoulli(self, source: int, probability: float | Tensor) -> Tensor:
        """Draw for each element of ``source``: 1.0 with ``probability`` (one, or one each), else 0.0."""
        places = self._size if self._places is None else self._places
        own = probability.cpu() if isinstance(probability, torch.Tensor) else probability
        return bernoulli(self._keys[source], own, self.start, places, self._dtype).to(self._device)
