"""The channel machine: one connection's protocol state, without IO.

Bytes go in by `receive`, which yields events; what is to be sent comes out of `data_to_send` in the order of
priority, so that a key press overtakes whatever bulk is queued. Both ends use this module; they differ in `Side`
only, which gives the parity of the channel numbers they open (as in HTTP/2, RFC 9113 §5.1.1).

Credit (RFC 9113 §5.2) is per channel and direction: a sender may have as many payload bytes under way as the
receiver has granted. The receiver grants by `consumed`, which is called when the bytes have really gone on.

A channel's number is used once and numbers only grow, so what arrives for a channel that is no more was under way when
it closed and is dropped, while a number that never was is the peer's error.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

import msgspec

from appliance.wire.channels import CONTROL_PRIORITY, TRAITS, ChannelName
from appliance.wire.frames import HEADER, HEADER_SIZE, MAX_PAYLOAD, Flag, FrameReader, FrameType, ProtocolError
from appliance.wire.messages import Open, decode, encode

MAX_CHANNELS = 256
"""Open channels on one connection."""
MAX_CONTROL_QUEUE = 1024 * 1024
"""Bytes of control frames waiting to be sent; a peer that lets more pile up does not read."""
SEND_SIZE = 64 * 1024
"""Bytes that `data_to_send` gives at once: what a key press may have to wait for."""
SMALL = 16 * 1024
"""Bytes; frames shorter than this are written together."""
SMALLEST_ROOM = 1024
"""Bytes; a message is not cut to fill a room smaller than this."""
MAX_CREDIT = 64 * 1024 * 1024
MAX_PING = 64
"""Bytes of a PING's payload."""

# Python's flag arithmetic takes longer than all else that is done with a frame.
_FIN = int(Flag.FIN)
_RESTART = int(Flag.RESTART)
_FLAGS = tuple(Flag(value) for value in range(4))


class Side(enum.Enum):
    """Which end of the connection this is; the appliance opens even channels, its peer odd ones."""

    APPLIANCE = 2
    PEER = 1


class Handshake(msgspec.Struct, frozen=True, gc=False):
    """GREETING, HELLO, WELCOME or REFUSED arrived. `payload` is its JSON."""

    type: FrameType
    payload: bytes


class Control(msgspec.Struct, frozen=True, gc=False):
    """A control message arrived. `payload` is its JSON."""

    payload: bytes


class Opened(msgspec.Struct, frozen=True):
    """The peer asks for a channel; answer with `accept` or `deny`."""

    channel: int
    request: Open


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """The peer accepted a channel that this side opened."""

    channel: int


class Denied(msgspec.Struct, frozen=True, gc=False):
    """The peer refused a channel that this side opened. `payload` is a Refusal's JSON."""

    channel: int
    payload: bytes


class Data(msgspec.Struct, frozen=True, gc=False):
    """Bytes of a channel's message; a view that is good until the next `receive`."""

    channel: int
    payload: memoryview | bytes
    flags: Flag


class CreditGranted(msgspec.Struct, frozen=True, gc=False):
    """The peer may take more on this channel: what waited for credit can go."""

    channel: int


class Closed(msgspec.Struct, frozen=True, gc=False):
    """The peer closed a channel. `payload` is a Refusal's JSON or empty."""

    channel: int
    payload: bytes


class Pinged(msgspec.Struct, frozen=True, gc=False):
    """PING arrived; the answer is queued already."""


class Ponged(msgspec.Struct, frozen=True, gc=False):
    """PONG arrived with the payload of our PING."""

    payload: bytes


Event = Handshake | Control | Opened | Accepted | Denied | Data | CreditGranted | Closed | Pinged | Ponged


class _State(enum.Enum):
    OPENING = enum.auto()  # opened by this side, not answered
    ASKED = enum.auto()  # opened by the peer, not answered
    OPEN = enum.auto()


class _Queued(NamedTuple):
    payload: bytes | memoryview
    flags: int
    frame: bytes = b""  # the same with its header, where it was copied anyway


@dataclass(slots=True)
class _Channel:
    name: ChannelName
    state: _State
    priority: int
    credit: int  # bytes this side may still send
    window: int  # bytes the peer may still send
    message: int = 0  # bytes of the incoming message so far
    inside: bool = False  # the incoming message has begun
    cut: bool = False  # the outgoing message has begun: its rest must follow
    grant: int = 0  # consumed, not yet granted again
    queued: int = 0  # payload bytes in queue
    queue: deque[_Queued] = field(default_factory=deque)
    scheduled: bool = False


class Connection:
    """One connection's frames, channels, credit and sending order."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self._next = 2 if side is Side.APPLIANCE else 1
        self._reader = FrameReader()
        self._channels: dict[int, _Channel] = {}
        self._peers_last = 0  # the highest number that the peer has opened
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

        A view is copied, since what it shows may change; bytes are not. Raises KeyError when the channel is not open.
        """
        state = self._channels[channel]
        size = len(payload)
        if isinstance(payload, bytes):
            state.queue.append(_Queued(payload, int(flags)))
        elif size > MAX_PAYLOAD:
            state.queue.append(_Queued(bytes(payload), int(flags)))
        else:
            # Copied together with its header, so that nothing has to be put together when it is sent.
            frame = b"".join((HEADER.pack(FrameType.DATA, flags, channel, size), payload))
            state.queue.append(_Queued(memoryview(frame)[HEADER_SIZE:], int(flags), frame))
        state.queued += size
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
        """Forget the messages queued on a channel; of one that was begun the rest still goes. Raises KeyError."""
        state = self._channels[channel]
        kept: deque[_Queued] = deque()
        while state.cut and state.queue and not (kept and kept[-1].flags & _FIN):
            kept.append(state.queue.popleft())
        state.queue = kept
        state.queued = sum(len(entry.payload) for entry in kept)

    def close(self, channel: int, refusal: bytes = b"") -> None:
        """Close a channel at once; what was queued on it is dropped."""
        if self._channels.pop(channel, None) is not None:
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
        """Whether there may be something to send. After a close, `data_to_send` may once find nothing."""
        return bool(self._control or self._ready)

    def data_to_send(self, limit: int = SEND_SIZE) -> list[bytes]:
        """The next buffers to write, each worth a write of its own; empty when there is nothing (more) to send now.

        Together they are at most `limit` bytes, unless one frame of the connection itself is longer; on a narrow link a
        lower one gets what is urgent in sooner.
        """
        out: list[bytes] = []
        small: list[bytes] = []
        size = 0
        while limit - size >= SMALLEST_ROOM:
            urgent = bool(self._ready) and self._ready[0][0] < CONTROL_PRIORITY
            if self._control and not urgent:
                frame = self._control.popleft()
                self._control_size -= len(frame)
                small.append(frame)
                size += len(frame)
            elif self._ready:
                frame = self._next_frame(limit - size - HEADER_SIZE)
                size += len(frame)
                if len(frame) >= SMALL:
                    if small:
                        out.append(b"".join(small))
                        small.clear()
                    out.append(frame)
                elif frame:
                    small.append(frame)
            else:
                break
        if small:
            out.append(b"".join(small))
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
        if blocked or channel.scheduled or channel.credit < min(len(channel.queue[0].payload), SMALL):
            return  # rather than in slivers it goes when there is credit again
        channel.scheduled = True
        self._turn += 1
        heappush(self._ready, (channel.priority, self._turn, number))

    def _next_frame(self, room: int) -> bytes:
        """One frame of the most urgent channel with at most `room` payload bytes, or b""; channels of one priority take
        turns."""
        _priority, _turn, number = heappop(self._ready)
        channel = self._channels.get(number)
        if channel is None:
            return b""
        channel.scheduled = False
        if not channel.queue:
            return b""
        payload, flags, frame = channel.queue.popleft()
        bound = min(channel.credit, room, MAX_PAYLOAD)
        if len(payload) > bound:
            view = memoryview(payload)
            channel.queue.appendleft(_Queued(view[bound:], flags & ~_RESTART))
            payload, flags, frame = view[:bound], flags & ~_FIN, b""
        size = len(payload)
        channel.credit -= size
        channel.queued -= size
        channel.cut = not flags & _FIN
        self._schedule(number, channel)
        return frame or b"".join((HEADER.pack(FrameType.DATA, flags, number, size), payload))

    def _receive_data(self, number: int, payload: memoryview | bytes, flags: int) -> Event | None:
        channel = self._known(number)
        if channel is None:
            return None
        if channel.state is not _State.OPEN:
            raise ProtocolError("wire.channel_not_open")
        size = len(payload)
        channel.window -= size
        if channel.window < 0:
            raise ProtocolError("wire.credit_exceeded")
        channel.message += size
        if channel.message > TRAITS[channel.name].max_message:
            raise ProtocolError("wire.message_too_long")
        if flags & _RESTART and channel.inside:
            raise ProtocolError("wire.restart_inside_message")
        channel.inside = not flags & _FIN
        if flags & _FIN:
            channel.message = 0
        return Data(number, payload, _FLAGS[flags & 0x03])

    def _known(self, number: int) -> _Channel | None:
        """The channel, or None when it is no more. Raises ProtocolError when it never was."""
        channel = self._channels.get(number)
        if channel is None:
            ours = number % 2 == self._next % 2
            if number == 0 or number > (self._next - 2 if ours else self._peers_last):
                raise ProtocolError("wire.channel_not_open")
        return channel

    def _receive_other(self, kind: int, number: int, payload: bytes) -> Event | None:
        match kind:
            case FrameType.GREETING | FrameType.HELLO | FrameType.WELCOME | FrameType.REFUSED:
                return Handshake(FrameType(kind), payload)
            case FrameType.PING:
                if len(payload) > MAX_PING:
                    raise ProtocolError("wire.ping_too_long")
                self._queue_control(FrameType.PONG, 0, payload)
                return Pinged()
            case FrameType.PONG:
                if len(payload) > MAX_PING:
                    raise ProtocolError("wire.ping_too_long")
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
                if self._known(number) is None:
                    return None
                del self._channels[number]
                return Closed(number, payload)
            case _:
                return None

    def _receive_open(self, number: int, payload: bytes) -> Event:
        if number % 2 == self._next % 2 or number <= self._peers_last:
            raise ProtocolError("wire.channel_number")
        if len(self._channels) >= MAX_CHANNELS:
            raise ProtocolError("wire.too_many_channels")
        request = decode(payload, Open)
        self._peers_last = number
        self._channels[number] = self._channel(request.name, _State.ASKED)
        return Opened(number, request)

    def _receive_answer(self, kind: int, number: int, payload: bytes) -> Event | None:
        channel = self._known(number)
        if channel is None:
            return None
        if channel.state is not _State.OPENING:
            raise ProtocolError("wire.channel_not_open")
        if kind == FrameType.DENY:
            del self._channels[number]
            return Denied(number, payload)
        channel.state = _State.OPEN
        self._schedule(number, channel)
        return Accepted(number)

    def _receive_credit(self, number: int, payload: bytes) -> Event | None:
        if len(payload) != 4:
            raise ProtocolError("wire.credit_malformed")
        channel = self._known(number)
        if channel is None:
            return None
        channel.credit += int.from_bytes(payload, "big")
        if channel.credit > MAX_CREDIT:
            raise ProtocolError("wire.credit_exceeded")
        self._schedule(number, channel)
        return CreditGranted(number)
