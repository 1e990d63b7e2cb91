"""One connection being run: one reader, one sender, and whatever its handler has to wait for, one at a time.

Bytes in are handed on without waiting: a channel's data to its Port, all else to the handler. What has to be waited
for (the database) is queued with `later` and done in order; when MAX_LATER are queued, the reader stops until there
are fewer, and with it the peer. Bytes out go in the connection's order of priority. A peer that is silent for longer
than the deadline, or takes nothing for STALL_SECONDS, is cut; nobody else waits for it.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import trio

from appliance.relay.pool import BufferPool
from appliance.wire.channels import TRAITS, ChannelName
from appliance.wire.connection import (
    Accepted,
    Closed,
    Connection,
    Control,
    CreditGranted,
    Data,
    Denied,
    Handshake,
    Opened,
    Pinged,
    Ponged,
    Side,
)
from appliance.wire.frames import Flag, FrameType, ProtocolError
from appliance.wire.messages import Message, Open, Refusal, encode
from appliance.wire.pace import Pace
from appliance.wire.stream import WireStream

PING_INTERVAL = 10.0
PING_DEADLINE = 30.0
STALL_SECONDS = 15.0
CLOSING_SECONDS = 5.0
MAX_LATER = 32
READS_IN_A_ROW = 4
"""Buffers read before other tasks get their turn."""


class LinkEnd(enum.Enum):
    """Why a connection is over."""

    ENDED = enum.auto()  # the peer closed
    BROKEN = enum.auto()  # the network said so
    SILENT = enum.auto()  # nothing heard for the deadline
    STALLED = enum.auto()  # took nothing for STALL_SECONDS
    PROTOCOL = enum.auto()  # the peer broke the protocol
    CLOSED = enum.auto()  # by this side


class Handler(Protocol):
    """What a connection is for. None of these waits."""

    def handshake(self, event: Handshake) -> None:
        """HELLO arrived. May raise ProtocolError, as may the others."""
        ...

    def control(self, payload: bytes) -> None:
        """A control message arrived."""
        ...

    def opened(self, channel: int, request: Open) -> None:
        """The peer asks for a channel; `Link.accept` or `Link.deny` answers, now or later."""
        ...


class Port:
    """One channel of a link. Set the `on_` callbacks; after the channel's end nothing happens any more, silently."""

    __slots__ = ("_link", "channel", "name", "on_accepted", "on_closed", "on_data", "on_sent", "open")

    def __init__(self, link: Link, channel: int, name: ChannelName) -> None:
        self._link = link
        self.channel = channel
        self.name = name
        self.open = True
        self.on_data: Callable[[memoryview | bytes, Flag], None] | None = None
        self.on_sent: Callable[[], None] | None = None
        self.on_accepted: Callable[[], None] | None = None
        self.on_closed: Callable[[Refusal | None], None] | None = None

    def send(self, payload: bytes | memoryview, flags: Flag = Flag.FIN) -> None:
        """Queue a message or a part of one."""
        if self.open:
            self._link.connection.send(self.channel, payload, flags)
            self._link.busy.add(self)
            self._link.wake()

    def consumed(self, size: int) -> None:
        """`size` bytes that came in have gone on."""
        if self.open and size:
            connection = self._link.connection
            with self._link.guarded():
                connection.consumed(self.channel, size)
            if connection.wants_to_send:  # mostly no credit is due yet, and waking the sender costs more than all this
                self._link.wake()

    def drop_queued(self) -> None:
        """Forget the messages that wait; the rest of one that was begun still goes."""
        if self.open:
            self._link.connection.drop_queued(self.channel)

    @property
    def queued(self) -> int:
        """Bytes that wait to be sent; 0 once closed."""
        return self._link.connection.queued(self.channel) if self.open else 0

    def close(self, refusal: Refusal | None = None) -> None:
        """Close from this side; `on_closed` is not called."""
        if self.open:
            with self._link.guarded():
                self._link.connection.close(self.channel, encode(refusal) if refusal else b"")
            self._link.forget(self)
            self._link.wake()


class Link:
    """One connection. `await run(handler)` until it is over; then every port has had its `on_closed`."""

    def __init__(self, stream: WireStream, pool: BufferPool) -> None:
        self.stream = stream
        self.connection = Connection(Side.APPLIANCE)
        self.ports: dict[int, Port] = {}
        self.busy: set[Port] = set()  # have queued something, their `on_sent` is due
        self.rtt = 0.0  # seconds, of the last ping
        self.end: LinkEnd | None = None
        self._pinged = (b"", 0.0)
        self._pool = pool
        self._pace = Pace()
        self._work: deque[Callable[[], Awaitable[None]]] = deque()
        self._working = False
        self._fewer = trio.Event()
        self._wake = trio.Event()
        self._closing = False
        self._nursery: trio.Nursery | None = None
        self._scope = trio.CancelScope()

    # -- for the handler ----------------------------------------------------------------------------------------

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    def tell(self, message: Message) -> None:
        """Queue a control message (a struct of wire.messages)."""
        if self.end is None and not self._closing:
            with self.guarded():
                self.connection.control(encode(message))
            self.wake()

    def later(self, job: Callable[[], Awaitable[None]]) -> None:
        """Do `job` when those queued before are done. Once the link is over, it is dropped."""
        if self.end is None and self._nursery is not None:
            self._work.append(job)
            if not self._working:
                self._working = True
                self._nursery.start_soon(self._do_work)

    def soon(self, job: Callable[[], Awaitable[None]]) -> None:
        """Do `job` beside the others."""
        if self.end is None and self._nursery is not None:
            self._nursery.start_soon(job)

    def open(self, request: Open) -> Port | None:
        """Ask the peer for a channel; None when that cuts it: its queue or its numbers are used up."""
        with self.guarded():
            return self._port(self.connection.open(request), request.name)
        return None

    def accept(self, channel: int) -> Port | None:
        """Accept a channel that the peer asked for; None when it has gone meanwhile."""
        if self.end is not None or channel not in self.connection.channels:
            return None
        with self.guarded():
            self.connection.accept(channel)
        return self._port(channel, self.connection.name(channel))

    def deny(self, channel: int, refusal: Refusal) -> None:
        """Refuse a channel that the peer asked for."""
        if self.end is None and channel in self.connection.channels:
            with self.guarded():
                self.connection.deny(channel, encode(refusal))
            self.wake()

    def close(self) -> None:
        """Send what is queued of the connection itself, then close."""
        self._closing = True
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + CLOSING_SECONDS)
        self.wake()

    def within(self, seconds: float) -> None:
        """Cut the connection unless `within` is called again before that time is over (math.inf: never)."""
        self._scope.deadline = trio.current_time() + seconds

    def say(self, kind: FrameType, message: Message) -> None:
        """Queue GREETING, WELCOME or REFUSED."""
        with self.guarded():
            self.connection.handshake(kind, encode(message))
        self.wake()

    def cut(self) -> None:
        """Close at once."""
        self._over(LinkEnd.CLOSED)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """What fails inside is this peer's fault (its control queue is full: it does not read), not its caller's, who
        may well be another peer's reader."""
        try:
            yield
        except ProtocolError:
            self._over(LinkEnd.STALLED)

    def forget(self, port: Port) -> None:
        """The port's channel is closed."""
        port.open = False
        self.ports.pop(port.channel, None)
        self.busy.discard(port)

    # -- running ------------------------------------------------------------------------------------------------

    async def run(self, handler: Handler) -> LinkEnd:
        """Run until the connection is over; says why."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    self._nursery = nursery
                    nursery.start_soon(self._send)
                    try:
                        await self._read(handler)
                    finally:
                        self._nursery = None  # from here on it takes no more tasks
        finally:
            self.end = self.end or LinkEnd.CLOSED
            for port in list(self.ports.values()):
                self.forget(port)
                if port.on_closed is not None:
                    port.on_closed(None)
            with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSING_SECONDS):
                await self.stream.aclose()
        return self.end

    def _over(self, end: LinkEnd) -> None:
        if self.end is None:
            self.end = end
        self._scope.cancel()

    async def _read(self, handler: Handler) -> None:
        heard = trio.current_time()
        next_ping = heard + PING_INTERVAL
        while True:
            with trio.move_on_at(min(next_ping, heard + PING_DEADLINE)) as wait:
                await self.stream.wait_readable()
            now = trio.current_time()
            if wait.cancelled_caught:
                if now >= heard + PING_DEADLINE:
                    return self._over(LinkEnd.SILENT)
                self._pinged = b"%.6f" % now, now
                with self.guarded():
                    self.connection.ping(self._pinged[0])
                self.wake()
                next_ping = now + PING_INTERVAL
                continue
            heard = now
            try:
                more = self._receive(handler)
            except ProtocolError:
                return self._over(LinkEnd.PROTOCOL)
            except trio.BrokenResourceError:
                return self._over(LinkEnd.BROKEN)
            if self.connection.wants_to_send:
                self.wake()
            if not more:
                return self._over(LinkEnd.ENDED)
            while len(self._work) >= MAX_LATER:
                self._fewer = trio.Event()
                await self._fewer.wait()
                heard = trio.current_time()

    def _receive(self, handler: Handler) -> bool:
        with self._pool.lend() as buffer:
            for _ in range(READS_IN_A_ROW):
                size = self.stream.receive_now(buffer)
                if size is None:
                    return True
                if size == 0:
                    return False
                for event in self.connection.receive(buffer[:size]):
                    self._dispatch(event, handler)
                if size < len(buffer):
                    return True  # there was no more
        return True

    def _dispatch(self, event: object, handler: Handler) -> None:
        match event:
            case Data(channel, payload, flags):
                port = self.ports.get(channel)
                if port is not None and port.on_data is not None:
                    port.on_data(payload, flags)
                else:
                    self.connection.consumed(channel, len(payload))
            case CreditGranted():
                pass
            case Control(payload):
                handler.control(payload)
            case Handshake():
                handler.handshake(event)
            case Opened(channel, request):
                handler.opened(channel, request)
            case Accepted(channel):
                port = self.ports.get(channel)
                if port is not None and port.on_accepted is not None:
                    port.on_accepted()
            case Denied(channel, _) | Closed(channel, _):
                port = self.ports.get(channel)
                if port is not None:
                    self.forget(port)
                    if port.on_closed is not None:
                        port.on_closed(None)
            case Ponged(payload):
                if payload == self._pinged[0]:
                    self.rtt = trio.current_time() - self._pinged[1]
            case Pinged():
                pass

    async def _do_work(self) -> None:
        try:
            while self._work:
                await self._work.popleft()()
                self._fewer.set()
        except ProtocolError:
            self._over(LinkEnd.PROTOCOL)
        finally:
            self._working = False
            self._fewer.set()

    async def _send(self) -> None:
        while True:
            buffers = self.connection.data_to_send(self._pace.size)
            if not buffers:
                if self._closing:
                    return self._over(LinkEnd.CLOSED)
                self._wake = trio.Event()
                # Between the look above and this wait nothing else ran.
                await self._wake.wait()
                continue
            began = trio.current_time()
            with trio.move_on_after(STALL_SECONDS) as stall:
                try:
                    for buffer in buffers:
                        await self.stream.send_all(buffer)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return self._over(LinkEnd.BROKEN)
            if stall.cancelled_caught:
                return self._over(LinkEnd.STALLED)
            self._pace.took(sum(map(len, buffers)), trio.current_time() - began)
            self._sent()

    def _sent(self) -> None:
        for port in list(self.busy):
            if not port.queued:
                self.busy.discard(port)
            if port.on_sent is not None:
                port.on_sent()

    def _port(self, channel: int, name: ChannelName) -> Port:
        port = self.ports[channel] = Port(self, channel, name)
        self.wake()
        return port


class Assembler:
    """Puts a channel's frames together into messages."""

    def __init__(self, name: ChannelName) -> None:
        self._limit = TRAITS[name].max_message
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, payload: memoryview | bytes, flags: Flag) -> bytes | None:
        """The message that this frame completes, else None. Raises ProtocolError("wire.message_too_long")."""
        self._size += len(payload)
        if self._size > self._limit:
            raise ProtocolError("wire.message_too_long")
        self._parts.append(bytes(payload))
        if not flags & Flag.FIN:
            return None
        message = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts, self._size = [], 0
        return message
