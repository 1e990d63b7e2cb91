"""Hypercorn as a library, and what it lets pass that must not.

It is given one connection at a time (`HttpServer`), with three things of its own replaced:

- its parser, by one that refuses what proxies and servers understand differently (`StrictConnection`);
- its reading loop, by one with a deadline for every phase of a connection, and a heartbeat for WebSockets;
- its sending, which is shielded from cancellation, so that a peer that doesn't read would keep the server from
  stopping. Our stream knows by itself that it is broken after a cancelled write, and needs no shield.
"""

from __future__ import annotations

import enum
import logging
import math
import re
from typing import Any
from urllib.parse import unquote_to_bytes

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from appliance.edge.config import Limits
from appliance.edge.guard import AsgiApp
from appliance.edge.tls import TlsStream

METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))

_DISPUTED_LINES = re.compile(rb"(?<!\r)\n|\n[ \t]")
"""A bare line feed, and a header continued on the next line."""
_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")
_PING = b"\x89\x00"
"""A WebSocket ping without payload, as a server sends it."""


class StrictConnection(h11.Connection):
    """h11, taking only what every HTTP/1.1 implementation reads the same way."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=limits.head_size)
        self._limits = limits

    def next_event(self) -> Any:
        """h11's, with RemoteProtocolError for more."""
        if self.their_state is h11.IDLE:
            head = self.trailing_data[0].partition(b"\r\n\r\n")[0]
            if len(head) > self._limits.head_size:
                raise h11.RemoteProtocolError("head too long", 431)
            if _DISPUTED_LINES.search(head):
                raise h11.RemoteProtocolError("disputed line ends", 400)
        event = super().next_event()
        return self._checked_untrusted(event) if isinstance(event, h11.Request) else event

    def _checked_untrusted(self, request: h11.Request) -> h11.Request:
        """`request`, without the WebSocket extensions it offers: a message of 400 KB would inflate to 400 MB."""
        headers = dict(request.headers)
        if request.method not in METHODS:
            raise h11.RemoteProtocolError("method", 501)
        if not request.target.startswith(b"/") or _CONTROLS.search(unquote_to_bytes(request.target.partition(b"?")[0])):
            raise h11.RemoteProtocolError("target", 400)
        if b"transfer-encoding" in headers:
            # Browsers send lengths. Without chunks there is no chunk extension, no trailer and no second length.
            raise h11.RemoteProtocolError("transfer-encoding", 400 if b"content-length" in headers else 411)
        if int(headers.get(b"content-length", b"0")) > self._limits.body_size:
            raise h11.RemoteProtocolError("body too long", 413)
        if headers.get(b"upgrade", b"websocket").lower() != b"websocket":
            raise h11.RemoteProtocolError("upgrade", 400)
        if b"sec-websocket-extensions" not in headers:
            return request
        kept = [(name, value) for name, value in request.headers if name != b"sec-websocket-extensions"]
        return h11.Request(
            method=request.method, target=request.target, headers=kept, http_version=request.http_version
        )


class _Phase(enum.Enum):
    FIRST = enum.auto()  # nothing was asked yet
    HEAD = enum.auto()
    BODY = enum.auto()
    OURS = enum.auto()  # an answer under way, or the time after it, which Hypercorn limits
    SOCKET = enum.auto()  # a WebSocket


class HttpServer(TCPServer):
    """One connection's HTTP/1.1 and WebSockets."""

    stream: TlsStream  # type: ignore[assignment]

    def __init__(self, app: AsgiApp, config: Config, limits: Limits, stream: TlsStream) -> None:
        state = ConnectionState({"authenticated": stream.authenticated})
        wrapped = ASGIWrapper(app)  # type: ignore[arg-type]  # Hypercorn names each kind of message
        super().__init__(wrapped, config, WorkerContext(None), state, stream)  # type: ignore[arg-type]
        self._limits = limits
        self._scope = trio.CancelScope()
        self._seconds = {
            _Phase.FIRST: limits.head_seconds,
            _Phase.HEAD: limits.head_seconds,
            _Phase.BODY: limits.body_seconds,
            _Phase.OURS: math.inf,
            _Phase.SOCKET: limits.silence_seconds,
        }

    async def run(self) -> None:
        """Serve until the connection ends; the handlers that it leaves behind are cancelled a little later."""
        with self._scope:
            await super().run()

    async def protocol_send(self, event: Event) -> None:
        """Hypercorn's, without the shield."""
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        try:
            await self.stream.send_all(event.data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._peer_left()
            await self.protocol.handle(Closed())

    async def _read_data(self) -> None:
        protocol: H11Protocol = self.protocol.protocol  # type: ignore[assignment]
        protocol.connection = StrictConnection(self._limits)
        phase: tuple[_Phase, int] | None = None
        since = 0.0
        while True:
            now = (self._phase(protocol), protocol.keep_alive_requests)
            if now != phase or now[0] is _Phase.SOCKET:
                phase, since = now, trio.current_time()
            data = await self._receive(protocol, since + self._seconds[phase[0]])
            if data is None:
                break
            await self.protocol.handle(RawData(data))
            if not data or self._overfull(protocol):
                break
        self._peer_left()
        await self.idle_task.stop()
        await self.protocol.handle(Closed())

    async def _receive(self, protocol: H11Protocol, deadline: float) -> bytes | None:
        """What comes next, b"" at the end; None when nothing came in time, or the connection broke."""
        try:
            while trio.current_time() < deadline:
                with trio.move_on_at(min(deadline, trio.current_time() + self._limits.ping_seconds)):
                    return await self.stream.receive_some()
                if isinstance(protocol.stream, WSStream) and protocol.stream.handshake.accepted:
                    await self.protocol_send(RawData(_PING))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        return None

    def _phase(self, protocol: H11Protocol) -> _Phase:
        connection = protocol.connection
        if not isinstance(connection, h11.Connection):
            return _Phase.SOCKET
        if connection.their_state is h11.SEND_BODY:
            return _Phase.BODY
        if connection.their_state is h11.IDLE and connection.trailing_data[0]:
            return _Phase.HEAD
        return _Phase.OURS if protocol.keep_alive_requests else _Phase.FIRST

    def _overfull(self, protocol: H11Protocol) -> bool:
        # Hypercorn tells the peer that its message is too big, and then goes on to collect it.
        stream = protocol.stream
        return isinstance(stream, WSStream) and stream.buffer.length > stream.buffer.max_length

    def _peer_left(self) -> None:
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + self._limits.left_seconds)


def hypercorn_config(limits: Limits) -> Config:
    """Hypercorn's settings. What `HttpServer` does itself is off here."""
    config = Config()
    config.keep_alive_timeout = limits.idle_seconds
    config.ssl_handshake_timeout = math.inf
    config.h11_max_incomplete_size = limits.head_size
    config.websocket_max_message_size = limits.socket_message_size
    config.include_server_header = False
    config.errorlog = logging.getLogger("beistand.edge.http")
    return config
