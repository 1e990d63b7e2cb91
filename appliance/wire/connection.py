"""The channel machine: one connection's protocol state, without IO.

Bytes go in by `receive`, which yields events; what is to be sent comes out of `data_to_send` in the order of
priority, so that a key press overtakes whatever bulk is queued. Both ends use this module; they differ in `Side`
only, which gives the parity of the channel numbers they open (as in HTTP/2, RFC 9113 §5.1.1).

Credit (RFC 9113 §5.2) is per channel and direction: a sender may have as many payload bytes under way as the
receiver has granted. The receiver grants by `consumed`, which is called when the bytes have really gone on.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from appliance.wire.channels import CONTROL_PRIORITY, TRAITS, ChannelName
from appliance.wire.frames import HEADER, HEADER_SIZE, MAX_PAYLOAD, Flag, FrameReader, FrameType, ProtocolError
from appliance.wire.messages import Open, decode, encode

MAX_CHANNELS = 256
"""Open channels on one connection."""
MAX_CONTROL_QUEUE = 1024 * 1024
"""Bytes of control frames waiting to be sent; a peer that lets more pile up does not read."""
BULK_SLICE = 16 * 1024
"""Payload bytes of one frame on a channel of bulk priority: what a key press may have to wait for."""
MAX_CREDIT = 64 * 1024 * 1024


class Side(enum.Enum):
    """Which end of the connection this is; the appliance opens even channels, its peer odd ones."""

    APPLIANCE = 2
    PEER = 1


@dataclass(frozen=True, slots=True)
class Handshake:
    """GREETING, HELLO, WELCOME or REFUSED arrived. `payload` is its JSON."""

    type: FrameType
    payload: bytes


@dataclass(frozen=True, slots=True)
class Control:
    """A control message arrived. `payload` is its JSON."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer asks for a channel; answer with `accept` or `deny`."""

    channel: int
    request: Open


@dataclass(frozen=True, slots=True)
class Accepted:
    """The peer accepted a channel that this side opened."""

    channel: int


@dataclass(frozen=True, slots=True)
class Denied:
    """The peer refused a channel that this side opened. `payload` is a Refusal's JSON."""

    channel: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a channel's message; a view that is good until the next `receive`."""

    channel: int
    payload: memoryview | bytes
    flags: Flag


@dataclass(frozen=True, slots=True)
class CreditGranted:
    """The peer may take more on this channel: what waited for credit can go."""

    channel: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The peer closed a channel. `payload` is a Refusal's JSON or empty."""

    channel: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Pinged:
    """PING arrived; the answer is queued already."""


@dataclass(frozen=True, slots=True)
class Ponged:
    """PONG arrived with the payload of our PING."""

    payload: bytes


Event = Handshake | Control | Opened | Accepted | Denied | Data | CreditGranted | Closed | Pinged | Ponged


class _State(enum.Enum):
    OPENING = enum.auto()  # opened by this side, not answered
    ASKED = enum.auto()  # opened by the peer, not answered
    OPEN = enum.auto()


@dataclass(slots=True)
class _Channel:
    name: ChannelName
    state: _State
    priority: int
    credit: int  # bytes this side may still send
    window: int  # bytes the peer may still send
    message: int = 0  # bytes of the incoming message so far
    grant: int = 0  # consumed, not yet granted again
    queued: int = 0  # payload bytes in queue
    queue: deque[tuple[bytes | memoryview, int]] = field(default_factory=deque)
    scheduled: bool = False


class Connection:
    """One connection's frames, channels, credit and sending order."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self._next = 2 if side is Side.APPLIANCE else 1
        self._reader = FrameReader()
        self._channels: dict[int, _Channel] = {}
        self._closing: set[int] = set()  # closed by this side; frames under way are dropped
        self._control: deque[bytes] = deque()
        self._control_size = 0
        self._ready: list[tuple[int, int, int]] = []  # (priority, turn, channel)
        self._turn = 0

    # -- sending ------------------------------------------------------------------------------------------------

    def handshake(self, frame_type: FrameType, payload: bytes) -> None:
        """Queue GREETING, HELLO, WELCOME or REFUSED."""
        self._queue_control(frame_type, 0, payload)

    def control(self, payload: bytes) -> None:
        """Queue a control message."""
        self._queue_control(FrameType.CONTROL, 0, payload)

    def ping(self, payload: bytes) -> None:
        """Queue a PING; the peer sends `payload` (at most 64 bytes) back."""
        self._queue_control(FrameType.PING, 0, payload)

    def open(self, request: Open) -> int:
        """Ask for a channel; returns its number. Data may be queued at once and is sent when it is accepted."""
        if len(self._channels) >= MAX_CHANNELS or self._next > 0xFFFF:
            raise ProtocolError("wire.too_many_channels")
        number, self._next = self._next, self._next + 2
        self._channels[number] = self._channel(request.name, _State.OPENING)
        self._queue_control(FrameType.OPEN, number, encode(request))
        return number

    def accept(self, channel: int) -> None:
        """Accept a channel that the peer asked for."""
        self._answer(channel).state = _State.OPEN
        self._queue_control(FrameType.ACCEPT, channel)
        self._schedule(channel, self._channels[channel])

    def deny(self, channel: int, refusal: bytes) -> None:
        """Refuse a channel that the peer asked for."""
        self._answer(channel)
        del self._channels[channel]
        self._queue_control(FrameType.DENY, channel, refusal)

    def send(self, channel: int, payload: bytes | memoryview, flags: Flag = Flag.FIN) -> None:
        """Queue one message, or with flags of its own a part of one; cut into frames as it is sent.

        Raises KeyError when the channel is not open.
        """
        state = self._channels[channel]
        state.queue.append((payload, flags))
        state.queued += len(payload)
        self._schedule(channel, state)

    def consumed(self, channel: int, size: int) -> None:
        """`size` bytes of the channel have gone on; the peer may send as many again."""
        state = self._channels.get(channel)
        if state is None:
            return
        state.grant += size
        if state.grant * 4 >= TRAITS[state.name].window:
            self._queue_control(FrameType.CREDIT, channel, state.grant.to_bytes(4, "big"))
            state.window += state.grant
            state.grant = 0

    def drop_queued(self, channel: int) -> None:
        """Forget what is queued on a channel; only between messages that mean nothing without each other."""
        state = self._channels[channel]
        state.queue.clear()
        state.queued = 0

    def close(self, channel: int, refusal: bytes = b"") -> None:
        """Close a channel at once; what was queued on it is dropped."""
        if self._channels.pop(channel, None) is not None:
            self._closing.add(channel)
            self._queue_control(FrameType.CLOSE, channel, refusal)

    def queued(self, channel: int) -> int:
        """Payload bytes that wait on a channel, for credit or for their turn."""
        return self._channels[channel].queued

    def name(self, channel: int) -> ChannelName:
        """The name of an open channel. Raises KeyError when it is not open."""
        return self._channels[channel].name

    @property
    def channels(self) -> list[int]:
        """The numbers of all channels that are open or being opened."""
        return list(self._channels)

    @property
    def wants_to_send(self) -> bool:
        """Whether `data_to_send` would return anything."""
        return bool(self._control or self._ready)

    def data_to_send(self, limit: int = 64 * 1024) -> list[bytes | memoryview]:
        """The next buffers to write, about `limit` bytes in all; empty when there is nothing (more) to send now."""
        out: list[bytes | memoryview] = []
        size = 0
        while size < limit:
            urgent = bool(self._ready) and self._ready[0][0] < CONTROL_PRIORITY
            if self._control and not urgent:
                frame = self._control.popleft()
                self._control_size -= len(frame)
                out.append(frame)
                size += len(frame)
            elif self._ready:
                size += self._send_slice(out)
            else:
                break
        return out

    # -- receiving ----------------------------------------------------------------------------------------------

    def receive(self, data: bytes | bytearray | memoryview) -> Iterator[Event]:
        """Yield what `data` means. Raises ProtocolError; the connection is then to be closed."""
        for frame in self._reader.feed(data):
            if frame.type == FrameType.DATA:
                event = self._receive_data(frame.channel, frame.payload, frame.flags)
            else:
                event = self._receive_other(frame.type, frame.channel, bytes(frame.payload))
            if event is not None:
                yield event

    # -- inside -------------------------------------------------------------------------------------------------

    def _channel(self, name: ChannelName, state: _State) -> _Channel:
        traits = TRAITS[name]
        return _Channel(name, state, traits.priority, traits.window, traits.window)

    def _answer(self, channel: int) -> _Channel:
        state = self._channels[channel]
        if state.state is not _State.ASKED:
            raise KeyError(channel)
        return state

    def _queue_control(self, frame_type: FrameType, channel: int, payload: bytes = b"") -> None:
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(f"control payload of {len(payload)} bytes")
        frame = HEADER.pack(frame_type, 0, channel, len(payload)) + payload
        self._control_size += len(frame)
        if self._control_size > MAX_CONTROL_QUEUE:
            raise ProtocolError("wire.peer_does_not_read")
        self._control.append(frame)

    def _schedule(self, number: int, channel: _Channel) -> None:
        blocked = channel.state is not _State.OPEN or not channel.queue
        if blocked or channel.scheduled or (channel.credit <= 0 and len(channel.queue[0][0]) > 0):
            return
        channel.scheduled = True
        self._turn += 1
        heappush(self._ready, (channel.priority, self._turn, number))

    def _send_slice(self, out: list[bytes | memoryview]) -> int:
        """Append one frame of the most urgent channel; channels of one priority take turns."""
        _priority, _turn, number = heappop(self._ready)
        channel = self._channels.get(number)
        if channel is None:
            return 0
        channel.scheduled = False
        if not channel.queue:
            return 0
        payload, flags = channel.queue.popleft()
        bound = min(channel.credit, BULK_SLICE if channel.priority > CONTROL_PRIORITY else MAX_PAYLOAD)
        if len(payload) > bound:
            view = memoryview(payload)
            channel.queue.appendleft((view[bound:], flags & ~Flag.RESTART))
            payload, flags = view[:bound], flags & ~Flag.FIN
        size = len(payload)
        channel.credit -= size
        channel.queued -= size
        out.append(HEADER.pack(FrameType.DATA, flags, number, size))
        out.append(payload)
        self._schedule(number, channel)
        return HEADER_SIZE + size

    def _receive_data(self, number: int, payload: memoryview | bytes, flags: int) -> Event | None:
        channel = self._channels.get(number)
        if channel is None or channel.state is not _State.OPEN:
            if number in self._closing:
                return None
            raise ProtocolError("wire.channel_not_open")
        size = len(payload)
        channel.window -= size
        if channel.window < 0:
            raise ProtocolError("wire.credit_exceeded")
        channel.message += size
        if channel.message > TRAITS[channel.name].max_message:
            raise ProtocolError("wire.message_too_long")
        if flags & Flag.FIN:
            channel.message = 0
        return Data(number, payload, Flag(flags & 0x03))

    def _receive_other(self, kind: int, number: int, payload: bytes) -> Event | None:
        match kind:
            case FrameType.GREETING | FrameType.HELLO | FrameType.WELCOME | FrameType.REFUSED:
                return Handshake(FrameType(kind), payload)
            case FrameType.PING:
                if len(payload) > 64:
                    raise ProtocolError("wire.ping_too_long")
                self._queue_control(FrameType.PONG, 0, payload)
                return Pinged()
            case FrameType.PONG:
                return Ponged(payload)
            case FrameType.CONTROL:
                return Control(payload)
            case FrameType.OPEN:
                return self._receive_open(number, payload)
            case FrameType.ACCEPT | FrameType.DENY:
                return self._receive_answer(kind, number, payload)
            case FrameType.CREDIT:
                return self._receive_credit(number, payload)
            case FrameType.CLOSE:
                if number in self._closing:
                    self._closing.discard(number)
                    return None
                if self._channels.pop(number, None) is None:
                    raise ProtocolError("wire.channel_not_open")
                # Answered, so that the peer knows that nothing more is under way on this number.
                self._queue_control(FrameType.CLOSE, number)
                return Closed(number, payload)
            case _:
                return None

    def _receive_open(self, number: int, payload: bytes) -> Event:
        if number % 2 == self._next % 2 or number == 0 or number in self._channels:
            raise ProtocolError("wire.channel_number")
        if len(self._channels) >= MAX_CHANNELS:
            raise ProtocolError("wire.too_many_channels")
        request = decode(payload, Open)
        self._channels[number] = self._channel(request.name, _State.ASKED)
        return Opened(number, request)

    def _receive_answer(self, kind: int, number: int, payload: bytes) -> Event | None:
        channel = self._channels.get(number)
        if channel is None and number in self._closing:
            if kind == FrameType.DENY:
                self._closing.discard(number)
            return None
        if channel is None or channel.state is not _State.OPENING:
            raise ProtocolError("wire.channel_not_open")
        if kind == FrameType.DENY:
            del self._channels[number]
            return Denied(number, payload)
        channel.state = _State.OPEN
        self._schedule(number, channel)
        return Accepted(number)

    def _receive_credit(self, number: int, payload: bytes) -> Event | None:
        channel = self._channels.get(number)
        if channel is None:
            if number in self._closing:
                return None
            raise ProtocolError("wire.channel_not_open")
        if len(payload) != 4:
            raise ProtocolError("wire.credit_malformed")
        channel.credit += int.from_bytes(payload, "big")
        if channel.credit > MAX_CREDIT:
            raise ProtocolError("wire.credit_exceeded")
        self._schedule(number, channel)
        return CreditGranted(number)
