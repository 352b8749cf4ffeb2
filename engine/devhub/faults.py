"""What tests may see and break: a log of every request, and faults that meet the next requests of a route."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Exchange:
    """One request and its answer. ``received`` and ``sent`` are bytes of bodies; ``status`` 0 means none was sent."""

    method: str
    route: str
    path: str
    range: str | None
    user: str | None = None
    received: int = 0
    status: int = 0
    sent: int = 0


@dataclass(frozen=True)
class Fault:
    """What happens to requests whose route matches ``route`` (a glob) and whose path matches ``path`` (a glob).

    The first ``skip`` of them go well, the next ``times`` do not. ``status`` answers instead of the handler, with
    ``headers``; ``delay`` waits so many seconds first; ``truncate`` cuts the connection after so many bytes of the
    body; ``drop`` cuts it without an answer, "before" the request is handled or "after" it has taken effect.
    """

    route: str
    path: str = "*"
    method: str = "*"
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    truncate: int | None = None
    drop: Literal["before", "after"] | None = None
    times: int = 1
    skip: int = 0

    def matches(self, method: str, route: str, path: str) -> bool:
        """Tell whether a request is one of those."""
        pairs = ((route, self.route), (path, self.path), (method, self.method))
        return all(fnmatchcase(value, pattern) for value, pattern in pairs)


class Wire:
    """The log and the faults of one server. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._log: dict[int, Exchange] = {}
        self._count = 0
        self._faults: list[Fault] = []

    @property
    def log(self) -> tuple[Exchange, ...]:
        """Every request so far, in the order in which they came."""
        with self._lock:
            return tuple(self._log.values())

    def clear_log(self) -> None:
        """Forget the requests so far."""
        with self._lock:
            self._log.clear()

    def inject(self, fault: Fault) -> None:
        """Let a fault happen; of several that match, the oldest that is not used up does."""
        with self._lock:
            self._faults.append(fault)

    def clear_faults(self) -> None:
        """Let everything go well from now on."""
        with self._lock:
            self._faults.clear()

    def take_fault(self, method: str, route: str, path: str) -> Fault | None:
        """Return what shall happen to this request, and count it."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if not fault.matches(method, route, path):
                    continue
                if fault.skip:
                    self._faults[index] = replace(fault, skip=fault.skip - 1)
                    continue
                self._faults[index] = replace(fault, times=fault.times - 1)
                if fault.times <= 1:
                    del self._faults[index]
                return fault
        return None

    def start(self, exchange: Exchange) -> int:
        """Note a request, and return its number."""
        with self._lock:
            self._count += 1
            self._log[self._count] = exchange
            return self._count

    def note(self, number: int, exchange: Exchange) -> None:
        """Replace what is known of a request; nothing if the log was cleared meanwhile."""
        with self._lock:
            if number in self._log:
                self._log[number] = exchange
