"""A decoder of the screen channel in plain Python: the format's reference, for tests and for reading recordings.

The browser's decoder (`web/shared/static/screen/worker.js`) does the same with zstd's WebAssembly build and a canvas.
"""

from __future__ import annotations

from collections.abc import Callable

import zstandard

from appliance.wire.frames import ProtocolError
from appliance.wire.screen import (
    MAX_PLAIN,
    WINDOW_LOG,
    Copy,
    Cursor,
    Geometry,
    Header,
    Indexed,
    Kind,
    Op,
    Operation,
    Painting,
    Pointer,
    Rate,
    next_seq,
    read_header,
    read_operations,
)

JpegDecoder = Callable[[bytes, int, int], bytes]
"""(image, width, height) → width × height pixels, 4 bytes each."""


_SLICE = 256
"""Compressed bytes taken at once: they become at most 8 MiB (four bytes can stand for a block of 128 KiB)."""


class ScreenDecoder:
    """Follows one viewer's stream. `picture`: height × width pixels, B G R X, rows without padding."""

    def __init__(self, jpeg: JpegDecoder | None = None) -> None:
        self._jpeg = jpeg
        self._zstd: zstandard.ZstdDecompressionObj | None = None
        self._seq = 0
        self.geometry = Geometry(0, 0, ())
        self.picture = bytearray()
        self.cursor: Cursor | None = None
        self.pointer: Pointer | None = None
        self.rate = Rate(4, 0)

    def feed(self, message: bytes | memoryview) -> int | None:
        """Take one whole message and paint it; its number. Raises ProtocolError; the decoder is then of no more use.

        A stream is to be begun with a RESTART; messages of an unknown kind are skipped and have no number.
        """
        header = read_header(message)
        if header.kind not in (Kind.RESTART, Kind.UPDATE):
            return None
        for operation in self.decompress(message, header):
            self._apply(operation)
        self._seq = next_seq(self._seq) if header.seq is None else header.seq
        return self._seq

    def decompress(self, message: bytes | memoryview, header: Header) -> list[Operation]:
        """The operations of one message, without painting them; every message of a stream has to pass, in order."""
        if header.kind == Kind.RESTART:
            self._zstd = zstandard.ZstdDecompressor(max_window_size=1 << WINDOW_LOG).decompressobj()
        if self._zstd is None:
            raise ProtocolError("wire.screen_not_started")
        plain = bytearray()
        try:
            for at in range(header.size, len(message), _SLICE):
                plain += self._zstd.decompress(bytes(message[at : at + _SLICE]))
                if len(plain) > MAX_PLAIN:
                    raise ProtocolError("wire.screen_too_large")
        except zstandard.ZstdError as error:
            raise ProtocolError("wire.screen_malformed") from error
        restart = header.kind == Kind.RESTART
        geometry = Geometry(0, 0, ()) if restart else self.geometry
        operations = read_operations(bytes(plain), width=geometry.width, height=geometry.height)
        if restart != (bool(operations) and isinstance(operations[0], Geometry)):
            raise ProtocolError("wire.screen_malformed")
        if any(isinstance(operation, Geometry) for operation in operations[1:]):
            raise ProtocolError("wire.screen_malformed")
        return operations

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """Red, green and blue at a place."""
        at = (y * self.geometry.width + x) * 4
        blue, green, red = self.picture[at : at + 3]
        return red, green, blue

    # -- inside -------------------------------------------------------------------------------------------------

    def _apply(self, operation: Operation) -> None:
        match operation:
            case Geometry():
                self.geometry = operation
                self.picture = bytearray(operation.width * operation.height * 4)
            case Painting(Op.FILL, x, y, w, h, data):
                self._paint(x, y, w, h, bytes(data) * (w * h))
            case Painting(Op.JPEG, x, y, w, h, data):
                if self._jpeg is not None:
                    self._paint(x, y, w, h, self._jpeg(bytes(data), w, h))
            case Painting(_, x, y, w, h, data):
                self._paint(x, y, w, h, data)
            case Indexed(x, y, w, h):
                self._paint(x, y, w, h, unpack_indexes(operation))
            case Copy(x, y, w, h, from_x, from_y):
                self._paint(x, y, w, h, self._region(from_x, from_y, w, h))
            case Cursor():
                self.cursor = operation
            case Pointer():
                self.pointer = operation
            case Rate():
                self.rate = operation

    def _region(self, x: int, y: int, w: int, h: int) -> bytes:
        stride = self.geometry.width * 4
        view = memoryview(self.picture)
        return b"".join(view[at : at + w * 4] for at in range(y * stride + x * 4, (y + h) * stride, stride))

    def _paint(self, x: int, y: int, w: int, h: int, pixels: bytes | memoryview) -> None:
        stride, row = self.geometry.width * 4, w * 4
        to = y * stride + x * 4
        for at in range(0, row * h, row):
            self.picture[to : to + row] = pixels[at : at + row]
            to += stride


def unpack_indexes(indexed: Indexed) -> bytes:
    """The pixels of a PALETTE operation, 4 bytes each. Raises ProtocolError for an index without a colour."""
    bits = indexed.bits
    colours = [bytes(indexed.colours[at : at + 4]) for at in range(0, len(indexed.colours), 4)]
    mask = (1 << bits) - 1
    shifts = range(8 - bits, -1, -bits)
    try:
        pixels = [colours[byte >> shift & mask] for byte in indexed.indexes for shift in shifts]
    except IndexError as error:
        # The last byte's filling is zeros, so that every index has to have a colour.
        raise ProtocolError("wire.screen_malformed") from error
    return b"".join(pixels[: indexed.w * indexed.h])
