"""A crew of processes: parted from this one by a fork, they go through the same lines with the same values.

Each does its share of a tensor's spans, and what all need to know goes through pipes, small as it is: sums, counts, the
few values near a cut. Spans are read and written by position, each by whom it belongs to. When the context ends, the
others are gone.
"""

from __future__ import annotations

import gc
import mmap
import os
import pickle
import signal
import sys
import warnings
from io import BytesIO
from multiprocessing import Pipe
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from engine.errors import MergeError
from engine.interrupts import LOOK, heed
from engine.run.system import end_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from types import TracebackType
    from typing import Self

    import torch
    from torch import Tensor

S = TypeVar("S")
T = TypeVar("T")
ROUND = 4
"""Items that each process does before they tell each other: what is told does not grow with the tensor."""
POSSIBLE = sys.platform == "linux"
"""Elsewhere a fork is not safe, or there is none."""


class Processes:
    """``count`` processes, this one among them, with ``memory`` bytes that all of them see.

    A context. Its body runs in all of them; an error in any ends them all, and is raised in the one that was there
    before, where alone the lines after the body are reached.
    """

    def __init__(self, count: int, memory: int) -> None:
        self.number, self.count = 0, count
        self._memory = memoryview(mmap.mmap(-1, memory) if memory and count > 1 else b"")
        self._mates: list[tuple[int, Connection]] = []
        self._leader: Connection | None = None

    def __enter__(self) -> Self:
        gc.freeze()  # so that looking for garbage does not touch, and so copy, what the processes share
        try:
            self._part(os.getpid())
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def _part(self, me: int) -> None:
        for number in range(1, self.count):
            here, there = Pipe()
            child = _fork()
            if child == 0:
                here.close()
                self._become(number, there, me)
                return
            there.close()
            self._mates.append((child, here))

    def _become(self, number: int, leader: Connection, parent: int) -> None:
        self.number, self._leader = number, leader
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the leader is told as well, and ends us
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        end_with(parent)
        for _, other in self._mates:
            other.close()
        self._mates = []

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._leader is not None:
            _leave(self._leader, error)
        for child, pipe in self._mates:
            pipe.close()
            if error is not None:
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        self._mates = []
        gc.unfreeze()

    def memory(self, size: int) -> memoryview:
        """Give ``size`` bytes that all see, the same ones each time; every one has let go of what was there before."""
        self.together()
        return self._memory[:size]

    def each(self, function: Callable[[S], T], items: Sequence[S]) -> Iterator[T]:
        """Yield ``function(item)`` for every item, in order. One item alone is done by each process for itself."""
        if len(items) == 1:
            yield function(items[0])
            return
        for begin in range(0, len(items), ROUND * self.count):
            some = items[begin : begin + ROUND * self.count]
            shares = self._told(list(map(function, self._share(some))))
            yield from (shares[(place + 1) % self.count][place // self.count] for place in range(len(some)))

    def run(self, function: Callable[[S], object], items: Sequence[S]) -> None:
        """Call ``function`` for every item. Only the leader waits until all are done."""
        for item in self._share(items):
            function(item)
        if self._leader is not None:
            _send(self._leader, None)
        for mate in self._mates:
            _receive(*mate)

    def together(self) -> None:
        """Wait until all have come this far."""
        self._told([])

    def done_by(self, number: int) -> None:
        """Let the leader wait until process ``number`` has come this far; the others go on."""
        if self._leader is not None and number == self.number:
            _send(self._leader, None)
        elif self._leader is None and number > 0:
            _receive(*self._mates[number - 1])

    def _share(self, items: Sequence[S]) -> Iterator[S]:
        """What this process does of it: dealt from number 1 on, since the leader also reads ahead and hashes."""
        for item in items[(self.number - 1) % self.count :: self.count]:
            heed()
            yield item

    def _told(self, own: list[T]) -> list[list[T]]:
        """Tell the others, and give what all of them told, by their number."""
        if self._leader is not None:
            _send(self._leader, own)
            shares: list[list[T]] = _received(self._leader.recv_bytes())
            return shares
        shares = [own, *(_receive(*mate) for mate in self._mates)]
        for _, pipe in self._mates:
            _send(pipe, shares)
        return shares


def _fork() -> int:
    with warnings.catch_warnings():
        # Python warns where there are other threads. What they may hold, the child never asks for.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _leave(leader: Connection, error: BaseException | None) -> NoReturn:
    """End this process, without any of the cleaning up that the leader does."""
    try:
        if isinstance(error, Exception):
            _send(leader, error)
    finally:
        os._exit(0 if error is None else 1)


def _receive(child: int, pipe: Connection) -> Any:  # noqa: ANN401 - whatever was told
    while not pipe.poll(LOOK):
        heed()
    try:
        told = _received(pipe.recv_bytes())
    except EOFError:
        raise MergeError(
            f"a process that computes was ended from outside ({_end_of(child)}), most likely because memory ran out; "
            "run again, with less: --threads 1, or a smaller --memory"
        ) from None
    if isinstance(told, Exception):
        raise told
    return told


def _end_of(child: int) -> str:
    """Say how it ended; whoever waits for it still finds it."""
    end = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    if end is not None and end.si_code == os.CLD_KILLED:
        return signal.Signals(end.si_status).name
    return "without a signal"


class _Pickler(pickle.Pickler):
    """Tensors by their bytes: torch's own way is for files, and takes far longer."""

    def reducer_override(self, value: object) -> Any:  # noqa: ANN401 - as pickle has it
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(value, torch.Tensor):
            return NotImplemented
        data = bytearray(value.numel() * value.element_size())
        if data:
            torch.frombuffer(data, dtype=value.dtype).copy_(value.flatten())
        return _tensor, (bytes(data), value.dtype, tuple(value.shape))


def _tensor(data: bytes, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    import torch  # noqa: PLC0415 - it is there, or nobody could have sent a tensor

    if not data:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(data), dtype=dtype).view(shape)


def _send(pipe: Connection, value: object) -> None:
    buffer = BytesIO()
    _Pickler(buffer, protocol=5).dump(value)
    pipe.send_bytes(buffer.getbuffer())


def _received(data: bytes) -> Any:  # noqa: ANN401 - whatever was sent, by our own fork
    return pickle.loads(data)  # noqa: S301
