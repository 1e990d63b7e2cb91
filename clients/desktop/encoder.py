"""Captures → the screen channel's messages.

What moved is copied, what is plain filled, text sent as a palette, video as JPEG, all else as pixels, in one zstd
stream that knows everything sent before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import zstandard

from appliance.wire import screen
from appliance.wire.screen import MAX_PLAIN, WINDOW_LOG, Kind
from clients.desktop.changes import Picture
from clients.desktop.motion import Motion
from clients.desktop.pacing import Delay
from clients.desktop.protocol import Capture, CursorShape, Layout, Patch
from clients.desktop.regions import Rect

PALETTE_PIXELS = 16384
"""Up to this size a region's colours are counted, at 30 ns a pixel."""
STRIP_BYTES = 1024 * 1024
"""A larger region is cut, so that messages stay small and a viewer begins to paint early."""
MIN_SCROLL = 48 * 64
_PARAMETERS = zstandard.ZstdCompressionParameters.from_level(
    1,
    window_log=WINDOW_LOG,
    hash_log=17,
    chain_log=17,
    min_match=5,
    strategy=zstandard.STRATEGY_DFAST,
    write_content_size=False,
    write_checksum=False,
    write_dict_id=False,
)
"""Level 1 with a second table of short matches: 5 % fewer bytes of text for a tenth more time."""
_DIGITS = b"0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the screen channel."""

    seq: int
    payload: bytes
    restart: bool


@dataclass(frozen=True, slots=True)
class Encoded:
    """What became of a capture; the times are in seconds."""

    messages: tuple[Message, ...]
    capture: float
    encode: float


class ScreenEncoder:
    """One screen channel's sending side. Used from one thread at a time."""

    def __init__(self) -> None:
        self._seq = 0
        self._picture = Picture(1, 1)
        self._zstd = _stream()
        self._motion = Motion()
        self._quarters = 4
        self._cursor: CursorShape | None = None
        self._pending: list[bytes | memoryview] = []
        self._size = 0
        self._messages: list[Message] = []
        self._kind = Kind.UPDATE

    @property
    def refine_at(self) -> float:
        """When something that was sent lossy is to be sent again lossless; infinite when nothing is."""
        return self._motion.refine_at

    def encode(
        self, capture: Callable[[], Capture], *, layout: Callable[[], Layout], restart: bool, now: float, delay: Delay
    ) -> Encoded:
        """Capture and encode. `restart`: `capture` gives the whole desktop, and the stream begins anew."""
        begin = time.perf_counter()
        captured = capture()
        encoding = time.perf_counter()
        self._messages = []
        if restart or captured.layout is not None:
            self._begin(captured.layout or layout())
            for patch in captured.patches:
                self._whole(patch)
        else:
            for patch in captured.patches:
                self._patch(patch, now)
            for rect in self._motion.settled(now):
                self._lossless(rect)
        self._rest(captured, delay)
        self._flush()
        return Encoded(tuple(self._messages), encoding - begin, time.perf_counter() - encoding)

    # -- regions ------------------------------------------------------------------------------------------------

    def _begin(self, layout: Layout) -> None:
        self._picture = Picture(layout.width, layout.height)
        self._motion.reset(layout.width, layout.height)
        self._zstd = _stream()
        self._kind = Kind.RESTART
        self._quarters = 4
        self._pending, self._size = [], 0
        self._put(screen.op_geometry(layout.width, layout.height, layout.monitors))
        if self._cursor is not None:
            self._put_cursor(self._cursor)

    def _whole(self, patch: Patch) -> None:
        rect = Rect(patch.x, patch.y, patch.w, patch.h)
        self._picture.take(patch, [rect])
        self._lossless(rect)

    def _patch(self, patch: Patch, now: float) -> None:
        rect = Rect(patch.x, patch.y, patch.w, patch.h)
        if rect.area >= MIN_SCROLL and not self._motion.is_lossy(rect):
            moved = self._picture.scrolled(patch)
            if moved is not None:
                to, from_y = moved
                self._picture.copy(to, from_y)
                self._put(screen.op_copy(*to, to.x, from_y))
        rects = self._picture.changes(patch)
        self._picture.take(patch, rects)
        for rect in rects:
            quality = self._motion.changed(rect, now, self._picture)
            image = self._motion.jpeg(self._picture, rect, quality) if quality else None
            if image is not None:
                self._put(screen.op_jpeg(*rect, image))
            else:
                self._lossless(rect)

    def _lossless(self, rect: Rect) -> None:
        """Put the picture's pixels of a region."""
        rows = max(1, STRIP_BYTES // (rect.w * 4))
        for y in range(rect.y, rect.y + rect.h, rows):
            strip = Rect(rect.x, y, rect.w, min(rows, rect.y + rect.h - y))
            pixels = self._picture.region(strip)
            if pixels[:4] == pixels[-4:] and pixels == bytes(pixels[:4]) * strip.area:
                self._put(screen.op_fill(*strip, bytes(pixels[:4])))
            elif strip.area > PALETTE_PIXELS or not self._palette(strip, pixels):
                # Copied, since the picture may change before the message is compressed.
                self._put(screen.op_pixels(*strip), bytes(pixels))

    def _palette(self, rect: Rect, pixels: bytes | memoryview) -> bool:
        """Put a region of few colours; False when it has too many."""
        values = memoryview(pixels).cast("B").cast("I")
        colours = sorted(set(values))
        if len(colours) > 16:
            return False
        digit = dict(zip(colours, _DIGITS, strict=False))
        digits = bytes(map(digit.__getitem__, values))
        bits = 1 if len(colours) <= 2 else 2 if len(colours) <= 4 else 4
        per_byte = 8 // bits
        digits = digits.ljust(-(-len(digits) // per_byte) * per_byte, b"0")
        packed = int(digits, 1 << bits).to_bytes(len(digits) // per_byte, "big")
        self._put(screen.op_palette(*rect, bits, b"".join(c.to_bytes(4, "little") for c in colours), packed))
        return True

    def _rest(self, capture: Capture, delay: Delay) -> None:
        """Put what is not the picture."""
        if capture.cursor is not None:
            self._cursor = capture.cursor
            self._put_cursor(capture.cursor)
        if capture.pointer is not None:
            self._put(screen.op_pointer(*(max(0, min(0xFFFF, place)) for place in capture.pointer)))
        if delay.quarters != self._quarters:
            self._quarters = delay.quarters
            self._put(screen.op_rate(delay.quarters, round(delay.seconds * 1000)))

    def _put_cursor(self, cursor: CursorShape) -> None:
        self._put(screen.op_cursor(cursor.hot_x, cursor.hot_y, cursor.w, cursor.h, cursor.pixels))

    # -- messages -----------------------------------------------------------------------------------------------

    def _put(self, *parts: bytes | memoryview) -> None:
        """Add one operation to the message, which is sent first where it would become too large."""
        size = sum(len(part) for part in parts)
        if self._size + size > MAX_PLAIN:
            self._flush()
        self._pending += parts
        self._size += size

    def _flush(self) -> None:
        """Make a message of what is pending."""
        if not self._pending:
            return
        zstd = self._zstd
        data = zstd.compress(b"".join(self._pending)) + zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        self._pending, self._size = [], 0
        self._seq = screen.next_seq(self._seq)
        header = screen.pack_header(self._kind, self._seq)
        self._messages.append(Message(self._seq, header + data, self._kind is Kind.RESTART))
        self._kind = Kind.UPDATE


def _stream() -> zstandard.ZstdCompressionObj:
    return zstandard.ZstdCompressor(compression_params=_PARAMETERS).compressobj()
