"""The screen channel's messages: pictures from the customer's client, acknowledgements from the viewers.

A message from the client is a header and a piece of **one continuous zstd stream**, flushed at the message's end::

    RESTART   kind u8, seq u32, data: a new zstd frame begins, its first operation is GEOMETRY
    UPDATE    kind u8, data: it goes on; the message's number is one more than that of the message before

The data are at most MAX_PLAIN bytes when decompressed, zstd's window at most 2^WINDOW_LOG. Decompressed, a message is
whole operations one after the other. Numbers are big endian, coordinates are pixels of the desktop, a pixel is four
bytes B G R X (X says nothing)::

    GEOMETRY  width u16, height u16, count u8, then for each monitor: x, y, width, height u16, primary u8,
              name length u8, name (UTF-8). The picture is black until painted.
    PIXELS    x, y, w, h u16; w × h pixels
    FILL      x, y, w, h u16; one pixel
    COPY      x, y, w, h u16 (to); x, y u16 (from); the two may overlap
    PALETTE   x, y, w, h u16; bits u8 (1, 2, 4 or 8); colours - 1 u8; the colours as pixels; then w × h indexes packed
              from the most significant bit on, rows not padded, the last byte filled up with zeros
    JPEG      x, y, w, h u16; length u32; a JPEG image of w × h
    CURSOR    hot x, hot y, w, h u16; w × h pixels B G R A, premultiplied; w = h = 0: no cursor is shown
    POINTER   x, y u16: where the pointer is
    RATE      quarters u8 (1 to 4): how much of the full rate is sent; delay u16: the milliseconds that decided it

A viewer sends on the same channel, once a message is painted::

    PAINTED   kind u8, seq u32, decode u16 (10 µs)

Messages of a kind that the receiver does not know are skipped; an operation that it does not know ends the stream,
since nothing says how long it is.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.wire.frames import ProtocolError
from appliance.wire.messages import Monitor

WINDOW_LOG = 24
"""zstd window of the stream: 16 MiB, which is what a decoder has to hold."""
MAX_PLAIN = 4 * 1024 * 1024
"""Bytes of one message when decompressed."""
MAX_SIDE = 16384
MAX_PIXELS = 2**25
"""Pixels of a desktop; enough for 7680 × 4320. A decoder holds four bytes for each."""
MAX_CURSOR = 256
MAX_MONITORS = 32

_RESTART = struct.Struct(">BI")
PAINTED = struct.Struct(">BIH")
RECT = struct.Struct(">HHHH")
_OP_RECT = struct.Struct(">BHHHH")
_OP_COPY = struct.Struct(">BHHHHHH")
_OP_PALETTE = struct.Struct(">BHHHHBB")
_OP_JPEG = struct.Struct(">BHHHHI")
_OP_POINTER = struct.Struct(">BHH")
_OP_RATE = struct.Struct(">BBH")
_OP_GEOMETRY = struct.Struct(">BHHB")
_MONITOR = struct.Struct(">HHHHBB")


class Kind(enum.IntEnum):
    """Kinds of messages from the client."""

    RESTART = 0x01
    UPDATE = 0x02


class ViewerKind(enum.IntEnum):
    """Kinds of messages from a viewer."""

    PAINTED = 0x01


class Op(enum.IntEnum):
    """Operations inside the zstd stream."""

    GEOMETRY = 0x01
    PIXELS = 0x02
    FILL = 0x03
    COPY = 0x04
    PALETTE = 0x05
    JPEG = 0x06
    CURSOR = 0x07
    POINTER = 0x08
    RATE = 0x09


@dataclass(frozen=True, slots=True)
class Header:
    """What comes before a message's data: `size` bytes. Only a RESTART says its number."""

    kind: int
    seq: int | None
    size: int


@dataclass(frozen=True, slots=True)
class Painted:
    """A viewer has painted message `seq` (and so every one before); `decode` in seconds."""

    seq: int
    decode: float


def _ticks(seconds: float) -> int:
    return min(0xFFFF, max(0, round(seconds * 100_000)))


def pack_header(kind: Kind, seq: int) -> bytes:
    """What comes before the compressed data."""
    return _RESTART.pack(kind, next_seq(seq - 1)) if kind is Kind.RESTART else bytes((kind,))


def next_seq(seq: int) -> int:
    """The number of the message after message `seq`."""
    return (seq + 1) & 0xFFFFFFFF


def read_header(message: bytes | memoryview) -> Header:
    """The header of a client's message. Raises ProtocolError("wire.screen_malformed")."""
    if not len(message) or (message[0] == Kind.RESTART and len(message) < _RESTART.size):
        raise ProtocolError("wire.screen_malformed")
    if message[0] != Kind.RESTART:
        return Header(message[0], None, 1)
    kind, seq = _RESTART.unpack_from(message)
    return Header(kind, seq, _RESTART.size)


def pack_painted(painted: Painted) -> bytes:
    """A viewer's acknowledgement."""
    return PAINTED.pack(ViewerKind.PAINTED, painted.seq & 0xFFFFFFFF, _ticks(painted.decode))


def read_painted(message: bytes | memoryview) -> Painted | None:
    """A viewer's acknowledgement; None for a message of a kind that is not known.

    Raises ProtocolError("wire.screen_malformed").
    """
    if not len(message) or message[0] != ViewerKind.PAINTED:
        return None
    if len(message) != PAINTED.size:
        raise ProtocolError("wire.screen_malformed")
    _kind, seq, decode = PAINTED.unpack(message)
    return Painted(seq, decode / 100_000)


# -- operations -------------------------------------------------------------------------------------------------


def fits(width: int, height: int) -> bool:
    """Whether a desktop of this size can be shown."""
    return 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS


def op_geometry(width: int, height: int, monitors: Sequence[Monitor]) -> bytes:
    """The first operation of a RESTART. Raises ValueError past MAX_SIDE, MAX_PIXELS or MAX_MONITORS."""
    if not fits(width, height):
        raise ValueError(f"a desktop of {width} × {height} pixels")
    if len(monitors) > MAX_MONITORS:
        raise ValueError(f"{len(monitors)} monitors")
    out = bytearray(_OP_GEOMETRY.pack(Op.GEOMETRY, width, height, len(monitors)))
    for monitor in monitors:
        name = monitor.name.encode()[:64]
        out += _MONITOR.pack(monitor.x, monitor.y, monitor.width, monitor.height, monitor.primary, len(name)) + name
    return bytes(out)


def op_pixels(x: int, y: int, w: int, h: int) -> bytes:
    """What comes before w × h pixels."""
    return _OP_RECT.pack(Op.PIXELS, x, y, w, h)


def op_fill(x: int, y: int, w: int, h: int, pixel: bytes) -> bytes:
    """Fill with one pixel (4 bytes)."""
    return _OP_RECT.pack(Op.FILL, x, y, w, h) + pixel


def op_copy(x: int, y: int, w: int, h: int, from_x: int, from_y: int) -> bytes:
    """Copy from the picture as it is before this operation."""
    return _OP_COPY.pack(Op.COPY, x, y, w, h, from_x, from_y)


def op_palette(x: int, y: int, w: int, h: int, bits: int, colours: bytes, indexes: bytes) -> bytes:
    """`colours`: 4 bytes each, 1 to 2^bits of them; `indexes`: packed as the module's head says."""
    return _OP_PALETTE.pack(Op.PALETTE, x, y, w, h, bits, len(colours) // 4 - 1) + colours + indexes


def op_jpeg(x: int, y: int, w: int, h: int, image: bytes) -> bytes:
    """A lossy picture of a region."""
    return _OP_JPEG.pack(Op.JPEG, x, y, w, h, len(image)) + image


def op_cursor(hot_x: int, hot_y: int, w: int, h: int, pixels: bytes) -> bytes:
    """The pointer's shape, at most MAX_CURSOR a side."""
    return _OP_RECT.pack(Op.CURSOR, hot_x, hot_y, w, h) + pixels


def op_pointer(x: int, y: int) -> bytes:
    """Where the pointer is."""
    return _OP_POINTER.pack(Op.POINTER, x, y)


def op_rate(quarters: int, delay_ms: int) -> bytes:
    """How much of the full rate is sent, and the delay that decided it."""
    return _OP_RATE.pack(Op.RATE, quarters, min(delay_ms, 0xFFFF))


# -- reading ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Geometry:
    """A new picture of this size, with these monitors."""

    width: int
    height: int
    monitors: tuple[Monitor, ...]


@dataclass(frozen=True, slots=True)
class Painting:
    """PIXELS, FILL or JPEG of a region; `data` are pixels, one pixel, or the image."""

    op: Op
    x: int
    y: int
    w: int
    h: int
    data: memoryview


@dataclass(frozen=True, slots=True)
class Indexed:
    """PALETTE of a region."""

    x: int
    y: int
    w: int
    h: int
    bits: int
    colours: memoryview
    indexes: memoryview


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY inside the picture."""

    x: int
    y: int
    w: int
    h: int
    from_x: int
    from_y: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """The pointer's shape."""

    hot_x: int
    hot_y: int
    w: int
    h: int
    pixels: memoryview


@dataclass(frozen=True, slots=True)
class Pointer:
    """The pointer's place."""

    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Rate:
    """The rate as it is now."""

    quarters: int
    delay_ms: int


Operation = Geometry | Painting | Indexed | Copy | Cursor | Pointer | Rate


def read_operations(plain: bytes | memoryview, *, width: int, height: int) -> list[Operation]:
    """The operations of one decompressed message, every bound checked; `width`, `height`: the picture so far (0: none).

    Raises ProtocolError("wire.screen_malformed").
    """
    operations: list[Operation] = []
    view = memoryview(plain)
    offset = 0
    try:
        while offset < len(view):
            operation, offset = _read(view, offset, width, height)
            if isinstance(operation, Geometry):
                width, height = operation.width, operation.height
            operations.append(operation)
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise ProtocolError("wire.screen_malformed") from error
    return operations


def _take(view: memoryview, offset: int, size: int) -> tuple[memoryview, int]:
    if offset + size > len(view):
        raise ValueError("an operation reaches past its message")
    return view[offset : offset + size], offset + size


def _inside(x: int, y: int, w: int, h: int, width: int, height: int) -> None:
    if w == 0 or h == 0 or x + w > width or y + h > height:
        raise ValueError("an operation reaches past the picture")


def _read(view: memoryview, offset: int, width: int, height: int) -> tuple[Operation, int]:
    op = view[offset]
    match op:
        case Op.GEOMETRY:
            return _read_geometry(view, offset)
        case Op.POINTER:
            _op, x, y = _OP_POINTER.unpack_from(view, offset)
            return Pointer(x, y), offset + _OP_POINTER.size
        case Op.RATE:
            _op, quarters, delay = _OP_RATE.unpack_from(view, offset)
            if not 1 <= quarters <= 4:
                raise ValueError("rate")
            return Rate(quarters, delay), offset + _OP_RATE.size
    _op, x, y, w, h = _OP_RECT.unpack_from(view, offset)
    offset += _OP_RECT.size
    if op == Op.CURSOR:
        if w > MAX_CURSOR or h > MAX_CURSOR:
            raise ValueError("cursor")
        data, offset = _take(view, offset, w * h * 4)
        return Cursor(x, y, w, h, data), offset
    _inside(x, y, w, h, width, height)
    match op:
        case Op.PIXELS:
            data, offset = _take(view, offset, w * h * 4)
            return Painting(Op.PIXELS, x, y, w, h, data), offset
        case Op.FILL:
            data, offset = _take(view, offset, 4)
            return Painting(Op.FILL, x, y, w, h, data), offset
        case Op.JPEG:
            size, offset = _take(view, offset, 4)
            data, offset = _take(view, offset, int.from_bytes(size, "big"))
            return Painting(Op.JPEG, x, y, w, h, data), offset
        case Op.COPY:
            place, offset = _take(view, offset, 4)
            from_x, from_y = struct.unpack(">HH", place)
            _inside(from_x, from_y, w, h, width, height)
            return Copy(x, y, w, h, from_x, from_y), offset
        case Op.PALETTE:
            form, offset = _take(view, offset, 2)
            bits, count = form[0], form[1] + 1
            if bits not in (1, 2, 4, 8) or count > 1 << bits:
                raise ValueError("palette")
            colours, offset = _take(view, offset, count * 4)
            indexes, offset = _take(view, offset, (w * h * bits + 7) // 8)
            return Indexed(x, y, w, h, bits, colours, indexes), offset
    raise ValueError(f"operation {op}")


def _read_geometry(view: memoryview, offset: int) -> tuple[Geometry, int]:
    _op, width, height, count = _OP_GEOMETRY.unpack_from(view, offset)
    offset += _OP_GEOMETRY.size
    if not (
        0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS and count <= MAX_MONITORS
    ):
        raise ValueError("geometry")
    monitors = []
    for _ in range(count):
        x, y, w, h, primary, size = _MONITOR.unpack_from(view, offset)
        name, offset = _take(view, offset + _MONITOR.size, size)
        monitors.append(Monitor(name=str(name, "utf-8"), x=x, y=y, width=w, height=h, primary=bool(primary)))
    return Geometry(width, height, tuple(monitors)), offset
