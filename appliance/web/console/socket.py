"""The console's socket: a WebSocket of binary messages as a WireStream for the broker.

The session protocol is a stream of bytes; where one message ends and the next begins means nothing. Whoever sends
text or a message longer than a browser of ours ever does is cut.
"""

from __future__ import annotations

import trio
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from appliance.web.shared.site import site_of
from appliance.wire.stream import WireStream

MAX_MESSAGE = 64 * 1024
"""Bytes of one message from the browser, which sends one frame in each."""
GOODBYE_SECONDS = 1.0

_GONE = (OSError, RuntimeError, WebSocketDisconnect, trio.BrokenResourceError)
"""What sending raises when the browser has left, by whoever notices first."""


class WebSocketStream:
    """An accepted WebSocket as a byte stream; see `appliance.wire.stream.WireStream`."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._pending = memoryview(b"")
        self._ended = False

    @property
    def peer_address(self) -> str:
        """The browser's IP address as text."""
        return self._websocket.client.host if self._websocket.client else ""

    async def wait_readable(self) -> None:
        """Return when there are bytes, or the end has come."""
        while not self._pending and not self._ended:
            message = await self._websocket.receive()
            data = message.get("bytes")
            if message["type"] != "websocket.receive":
                self._ended = True
            elif data is None:
                await self._cut(1003)
            elif len(data) > MAX_MESSAGE:
                await self._cut(1009)
            else:
                self._pending = memoryview(data)

    def receive_now(self, into: memoryview) -> int | None:
        """Bytes put into `into`; 0 at the end; None when there is nothing yet."""
        size = min(len(self._pending), len(into))
        if size == 0:
            return 0 if self._ended else None
        into[:size] = self._pending[:size]
        self._pending = self._pending[size:]
        return size

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data` as one message. Raises trio.BrokenResourceError when the browser is gone."""
        if self._ended or self._websocket.application_state is not WebSocketState.CONNECTED:
            raise trio.BrokenResourceError("the browser has left")
        try:
            await self._websocket.send({"type": "websocket.send", "bytes": bytes(data)})
        except _GONE as error:
            raise trio.BrokenResourceError("the browser has left") from error

    async def aclose(self) -> None:
        """Say goodbye, for a second at most."""
        await self._cut(1000)

    async def _cut(self, code: int) -> None:
        self._ended = True
        if self._websocket.application_state is WebSocketState.CONNECTED:
            with trio.move_on_after(GOODBYE_SECONDS):
                try:
                    await self._websocket.close(code)
                except _GONE:
                    return


async def serve_socket(websocket: WebSocket) -> None:
    """One tab's connection, from the accepted handshake to its end. Origin and sign-in were checked by the route; the
    broker closes the stream when the sign-in is revoked."""
    await websocket.accept()
    stream: WireStream = WebSocketStream(websocket)
    site, who = site_of(websocket), websocket.state.user
    try:
        with site.identity.sessions.in_use(who):
            await site.broker.serve_console(stream, who)
    finally:
        await stream.aclose()
