"""The input channel's messages: keys and pointer, from the controlling technician's browser to the client.

A message is a header and one or more events::

    offset  size  field
    0       4     epoch     big endian. The sender leaves it 0; the appliance sets it, and raises it whenever the
                            controller changes or either side's connection was made anew
    4       4     at        milliseconds of the sender's own clock, modulo 2^32
    8       ...   events

    KEY       0x01, flags u8 (1: down, 2: the browser's auto-repeat), keysym u32, code u16
    POINTER   0x02, x u16, y u16: pixels of the desktop, as in the screen's GEOMETRY
    BUTTON    0x03, button u8 (1 left, 2 middle, 3 right, 8 back, 9 forward), down u8
    WHEEL     0x04, dx i16, dy i16: 120 is one notch, right and down are positive
    RELEASE   0x05: every key and button that is held

`keysym` is an X11 keysym: for a character its Latin-1 code, or 0x01000000 + its Unicode number; for other keys
the code of X11's keysymdef.h (Return 0xff0d, Shift_L 0xffe1, ISO_Level3_Shift 0xfe03 …). `code` is the physical key as
evdev numbers it (KeyA 30), 0 when unknown; it only chooses between several keys that give the same keysym.

**Input is never late.** A message of an older epoch is dropped; a new epoch begins with everything released. Within
an epoch the receiver compares `at` with its own clock: the smallest difference seen is the shortest way, and a message
that took MAX_LATE longer was stuck somewhere; it is dropped and everything released. A browser that knows it is cut off
sends nothing and queues nothing. While anything is held it sends at least a message without events every 200 ms, so
that the receiver can let go when that stops.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from appliance.wire.frames import ProtocolError

HEADER = struct.Struct(">II")
_KEY = struct.Struct(">BBIH")
_POINTER = struct.Struct(">BHH")
_BUTTON = struct.Struct(">BBB")
_WHEEL = struct.Struct(">Bhh")

MAX_LATE = 2.0
"""Seconds that a message may take longer than the quickest one of its epoch."""
BUTTONS = frozenset({1, 2, 3, 8, 9})
UNICODE_KEYSYM = 0x01000000


class EventKind(enum.IntEnum):
    """The first byte of an event."""

    KEY = 0x01
    POINTER = 0x02
    BUTTON = 0x03
    WHEEL = 0x04
    RELEASE = 0x05


@dataclass(frozen=True, slots=True)
class Key:
    """A key goes down or up."""

    keysym: int
    down: bool
    code: int = 0
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Pointer:
    """The pointer moves to a place on the desktop."""

    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Button:
    """A mouse button goes down or up."""

    button: int
    down: bool


@dataclass(frozen=True, slots=True)
class Wheel:
    """The wheel turns; 120 is one notch."""

    dx: int
    dy: int


@dataclass(frozen=True, slots=True)
class ReleaseAll:
    """Every held key and button goes up."""


Event = Key | Pointer | Button | Wheel | ReleaseAll


@dataclass(frozen=True, slots=True)
class InputMessage:
    """Events that were sent together."""

    epoch: int
    at: int
    events: tuple[Event, ...]


def keysym_of(character: str) -> int:
    """The keysym of one character, by X11's rule."""
    code = ord(character)
    if character in "\n\r":
        return 0xFF0D
    if character == "\t":
        return 0xFF09
    return code if 0x20 <= code <= 0x7E or 0xA0 <= code <= 0xFF else UNICODE_KEYSYM | code


def pack_input(events: Iterable[Event], *, at: int, epoch: int = 0) -> bytes:
    """One message."""
    out = bytearray(HEADER.pack(epoch & 0xFFFFFFFF, at & 0xFFFFFFFF))
    for event in events:
        match event:
            case Key(keysym, down, code, repeat):
                out += _KEY.pack(EventKind.KEY, down | repeat << 1, keysym, code)
            case Pointer(x, y):
                out += _POINTER.pack(EventKind.POINTER, x, y)
            case Button(button, down):
                out += _BUTTON.pack(EventKind.BUTTON, button, down)
            case Wheel(dx, dy):
                out += _WHEEL.pack(EventKind.WHEEL, dx, dy)
            case ReleaseAll():
                out.append(EventKind.RELEASE)
    return bytes(out)


def with_epoch(message: bytes | memoryview, epoch: int) -> bytes:
    """The message as the appliance passes it on. Raises ProtocolError("wire.input_malformed")."""
    if len(message) < HEADER.size:
        raise ProtocolError("wire.input_malformed")
    return (epoch & 0xFFFFFFFF).to_bytes(4, "big") + bytes(message[4:])


def read_input(message: bytes | memoryview) -> InputMessage:
    """A message's events, every value checked. Raises ProtocolError("wire.input_malformed")."""
    try:
        epoch, at = HEADER.unpack_from(message)
        events = []
        offset = HEADER.size
        while offset < len(message):
            event, offset = _read(message, offset)
            events.append(event)
    except (struct.error, ValueError) as error:
        raise ProtocolError("wire.input_malformed") from error
    return InputMessage(epoch, at, tuple(events))


def _read(message: bytes | memoryview, offset: int) -> tuple[Event, int]:
    match message[offset]:
        case EventKind.KEY:
            _kind, flags, keysym, code = _KEY.unpack_from(message, offset)
            if keysym == 0 or keysym > 0x1FFFFFFF:
                raise ValueError("keysym")
            return Key(keysym, bool(flags & 1), code, bool(flags & 2)), offset + _KEY.size
        case EventKind.POINTER:
            _kind, x, y = _POINTER.unpack_from(message, offset)
            return Pointer(x, y), offset + _POINTER.size
        case EventKind.BUTTON:
            _kind, button, down = _BUTTON.unpack_from(message, offset)
            if button not in BUTTONS:
                raise ValueError("button")
            return Button(button, bool(down)), offset + _BUTTON.size
        case EventKind.WHEEL:
            _kind, dx, dy = _WHEEL.unpack_from(message, offset)
            return Wheel(dx, dy), offset + _WHEEL.size
        case EventKind.RELEASE:
            return ReleaseAll(), offset + 1
        case kind:
            raise ValueError(f"event {kind}")


class Verdict(enum.Enum):
    """What becomes of a message of input."""

    APPLY = enum.auto()
    RELEASE_AND_APPLY = enum.auto()
    RELEASE_AND_DROP = enum.auto()
    DROP = enum.auto()


class Freshness:
    """Tells events that may still be applied from those that come too late (the receiver's side)."""

    def __init__(self) -> None:
        self._epoch = -1
        self._shortest: int | None = None
        self._at = 0

    def judge(self, message: InputMessage, now: float) -> Verdict:
        """What to do with `message`, arrived at `now` (seconds of a monotonic clock)."""
        if message.epoch < self._epoch:
            return Verdict.DROP
        fresh = message.epoch > self._epoch
        if fresh:
            self._epoch, self._shortest = message.epoch, None
        way = (round(now * 1000) - message.at) & 0xFFFFFFFF
        if self._shortest is None or (way - self._shortest) & 0x80000000:
            self._shortest = way
        late = (way - self._shortest) & 0xFFFFFFFF
        if late > MAX_LATE * 1000:
            return Verdict.RELEASE_AND_DROP
        # Clocks drift apart by some 100 ppm; the shortest way follows slowly, so that it does not add up over hours.
        if late:
            seconds = ((message.at - self._at) & 0xFFFFFFFF) / 1000
            self._shortest = (self._shortest + min(late, int(seconds))) & 0xFFFFFFFF
        self._at = message.at
        return Verdict.RELEASE_AND_APPLY if fresh else Verdict.APPLY
