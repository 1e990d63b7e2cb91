"""`/wire`: the session protocol for networks where only a browser's traffic comes through.

A WebSocket's binary messages carry the very TLS connection that a client would make directly, with the device CA's
certificate at its end. A proxy that inspects TLS sees the WebSocket and, inside it, TLS that it can't open.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import trio

from appliance.edge.config import Limits

if TYPE_CHECKING:
    from appliance.edge.guard import Receive, Scope, Send

_SLICE = 64 * 1024
"""Bytes encrypted into one message."""


class TunnelStream:
    """A TLS connection inside an accepted WebSocket, as a WireStream."""

    def __init__(self, context: ssl.SSLContext, scope: Scope, receive: Receive, send: Send) -> None:
        """`context`: the session protocol's."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._peer_address: str = scope["client"][0]
        self._authenticated: Callable[[], None] = scope["state"]["authenticated"]
        self._receive = receive
        self._send = send
        self._sending = trio.StrictFIFOLock()
        self._closed = False

    @property
    def peer_address(self) -> str:
        """The peer's IP address as text."""
        return self._peer_address

    def selected_alpn_protocol(self) -> str | None:
        """The protocol agreed in the inner handshake."""
        return self._tls.selected_alpn_protocol()

    def authenticated(self) -> None:
        """The peer has proved who it is: the limit of connections an address no longer counts it."""
        self._authenticated()

    async def do_handshake(self) -> None:
        """The inner handshake. Raises trio.BrokenResourceError."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except ssl.SSLError as error:
                raise trio.BrokenResourceError(str(error)) from error
            else:
                await self._flush()
                return

    async def wait_readable(self) -> None:
        """Return when `receive_now` may have bytes, or the end."""
        if self._closed:
            raise trio.ClosedResourceError
        if self._tls.pending() or self._incoming.pending or self._incoming.eof:
            await trio.lowlevel.checkpoint()
        else:
            await self._fill()

    def receive_now(self, into: memoryview) -> int | None:
        """Bytes put into `into`; 0 at the end; None when there is nothing yet. Raises trio.BrokenResourceError."""
        if self._closed:
            raise trio.ClosedResourceError
        size = 0
        try:
            while size < len(into):
                view = into[size:]
                count: int = self._tls.read(len(view), view)  # type: ignore[assignment]  # with a buffer it returns a size
                if count == 0:
                    break
                size += count
        except ssl.SSLWantReadError:
            return size or None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return size
        except ssl.SSLError as error:
            if not size:
                raise trio.BrokenResourceError(str(error)) from error
        return size

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`. Raises trio.BrokenResourceError or trio.ClosedResourceError."""
        async with self._sending:
            with memoryview(data) as view:
                for start in range(0, len(view), _SLICE):
                    if self._closed:
                        raise trio.ClosedResourceError
                    try:
                        self._tls.write(view[start : start + _SLICE])
                    except ssl.SSLError as error:
                        raise trio.BrokenResourceError(str(error)) from error
                    await self._flush()

    async def aclose(self) -> None:
        """Close, without waiting for the peer."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(OSError, trio.BrokenResourceError):
                with contextlib.suppress(ssl.SSLError):
                    self._tls.unwrap()
                await self._flush()
                await self._send({"type": "websocket.close", "code": 1000})
        await trio.lowlevel.checkpoint()

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            try:
                await self._send({"type": "websocket.send", "bytes": data})
            except OSError as error:
                raise trio.BrokenResourceError("the peer has left") from error

    async def _fill(self) -> None:
        message = await self._receive()
        if message["type"] != "websocket.receive":
            self._incoming.write_eof()
        elif message.get("bytes"):
            self._incoming.write(message["bytes"])


def tunnel(
    context: Callable[[], ssl.SSLContext], alpn: str, limits: Limits, wire: Callable[[Any], Awaitable[None]]
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The ASGI application behind `/wire`, which hands its streams to `wire`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        await send({"type": "websocket.accept"})
        stream = TunnelStream(context(), scope, receive, send)
        with trio.move_on_after(limits.handshake_seconds) as handshake:
            try:
                await stream.do_handshake()
            except trio.BrokenResourceError:
                return
        if not handshake.cancelled_caught and stream.selected_alpn_protocol() == alpn:
            await wire(stream)
        await stream.aclose()

    return app
