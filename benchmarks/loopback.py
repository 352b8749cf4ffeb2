"""Copying over loopback, with nothing around it: what a transfer costs at least.

``python -m benchmarks.loopback FOLDER`` serves that folder on a port that it prints: ``GET NAME`` sends a file,
``PUT NAME SIZE`` takes one.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PIECE = 1 << 20


def seconds(folder: Path, down: Sequence[Path], up: Path) -> float:
    """Fetch files of ``folder`` into memory, and send ``up`` to be written there: each once, one after the other."""
    command = [sys.executable, "-m", "benchmarks.loopback", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own command
        try:
            port = int(server.stdout.readline()) if server.stdout else 0
            started = time.perf_counter()
            for path in down:
                _fetch(port, str(path.relative_to(folder)))
            _send(port, up)
            return time.perf_counter() - started
        finally:
            server.kill()
            (folder / "sent").unlink(missing_ok=True)


def _fetch(port: int, name: str) -> None:
    buffer = bytearray(PIECE)
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(f"GET {name}\n".encode())
        while peer.recv_into(buffer):
            pass


def _send(port: int, path: Path) -> None:
    with socket.create_connection(("127.0.0.1", port)) as peer, path.open("rb") as file:
        peer.sendall(f"PUT sent {path.stat().st_size}\n".encode())
        peer.sendfile(file)
        peer.shutdown(socket.SHUT_WR)
        peer.recv(1)


def _serve(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sys.stdout.write(f"{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            peer = listening.accept()[0]
            with peer, peer.makefile("rb", buffering=0) as stream:
                verb, name, *_ = stream.readline().decode().split()
                if verb == "GET":
                    with (folder / name).open("rb") as file:
                        peer.sendfile(file)
                else:
                    _take(peer, folder / name)


def _take(peer: socket.socket, path: Path) -> None:
    buffer = memoryview(bytearray(PIECE))
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    while count := peer.recv_into(buffer):
        os.write(file, buffer[:count])
    os.close(file)
    peer.sendall(b".")


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
