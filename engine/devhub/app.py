"""The ASGI application: from a request to a ``Call``, and from an ``Answer`` to the wire."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from engine.devhub import access, routes
from engine.devhub.answers import Answer, Call, Refusal, Slice, Upload, refuse
from engine.devhub.faults import Exchange, Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping
    from pathlib import Path

    from engine.devhub.faults import Wire
    from engine.devhub.grants import Grants
    from engine.devhub.store import Store
    from engine.devhub.xet.store import Xet

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CHUNK = 1 << 20


@dataclass(frozen=True)
class Hub:
    """What the application works with. ``cut`` closes the connection that a request came on, at once."""

    store: Store
    secret: bytes
    users: Mapping[str, str]
    grants: Grants
    wire: Wire
    base: str
    files_base: str
    files_port: int
    xet: Xet | None
    cut: Callable[[Scope], None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI 3 has it; other kinds of scope (lifespan, websocket) end at once."""
        if scope["type"] != "http":
            return
        method, path = scope["method"], scope["raw_path"].decode("ascii").partition("?")[0]
        found = self._find(method, path, scope["server"][1])
        name = found[0].name if found else routes.UNKNOWN
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        exchange = Exchange(method, name, path, headers.get("range"))
        number = self.wire.start(exchange)
        fault = self.wire.take_fault(method, name, path) or Fault(name)
        await asyncio.sleep(fault.delay)
        if fault.drop == "before":
            self.cut(scope)
        elif fault.status is not None:
            exchange = replace(exchange, received=len(await _drain(receive)))
            answer = refuse(fault.status, "injected by a test", headers=fault.headers).answer
            await self._send(scope, send, answer, exchange, number, fault.truncate)
        else:
            call = await self._call(scope, receive, found, headers, exchange)
            exchange = replace(exchange, received=call.upload.size if call.upload else len(call.body))
            answer, user = await asyncio.to_thread(self._handle, call, found)
            exchange = replace(exchange, user=user)
            self.wire.note(number, exchange)
            if fault.drop == "after":
                self.cut(scope)
            else:
                await self._send(scope, send, answer, exchange, number, fault.truncate)

    def _find(self, method: str, path: str, port: int) -> tuple[routes.Route, Mapping[str, str]] | None:
        return routes.find(method, path, on_files=port == self.files_port, xet=self.xet is not None)

    async def _call(
        self,
        scope: Scope,
        receive: Receive,
        found: tuple[routes.Route, Mapping[str, str]] | None,
        headers: Mapping[str, str],
        exchange: Exchange,
    ) -> Call:
        keeps_body = found is not None and found[0].keeps_body
        query = scope["query_string"].decode("ascii")
        return Call(
            store=self.store,
            secret=self.secret,
            base=self.base,
            files_base=self.files_base,
            method=exchange.method,
            target=f"{exchange.path}?{query}",
            params=found[1] if found else {},
            query=parse_qs(query, keep_blank_values=True),
            headers=headers,
            user=None,
            grants=self.grants,
            xet=self.xet,
            body=b"" if keeps_body else await _drain(receive),
            upload=await self._receive_file(receive) if keeps_body else None,
        )

    def _handle(self, call: Call, found: tuple[routes.Route, Mapping[str, str]] | None) -> tuple[Answer, str | None]:
        """Return the answer to a call, and whose call it is."""
        user = None
        try:
            if found is None:
                return refuse(501, f"the embedded Hub has no route {call.method} {call.target}").answer, None
            # The files' own address takes no token: whoever has a signed address may use it.
            if found[0].on_files or not found[0].takes_token:
                return found[0].handler(call), None
            user, grant = access.caller(call.headers.get("authorization"), self.users, self.grants)
            return found[0].handler(replace(call, user=user, grant=grant)), user
        except Refusal as refusal:
            return refusal.answer, user
        except Exception as error:  # noqa: BLE001  a server answers 500, and says what for whoever tests with it
            return refuse(500, f"{type(error).__name__}: {error}").answer, user
        finally:
            if call.upload:
                call.upload.file.unlink(missing_ok=True)

    async def _receive_file(self, receive: Receive) -> Upload:
        """Write a body to a file and hash it, both in a thread of their own while the next of it comes."""
        descriptor, file = self.store.blobs.new_file()
        digest, size = hashlib.sha256(), 0

        def keep(piece: bytes) -> None:
            out.write(piece)
            digest.update(piece)

        kept = asyncio.ensure_future(asyncio.sleep(0))
        try:
            with os.fdopen(descriptor, "wb") as out:
                try:
                    async for piece in _pieces_of(_chunks(receive)):
                        await kept
                        kept = asyncio.ensure_future(asyncio.to_thread(keep, piece))
                        size += len(piece)
                finally:
                    await kept
        except BaseException:
            file.unlink()
            raise
        return Upload(file, size, digest.hexdigest())

    async def _send(
        self, scope: Scope, send: Send, answer: Answer, exchange: Exchange, number: int, truncate: int | None
    ) -> None:
        """Send an answer. The log is written before the bytes go, so that who has them all finds it complete."""
        headers = {"X-Request-Id": secrets.token_hex(8), **answer.headers, "Content-Length": str(answer.size)}
        encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        size = 0 if exchange.method == "HEAD" else answer.size
        sent = size if truncate is None else min(size, truncate)
        self.wire.note(number, replace(exchange, status=answer.status, sent=sent))
        await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
        left = sent
        for chunk in _pieces(answer.body, sent):
            left -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": left > 0 or sent < size})
        if sent < size:
            await asyncio.sleep(0.05)  # let the bytes leave before the connection is cut
            self.cut(scope)
        elif sent == 0:
            await send({"type": "http.response.body", "body": b""})


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("the client went away")
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def _pieces_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Gather small chunks to pieces of ``CHUNK`` bytes or a little more."""
    gathered = bytearray()
    async for chunk in chunks:
        gathered += chunk
        if len(gathered) >= CHUNK:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


async def _drain(receive: Receive) -> bytes:
    return b"".join([chunk async for chunk in _chunks(receive)])


def _pieces(body: bytes | Slice, size: int) -> Iterator[bytes]:
    if isinstance(body, bytes):
        if size:
            yield body[:size]
        return
    yield from _file_pieces(body.file, body.begin, size)


def _file_pieces(file: Path, begin: int, size: int) -> Iterator[bytes]:
    with file.open("rb") as opened:
        opened.seek(begin)
        while size > 0:
            chunk = opened.read(min(CHUNK, size))
            if not chunk:
                return
            size -= len(chunk)
            yield chunk
