"""A Hub that remembers what it was told, for whoever asks the same after each keystroke.

What lies at a commit never changes, so bytes are kept as long as there is room; what a name means now is asked again
after a minute. Everything is kept by who asked: what one token may see is never shown to another.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from engine.errors import ModelError
from engine.hub_client import Found, Hub, HubModel
from engine.hub_client.searching import SHOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")

FRESH = 60.0
"""Seconds for which a model at a revision, a search and an account are remembered."""
REFUSED = 15.0
"""Seconds for which it is remembered that something is missing or gated: somebody may be about to change that."""
_PER_VALUE = 600
"""Bytes that a value needs besides its name: as measured on a weight file of a model, with its two hashes."""


@dataclass(frozen=True)
class _Kept:
    answer: object
    cost: int
    until: float


class HubCache:
    """Answers of Hubs, the last used ones that ``size`` bytes hold. Safe to use from several threads.

    ``clock`` counts seconds. An answer above half of ``size`` is not kept: it would drive out everything else.
    """

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._total = 0
        self._asked: dict[Hashable, Future[object]] = {}

    def get(self, key: Hashable, ask: Callable[[], T], cost: Callable[[T], int], seconds: float) -> T:
        """Return what is kept under ``key``, else what ``ask`` returns, kept for ``seconds`` at ``cost`` bytes.

        Who asks while somebody does already waits for that answer. A ``ModelError`` is an answer too, kept for
        ``REFUSED`` seconds; what else ``ask`` raises is raised to all who wait, and forgotten.
        """
        with self._lock:
            kept = self._find(key)
            asked = self._asked.get(key)
            mine: Future[object] | None = None
            if kept is None and asked is None:
                asked = mine = self._asked[key] = Future()
        if kept is not None:
            answer = kept.answer
        elif mine is not None:
            answer = self._ask(key, mine, ask, cost, seconds)
        else:
            answer = cast("Future[object]", asked).result()
        if isinstance(answer, ModelError):
            raise type(answer)(*answer.args)
        return cast("T", answer)

    def _ask(
        self, key: Hashable, asked: Future[object], ask: Callable[[], T], cost: Callable[[T], int], seconds: float
    ) -> object:
        try:
            answer = _answer(ask)
            kept = (
                _Kept(answer, _PER_VALUE, self._clock() + REFUSED)
                if isinstance(answer, ModelError)
                else _Kept(answer, cost(answer) + _PER_VALUE, self._clock() + seconds)
            )
        except BaseException as error:
            with self._lock:
                del self._asked[key]
            asked.set_exception(error)
            raise
        with self._lock:
            self._keep(key, kept)
            del self._asked[key]
        asked.set_result(answer)
        return answer

    def _find(self, key: Hashable) -> _Kept | None:
        kept = self._kept.get(key)
        if kept is None or kept.until <= self._clock():
            return None
        self._kept.move_to_end(key)
        return kept

    def _keep(self, key: Hashable, kept: _Kept) -> None:
        if (old := self._kept.pop(key, None)) is not None:
            self._total -= old.cost
        if kept.cost > self._size // 2 or kept.until <= self._clock():
            return
        self._kept[key] = kept
        self._total += kept.cost
        while self._total > self._size:
            _, oldest = self._kept.popitem(last=False)
            self._total -= oldest.cost


def _answer(ask: Callable[[], T]) -> T | ModelError:
    try:
        return ask()
    except ModelError as refusal:
        return refusal


class CachedHub(Hub):
    """A ``Hub`` that looks into ``cache`` before it asks. Two with the same endpoint and token share what they know.

    For looking only: it may not see what was written for a minute, and weights that are read through it push out the
    rest. Merge and publish with a plain ``Hub``.
    """

    def __init__(
        self,
        cache: HubCache,
        *,
        endpoint: str | None = None,
        token: str | Literal[False] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(endpoint=endpoint, token=token, sleep=sleep)
        self._cache = cache
        self._who = self.identity

    def model(self, repo: str, revision: str | None) -> HubModel:
        """Return what ``repo`` holds at ``revision``, as it was at most ``FRESH`` seconds ago."""
        ask = partial(super().model, repo, revision)
        return self._cache.get((self._who, "model", repo, revision), ask, _cost_of_model, FRESH)

    def read(self, repo: str, commit: str, name: str, begin: int, out: memoryview) -> None:
        """Fill ``out`` with the file's bytes from offset ``begin`` on."""
        flat = out.cast("B")
        read = super().read

        def ask() -> bytes:
            buffer = bytearray(len(flat))
            read(repo, commit, name, begin, memoryview(buffer))
            return bytes(buffer)

        key = (self._who, "read", repo, commit, name, begin, len(flat))
        flat[:] = self._cache.get(key, ask, len, _lifetime(commit))

    def read_file(self, repo: str, commit: str, name: str) -> bytes:
        """Return a whole file."""
        ask = partial(super().read_file, repo, commit, name)
        return self._cache.get((self._who, "file", repo, commit, name), ask, len, _lifetime(commit))

    def search(self, text: str, limit: int = SHOWN) -> tuple[Found, ...]:
        """Return the models whose names hold ``text``, as they were at most ``FRESH`` seconds ago."""
        ask = partial(super().search, text, limit)
        return self._cache.get((self._who, "search", text, limit), ask, _cost_of_found, FRESH)

    def _account(self) -> dict[str, Any]:
        return self._cache.get((self._who, "account"), super()._account, lambda account: len(repr(account)), FRESH)


def _lifetime(revision: str) -> float:
    """Seconds for which bytes at a revision are good: at a commit for ever, at a branch or a tag not at all."""
    is_commit = len(revision) == 40 and all(digit in "0123456789abcdef" for digit in revision)
    return inf if is_commit else 0.0


def _cost_of_model(model: HubModel) -> int:
    return len(repr(model.card)) + sum(len(file.name) + _PER_VALUE for file in model.files)


def _cost_of_found(found: tuple[Found, ...]) -> int:
    return sum(len(one.repo) + _PER_VALUE for one in found)
