"""The loop that shares a desktop: wait for a change and for the viewer, capture, encode, send."""

from __future__ import annotations

import functools
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from appliance.wire.frames import Flag
from appliance.wire.screen import read_painted
from clients.desktop.encoder import Encoded, ScreenEncoder
from clients.desktop.pacing import Delay, Pacer
from clients.desktop.protocol import Desktop

Send = Callable[[bytes, Flag], Awaitable[None]]
"""Takes one whole message; `flags` has FIN and, where a picture begins, RESTART."""

LITTLE = 128 * 128
"""Pixels that are captured and encoded at once: a typed character's way through a thread takes longer than its work."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The client's parts of the delay, in seconds, smoothed; for the ClientDelay message."""

    capture: float = 0.0
    encode: float = 0.0


class ScreenShare:
    """Shares one desktop on one screen channel for as long as `run` runs."""

    def __init__(self, desktop: Desktop, send: Send) -> None:
        self._desktop = desktop
        self._send = send
        self._pacer = Pacer()
        self._encoder = ScreenEncoder()
        self._limiter = trio.CapacityLimiter(1)
        self._bell = trio.Event()  # something that decides about the next capture is different now
        self._changed = False  # there is something to capture
        self._captured = trio.Event()  # and it was captured: watch again
        self._restart = True
        self.shares = Shares()

    @property
    def delay(self) -> Delay:
        """From capture to the viewer's paint, and the rate that it leads to."""
        return self._pacer.delay

    def restart(self) -> None:
        """Begin the stream anew with the next capture, which is taken at once."""
        self._restart = True
        self._pacer.reset()
        self._bell.set()

    def received(self, message: bytes | memoryview) -> None:
        """A viewer's message on the screen channel. Raises ProtocolError."""
        painted = read_painted(message)
        if painted is not None:
            self._pacer.painted(painted.seq, trio.current_time())
            self._bell.set()

    async def run(self) -> None:
        """Share until cancelled. Raises DesktopUnavailable when the display goes away, and what `send` raises."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            while True:
                await self._wait_turn()
                await self._share()

    # -- inside -------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await self._desktop.wait_change()
            self._captured = trio.Event()
            self._changed = True
            self._bell.set()
            await self._captured.wait()

    async def _wait_turn(self) -> None:
        """Wait until there is something to send, the viewer can take it and the rate allows it."""
        while (due := self._due()) > trio.current_time():
            self._bell = trio.Event()
            with trio.move_on_at(due):
                await self._bell.wait()

    def _due(self) -> float:
        """When the next capture is to be taken, on trio's clock."""
        if self._restart:
            return -math.inf
        if self._pacer.behind:
            return math.inf
        wanted = -math.inf if self._changed else self._encoder.refine_at
        return max(wanted, self._pacer.next_capture)

    async def _share(self) -> None:
        restart, self._restart = self._restart, False
        started = trio.current_time()
        work = functools.partial(self._work, restart, started, self._pacer.delay)
        little = not restart and started < self._encoder.refine_at and await self._desktop.look() <= LITTLE
        encoded = work() if little else await trio.to_thread.run_sync(work, limiter=self._limiter)
        self._changed = False
        self._pacer.captured(started)
        for message in encoded.messages:
            self._pacer.sent(message.seq, len(message.payload), started)
            await self._send(message.payload, Flag.FIN | Flag.RESTART if message.restart else Flag.FIN)
        # Only now, so that the look at what changed meanwhile does not delay what is there.
        self._captured.set()
        if encoded.messages:
            self.shares = Shares(
                _smooth(self.shares.capture, encoded.capture), _smooth(self.shares.encode, encoded.encode)
            )

    def _work(self, restart: bool, started: float, delay: Delay) -> Encoded:
        """Capture and encode."""
        return self._encoder.encode(
            functools.partial(self._desktop.capture, whole=restart),
            layout=lambda: self._desktop.layout,
            restart=restart,
            now=started,
            delay=delay,
        )


def _smooth(old: float, new: float) -> float:
    return old + 0.2 * (new - old)
