"""The pinned TLS connection inside a WebSocket: whoever opens the outer TLS on the way reads nothing.

The outer connection's certificate is not verified: a proxy that inspects TLS presents its own, and it does not matter,
since the inner connection is verified against the pinned device CA and nothing of worth is said outside of it.
"""

from __future__ import annotations

import ssl

import trio

from clients.customer.net.tls import HANDSHAKE_SECONDS, TlsStream
from clients.customer.net.websocket import ClientSocket, WebSocketError

PATH = "/wire"
_CHUNK = 64 * 1024


class TunnelStream:
    """A WireStream: TLS in memory, its records in binary messages."""

    def __init__(self, outer: TlsStream, socket: ClientSocket, context: ssl.SSLContext, server_name: str) -> None:
        self._outer = outer
        self._socket = socket
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._sending = trio.Lock()
        self._buffer = bytearray(_CHUNK)

    @classmethod
    async def connect(cls, outer: TlsStream, host: str, context: ssl.SSLContext, server_name: str) -> TunnelStream:
        """Upgrade `outer` (at `host`, "name:port") and shake hands inside; `outer` is closed if that fails.

        Raises WebSocketError, ssl.SSLError, trio.BrokenResourceError, trio.TooSlowError.
        """
        stream = cls(outer, ClientSocket(host, PATH), context, server_name)
        try:
            with trio.fail_after(HANDSHAKE_SECONDS):
                while not stream._socket.open:
                    await stream._flush()
                    await outer.wait_readable()
                    stream._feed()
                while True:
                    try:
                        stream._tls.do_handshake()
                        await stream._flush()
                        return stream
                    except ssl.SSLWantReadError:
                        await stream._flush()
                        await outer.wait_readable()
                        stream._feed()
        except BaseException:
            with trio.CancelScope(shield=True):
                await outer.aclose()
            raise

    @property
    def tls(self) -> ssl.SSLObject:
        """The inner connection's facts: certificate, ALPN."""
        return self._tls

    @property
    def peer_address(self) -> str:
        """The IP address at the other end of the outer connection."""
        return self._outer.peer_address

    async def wait_readable(self) -> None:
        """Return when `receive_now` may have something; answers the WebSocket's pings meanwhile."""
        await self._flush()
        if self._tls.pending() or self._incoming.pending or self._incoming.eof:
            await trio.lowlevel.checkpoint()
        else:
            await self._outer.wait_readable()

    def receive_now(self, into: memoryview) -> int | None:
        """As in WireStream. Raises trio.BrokenResourceError."""
        while True:
            try:
                # The stubs know only the form with two arguments that returns a number as `read(len, buffer)`.
                return self._tls.read(len(into), into)  # type: ignore[call-overload, arg-type, return-value, unused-ignore]
            except ssl.SSLWantReadError:
                if not self._feed():
                    return None
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return 0
            except ssl.SSLError as error:
                raise trio.BrokenResourceError from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As in WireStream."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise trio.BrokenResourceError from error
        await self._flush()

    async def aclose(self) -> None:
        """Close at once."""
        await self._outer.aclose()

    def _feed(self) -> bool:
        """Take what the outer connection has into the inner one; False when there is nothing yet."""
        view = memoryview(self._buffer)
        size = self._outer.receive_now(view)
        if size is None:
            return False
        try:
            for payload in self._socket.receive(view[:size]):
                self._incoming.write(payload)
        except WebSocketError as error:
            if not self._socket.open:
                raise
            raise trio.BrokenResourceError from error
        if size == 0 or self._socket.closed:
            if not self._socket.open:
                raise WebSocketError("closed before the upgrade")
            self._incoming.write_eof()
        return True

    async def _flush(self) -> None:
        async with self._sending:
            if self._outgoing.pending:
                self._socket.send(self._outgoing.read())
            while self._socket.to_send:
                data = bytes(self._socket.to_send)
                self._socket.to_send.clear()
                await self._outer.send_all(data)
