"""One client's screen to many viewers, encoded once, each viewer at its own speed.

The stream is looked at by its flags only: a message whose first frame has RESTART is where a new viewer can begin. One
viewer paces (the controller, else the first): the client may send what that viewer's connection has taken. Of the
others, one that falls behind is left out from the next message on, and comes in again at a restart point once it has
taken what it had, so that it slows neither the pacing viewer nor the recorder. Parts of a message are never left out.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

import trio

from appliance.relay.link import STALL_SECONDS, Port
from appliance.relay.pipe import Owed
from appliance.wire.frames import Flag
from appliance.wire.messages import Refusal

BEHIND = 1024 * 1024
"""Bytes queued for a viewer at which it is left out."""
FAR_BEHIND = 16 * 1024 * 1024
"""Bytes queued within one message at which a viewer is closed."""
MAX_ACKNOWLEDGED = 64 * 1024
"""Bytes of acknowledgements that wait for the client at which their viewer is closed; honest ones are 500 a second."""
RESTART_INTERVAL = 2.0
INDEX_INTERVAL = 60.0
"""Seconds of a changing screen after which the recorder gets a restart point to seek to."""

Tap = Callable[[bytes, Flag], None]


class _Place(enum.Enum):
    WAITING = enum.auto()  # for a restart point
    CATCHING_UP = enum.auto()  # left out; has to take what it has first
    FOLLOWING = enum.auto()


@dataclass(slots=True)
class _Viewer:
    place: _Place = _Place.WAITING
    queued: int = 0
    moved_at: float = 0.0  # when its queue last got shorter, or was empty


class ScreenFan:
    """`source`: the client's screen channel. `ask_restart` sends ScreenRestart to the client; `later(seconds, fn)`
    calls `fn` after that time; `tap` gets every frame (the recorder)."""

    def __init__(
        self,
        source: Port,
        *,
        ask_restart: Callable[[], None],
        later: Callable[[float, Callable[[], None]], None],
        tap: Tap | None = None,
    ) -> None:
        self.source = source
        self._ask_restart = ask_restart
        self._later = later
        self._tap = tap
        self._viewers: dict[Port, _Viewer] = {}
        self._pacer: Port | None = None
        self._preferred: Port | None = None
        self._owed = Owed(source)
        self._at_start = True  # the next frame begins a message
        self._started = False  # a restart point was seen
        self._asked_at = -RESTART_INTERVAL
        self._asking = False
        self._restarted_at = 0.0
        self._arrived_at: float | None = None
        self._spent: list[float] = []
        source.on_data = self._frame

    # -- viewers ------------------------------------------------------------------------------------------------

    def attach(self, viewer: Port) -> None:
        """A viewer joins; its picture begins at the next restart point."""
        self._viewers[viewer] = _Viewer(moved_at=trio.current_time())
        viewer.on_sent = lambda: self._sent(viewer)
        viewer.on_data = lambda payload, flags: self._acknowledged(viewer, payload, flags)
        self._choose_pacer()
        if self._started:
            self.want_restart()

    def detach(self, viewer: Port) -> None:
        """A viewer has left; nothing happens if it was none."""
        if self._viewers.pop(viewer, None) is not None:
            self._choose_pacer()

    def prefer(self, viewer: Port | None) -> None:
        """The controller's viewer paces."""
        self._preferred = viewer
        self._choose_pacer()

    @property
    def viewers(self) -> list[Port]:
        """All viewers, in the order they came."""
        return list(self._viewers)

    @property
    def pacer(self) -> Port | None:
        """The viewer that paces."""
        return self._pacer

    def _choose_pacer(self) -> None:
        preferred = self._preferred
        self._pacer = preferred if preferred in self._viewers else next(iter(self._viewers), None)
        self._settle()

    # -- restart points -----------------------------------------------------------------------------------------

    def want_restart(self) -> None:
        """Ask the client for a restart point, at most once in RESTART_INTERVAL."""
        if self._asking:
            return
        wait = self._asked_at + RESTART_INTERVAL - trio.current_time()
        if wait > 0:
            self._asking = True
            self._later(wait, self._ask)
        else:
            self._ask()

    def _ask(self) -> None:
        self._asking = False
        self._asked_at = trio.current_time()
        self._ask_restart()

    # -- the stream ---------------------------------------------------------------------------------------------

    def _frame(self, payload: memoryview | bytes, flags: Flag) -> None:
        now = trio.current_time()
        if self._at_start:
            self._begin_message(bool(flags & Flag.RESTART), now)
        self._at_start = bool(flags & Flag.FIN)
        data = bytes(payload)
        self._owed.add(len(data))
        for port, viewer in list(self._viewers.items()):
            if viewer.place is not _Place.FOLLOWING:
                continue
            if not viewer.queued:
                viewer.moved_at = now
            port.send(data, flags)
            viewer.queued = port.queued
            if viewer.queued > FAR_BEHIND and port is not self._pacer:
                self._close(port, Refusal(reason="session.screen.behind", retry=True))
        if self._tap is not None:
            self._tap(data, flags)
        if self._arrived_at is None and self._pacer is not None:
            self._arrived_at = now
        self._settle()

    def _begin_message(self, restart: bool, now: float) -> None:
        for port, viewer in self._viewers.items():
            match viewer.place:
                case _Place.WAITING if restart:
                    viewer.place = _Place.FOLLOWING
                case _Place.FOLLOWING if port is not self._pacer and viewer.queued > BEHIND:
                    viewer.place = _Place.CATCHING_UP
                case _:
                    pass
        if restart:
            self._started = True
            self._restarted_at = now
        elif self._tap is not None and now - self._restarted_at >= INDEX_INTERVAL:
            self._restarted_at = now
            self.want_restart()

    def _sent(self, port: Port) -> None:
        viewer = self._viewers.get(port)
        if viewer is None:
            return
        now = trio.current_time()
        if port.queued < viewer.queued or not port.queued:
            viewer.moved_at = now
        viewer.queued = port.queued
        if viewer.place is _Place.CATCHING_UP and not viewer.queued:
            viewer.place = _Place.WAITING
            self.want_restart()
        if port is self._pacer:
            if self._arrived_at is not None and not viewer.queued:
                self._spent.append(now - self._arrived_at)
                self._arrived_at = None
            self._settle()

    def _settle(self) -> None:
        pacer = self._pacer
        following = pacer is not None and self._viewers[pacer].place is _Place.FOLLOWING
        self._owed.settle(pacer.queued if following and pacer is not None else 0)

    def _acknowledged(self, viewer: Port, payload: memoryview | bytes, flags: Flag) -> None:
        if viewer is self._pacer:
            if self.source.queued > MAX_ACKNOWLEDGED:
                return self._close(viewer, Refusal(reason="session.screen.stalled", retry=True))
            self.source.send(bytes(payload), flags)
        viewer.consumed(len(payload))
        return None

    # -- the clock ----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Called about once a second: a pacing viewer that takes nothing for STALL_SECONDS loses its channel."""
        pacer = self._pacer
        if pacer is None:
            return
        viewer = self._viewers[pacer]
        if viewer.queued and trio.current_time() - viewer.moved_at > STALL_SECONDS:
            self._close(pacer, Refusal(reason="session.screen.stalled", retry=True))

    def spent(self) -> float | None:
        """Milliseconds that messages waited here for the pacing viewer's connection, averaged since the last call."""
        if not self._spent:
            return None
        average = sum(self._spent) / len(self._spent) * 1000
        self._spent.clear()
        return average

    def _close(self, port: Port, refusal: Refusal) -> None:
        self.detach(port)
        port.close(refusal)
        if port.on_closed is not None:
            port.on_closed(refusal)
