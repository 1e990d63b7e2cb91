"""The engine's end of the channel to the window, in trio."""

from __future__ import annotations

import socket

import msgspec
import trio

from clients.customer.talk import Cutter, Talk, ToEngine, ToWindow, View, packed

_to_engine = msgspec.json.Decoder(ToEngine)


class EngineEnd:
    """The engine's end, in trio."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        self._cutter = Cutter()
        self._queue: list[Talk] = []
        self._woken = trio.Event()
        self._gone = False

    def tell(self, message: ToWindow) -> None:
        """Queue `message`. A View takes the place of one that still waits: only the newest matters."""
        if self._gone:
            return
        if isinstance(message, View):
            self._queue = [waiting for waiting in self._queue if not isinstance(waiting, View)]
        self._queue.append(message)
        self._woken.set()

    async def run(self) -> None:
        """Send what is queued, until cancelled or the window is gone."""
        try:
            while True:
                while self._queue:
                    await self._stream.send_all(packed(self._queue.pop(0)))
                self._woken = trio.Event()
                await self._woken.wait()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._gone = True
            self._queue.clear()

    async def heard(self) -> list[ToEngine] | None:
        """The window's next messages, None when it is gone."""
        try:
            data = await self._stream.receive_some(64 * 1024)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return None
        return [_to_engine.decode(payload) for payload in self._cutter.feed(bytes(data))] if data else None

    async def aclose(self) -> None:
        """Send what is left, for a second at most, and close."""
        with trio.move_on_after(1) as scope:
            scope.shield = True
            try:
                while self._queue and not self._gone:
                    await self._stream.send_all(packed(self._queue.pop(0)))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._gone = True
        await trio.aclose_forcefully(self._stream)
