"""Running the embedded Hub: in a background thread for tests, or in the foreground for people."""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import uvicorn

from engine.devhub.app import Hub
from engine.devhub.faults import Exchange, Fault, Wire
from engine.devhub.grants import App, Grants
from engine.devhub.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
    from pathlib import Path

    from engine.devhub.trusted import Publisher
    from engine.devhub.xet.store import Xet

HOST = "127.0.0.1"
DEFAULT_USER = "demo"


class Server:
    """A running embedded Hub. ``endpoint`` is for HF_ENDPOINT, ``store`` for seeding without HTTP."""

    def __init__(self, endpoint: str, store: Store, wire: Wire) -> None:
        self.endpoint = endpoint
        self.store = store
        self._wire = wire

    def __repr__(self) -> str:
        return f"Server({self.endpoint!r})"

    def token(self, user: str = DEFAULT_USER) -> str:
        """Return a user's token. Raises ``KeyError`` for a user whom this Hub does not know."""
        return self.store.users()[user]

    @property
    def log(self) -> tuple[Exchange, ...]:
        """Every request so far, in the order in which they came."""
        return self._wire.log

    def clear_log(self) -> None:
        """Forget the requests so far."""
        self._wire.clear_log()

    def inject(
        self,
        route: str,
        *,
        path: str = "*",
        method: str = "*",
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        delay: float = 0.0,
        truncate: int | None = None,
        drop: Literal["before", "after"] | None = None,
        times: int = 1,
        skip: int = 0,
    ) -> None:
        """Let something go wrong with the next requests of a route, as ``engine.devhub.faults.Fault`` says."""
        told = dict(headers or {})
        self._wire.inject(Fault(route, path, method, status, told, delay, truncate, drop, times, skip))

    def clear_faults(self) -> None:
        """Let everything go well from now on."""
        self._wire.clear_faults()


@contextmanager
def serve(
    root: Path,
    *,
    port: int = 0,
    users: Mapping[str, str] | None = None,
    apps: Mapping[str, App] | None = None,
    publishers: Sequence[Publisher] = (),
    clock: Callable[[], float] = time.time,
    xet: bool = False,
) -> Iterator[Server]:
    """Serve the Hub that lies in ``root`` (made if absent) on 127.0.0.1 until the block ends.

    ``users`` (token by name) join those whom ``root`` knows; if there are none at all, ``demo`` gets a token.
    ``apps`` (by their client id) are those that people may sign in to, ``publishers`` those who may have a token
    without a user's; ``clock`` tells when either expires.
    With ``xet`` clients may send and fetch large files through Xet too, which needs blake3 and lz4.
    Port 0 lets the system choose. Contents have an address of their own, on another port that the system
    chooses, as the real Hub's are on another host. Raises ``OSError`` if the port is taken.
    """
    sockets = [_listen(port), _listen(0)]
    base, files_base = (f"http://{HOST}:{s.getsockname()[1]}" for s in sockets)
    store, wire = Store(root), Wire()
    for name, token in _new_users(store, users).items():
        store.add_user(name, token)
    uvicorn_server = _Uvicorn()
    files_port = sockets[1].getsockname()[1]
    grants = Grants(apps or {}, clock, publishers)
    hub = Hub(
        store, store.secret(), store.users(), grants, wire, base, files_base, files_port,
        _xet(store, root) if xet else None, uvicorn_server.cut,
    )  # fmt: skip
    uvicorn_server.config.app = hub
    thread = threading.Thread(target=uvicorn_server.run, args=(sockets,), daemon=True, name="devhub")
    thread.start()
    try:
        uvicorn_server.running.wait()
        yield Server(base, store, wire)
    finally:
        uvicorn_server.stop()
        thread.join()
        store.close()


def run(root: Path, port: int = 0) -> None:
    """Serve in the foreground until interrupted; print the endpoint and one user's token first."""
    with serve(root, port=port) as server:
        name, token = next(iter(server.store.users().items()))
        lines = (
            f"HF_ENDPOINT={server.endpoint}",
            f"HF_TOKEN={token}",
            "HF_HUB_DISABLE_XET=1",
            f"# Set these for the program that is to use this Hub. The token is {name}'s. Ctrl-C stops.",
        )
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


def _xet(store: Store, root: Path) -> Xet:
    # Only the tests need it, so nobody else needs what it is built on.
    from engine.devhub.xet.store import Xet  # noqa: PLC0415

    return Xet(store, root / "xorbs")


def _listen(port: int) -> socket.socket:
    # With the protocol named, asyncio turns Nagle's algorithm off; with it every answer takes 40 ms more.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError:
        listening.close()
        raise
    return listening


def _new_users(store: Store, users: Mapping[str, str] | None) -> Mapping[str, str]:
    if users or store.users():
        return users or {}
    return {DEFAULT_USER: f"hf_{secrets.token_hex(17)}"}


async def _no_app(*_args: object) -> None:
    """Stand where the application will be: it needs the server, as the server needs it."""


class _Uvicorn(uvicorn.Server):
    """A uvicorn that starts and stops at once; its own looks ten times a second whether it should."""

    def __init__(self) -> None:
        super().__init__(
            uvicorn.Config(
                _no_app,
                http="h11",
                ws="none",
                lifespan="off",
                loop="asyncio",
                access_log=False,
                log_level="critical",
                proxy_headers=False,
                server_header=False,
                date_header=False,
            )
        )
        self.running = threading.Event()
        self._stopped = asyncio.Event()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.running.set()
        await self._stopped.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in [*self.servers, *(sockets or ())]:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def stop(self) -> None:
        """Stop from any thread, with whatever is under way."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    def cut(self, scope: MutableMapping[str, Any]) -> None:
        """Close the connection of a request without another byte, as a broken network would."""
        for connection in list(self.server_state.connections):
            if getattr(connection, "client", None) == tuple(scope["client"]):
                connection.transport.abort()
