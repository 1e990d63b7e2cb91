"""Frames: the bytes of the session protocol, version 1.

Every connection, whether a TLS stream or a WebSocket, carries a sequence of frames::

    offset  size  field
    0       1     type      one of FrameType
    1       1     flags     one or more of Flag; 0 for every type but DATA
    2       2     channel   big endian; 0 is the connection itself
    4       2     length    big endian; bytes of payload that follow, at most 65 529
    6       n     payload

A frame of a type that the receiver does not know is skipped. `docs/wire.md` is the specification for people.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator

import msgspec

HEADER = struct.Struct(">BBHH")
HEADER_SIZE = HEADER.size
MAX_PAYLOAD = 0xFFFF - HEADER_SIZE
"""Bytes; so that a whole frame stays within 64 KiB."""


class FrameType(enum.IntEnum):
    """Frame types; the numbers are the protocol and are never reused."""

    GREETING = 0x01
    HELLO = 0x02
    WELCOME = 0x03
    REFUSED = 0x04
    PING = 0x05
    PONG = 0x06
    CONTROL = 0x07
    OPEN = 0x10
    ACCEPT = 0x11
    DENY = 0x12
    DATA = 0x13
    CREDIT = 0x14
    CLOSE = 0x15


class Flag(enum.IntFlag):
    """Flags of DATA frames. A channel carries messages, each cut into one or more frames."""

    FIN = 0x01
    """The last frame of a message."""
    RESTART = 0x02
    """The first frame of a message from which a new reader can begin (screen channel)."""


class ProtocolError(Exception):
    """The peer broke the protocol; the connection cannot go on.

    `code` is a message id under `wire.` in the catalogue.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One frame. `payload` may be a view into the buffer given to `FrameReader.feed`."""

    type: int
    flags: int
    channel: int
    payload: memoryview | bytes


def pack(frame_type: FrameType, channel: int, payload: bytes | memoryview = b"", flags: int = 0) -> bytes:
    """The bytes of one frame. Raises ValueError when the payload is longer than MAX_PAYLOAD."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"payload of {len(payload)} bytes; at most {MAX_PAYLOAD}")
    return HEADER.pack(frame_type, flags, channel, len(payload)) + payload


class FrameReader:
    """Cuts a byte stream into frames, however it was split on the way.

    Payloads are views into the fed buffer where a frame lies in it whole, and copies where it was split, so a
    reader must use a frame before it feeds the next bytes, and take all frames that a call yields.
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def buffered(self) -> int:
        """Bytes kept of a frame that is not whole yet; less than 64 KiB."""
        return len(self._rest)

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Frame]:
        """Yield the frames that `data` completes. Raises ProtocolError("wire.frame_too_long")."""
        view = memoryview(data)
        offset = 0
        rest = self._rest
        if rest:
            if len(rest) < HEADER_SIZE:
                offset = HEADER_SIZE - len(rest)
                rest += view[:offset]
                if len(rest) < HEADER_SIZE:
                    return
            kind, flags, channel, length = HEADER.unpack_from(rest)
            if length > MAX_PAYLOAD:
                raise ProtocolError("wire.frame_too_long")
            end = offset + HEADER_SIZE + length - len(rest)
            rest += view[offset:end]
            if end > len(view):
                return
            offset = end
            self._rest = bytearray()
            yield Frame(kind, flags, channel, memoryview(rest)[HEADER_SIZE:])
        size = len(view)
        while size - offset >= HEADER_SIZE:
            kind, flags, channel, length = HEADER.unpack_from(view, offset)
            if length > MAX_PAYLOAD:
                raise ProtocolError("wire.frame_too_long")
            end = offset + HEADER_SIZE + length
            if end > size:
                break
            yield Frame(kind, flags, channel, view[offset + HEADER_SIZE : end])
            offset = end
        if offset < size:
            self._rest = bytearray(view[offset:])
