"""The recording file, `SESSION.bsr`: what was relayed, with a clock, in segments that are chained and signed.

::

    "BSTREC1\\n"  length u32  header (JSON of Header)
    segment*:
        "SEGM"  number u32  from u32  to u32  flags u8  length u32     times in ms since the header's `started_at`
        length bytes of records
        hash       32       SHA-256 of (the hash before, the 21 bytes of the segment's head, its records)
        signature  64       Ed25519 by the header's `public_key` over SIGNED + hash
    "BSTREND\\n"  offset u64: where the last segment begins; only in a closed recording

All numbers are big endian. The first "hash before" is SHA-256 of everything in front of the first segment. Flags: 1 the
segment begins with a restart point of the screen (a player can begin there), 2 it is the last one. A record is::

    kind u8  at u32  flags u8  length u32  data

    SCREEN   one frame of the screen channel, with its flags (1 FIN, 2 RESTART)
    EVENT    JSON: {"kind": "control.taken", …}
    CHAT     JSON: a chat message
    INDEX    JSON of Index; the last segment's only record but the closing event

Whoever changes, cuts out or reorders anything breaks the chain; whoever makes a new chain lacks the key. A recording
without its end was cut: by a crash (then at most the last second is lost), or by somebody.
"""

from __future__ import annotations

import enum
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

MAGIC = b"BSTREC1\n"
END_MAGIC = b"BSTREND\n"
SIGNED = b"beistand recording 1\0"
SUFFIX = ".bsr"
SEGMENT = struct.Struct(">4sIIIBI")
RECORD = struct.Struct(">BIBI")
FOOTER = struct.Struct(">8sQ")
SEAL_SIZE = 32 + 64
MAX_HEADER = 64 * 1024
MAX_BODY = 8 * 1024 * 1024
"""Bytes of a segment's records; what a reader has to hold."""
_SEGMENT_MAGIC = b"SEGM"
_LENGTH = struct.Struct(">I")


class SegmentFlag(enum.IntFlag):
    """Flags of a segment."""

    RESTART = 1
    END = 2


class RecordKind(enum.IntEnum):
    """Kinds of records; a reader skips those it does not know."""

    SCREEN = 1
    EVENT = 2
    CHAT = 3
    INDEX = 4


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a recording is of. `started_at`: seconds since 1970; `meta`: whatever its maker wants shown."""

    session: Annotated[str, msgspec.Meta(max_length=64)]
    started_at: float
    public_key: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    version: int = 1
    meta: dict[str, object] = {}


class EventEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the index of events; `at` in ms."""

    at: int
    kind: str
    details: dict[str, object] = {}


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """Where to begin playing, and what happened when. `restarts`: (ms, offset of the segment in the file)."""

    duration: int
    restarts: list[tuple[int, int]]
    events: list[EventEntry]


class FormatError(Exception):
    """The bytes are no recording, or damaged. `offset`: where in the file."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"damaged at byte {offset}")
        self.offset = offset


class TornError(FormatError):
    """The file ends in the middle of something."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment as it stands in the file, its seal not checked."""

    offset: int
    number: int
    begins: int
    ends: int
    flags: SegmentFlag
    head: bytes
    body: bytes
    hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """One record; `at` in ms."""

    kind: int
    at: int
    flags: int
    data: bytes


def pack_header(header: Header) -> bytes:
    """The file's beginning."""
    encoded = msgspec.json.encode(header)
    if len(encoded) > MAX_HEADER:
        raise ValueError("the recording's header is too long")
    return MAGIC + _LENGTH.pack(len(encoded)) + encoded


def pack_record(kind: RecordKind, at: int, data: bytes | memoryview, flags: int = 0) -> bytes:
    """One record; `at` in ms."""
    return RECORD.pack(kind, at, flags, len(data)) + data


def pack_head(number: int, begins: int, ends: int, flags: SegmentFlag, length: int) -> bytes:
    """A segment's head."""
    return SEGMENT.pack(_SEGMENT_MAGIC, number, begins, ends, flags, length)


def chain(previous: bytes, head: bytes, body: bytes) -> bytes:
    """A segment's hash."""
    digest = hashlib.sha256(previous)
    digest.update(head)
    digest.update(body)
    return digest.digest()


class RecordingFile:
    """An open recording, read in bounded pieces. Raises FormatError or TornError for what is not one, and OSError."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            self.size = self._file.seek(0, 2)
            self._file.seek(0)
            begin = self._read(0, len(MAGIC) + _LENGTH.size)
            length = _LENGTH.unpack(begin[len(MAGIC) :])[0]
            if not begin.startswith(MAGIC) or length > MAX_HEADER:
                raise FormatError(0)
            encoded = self._read(len(begin), length)
            try:
                self.header = msgspec.json.decode(encoded, type=Header)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise FormatError(len(begin)) from error
            self.first = len(begin) + length
            self.seed = hashlib.sha256(begin + encoded).digest()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> RecordingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        data = self._file.read(size)
        if len(data) < size:
            raise TornError(offset)
        return data

    def segment(self, offset: int) -> Segment:
        """The segment at `offset`."""
        head = self._read(offset, SEGMENT.size)
        magic, number, begins, ends, flags, length = SEGMENT.unpack(head)
        if magic != _SEGMENT_MAGIC or length > MAX_BODY:
            raise FormatError(offset)
        rest = self._read(offset + SEGMENT.size, length + SEAL_SIZE)
        seal = rest[length:]
        flag = SegmentFlag(flags & 3)
        return Segment(offset, number, begins, ends, flag, head, rest[:length], seal[:32], seal[32:])

    def segments(self) -> Iterator[Segment]:
        """All segments in order, up to the end of the file or the footer."""
        offset = self.first
        while offset < self.size:
            if self.size - offset == FOOTER.size and self._read(offset, len(END_MAGIC)) == END_MAGIC:
                return
            segment = self.segment(offset)
            yield segment
            offset = end_of(segment)

    def last_segment(self) -> Segment | None:
        """The segment that closes the recording, by the footer; None when it was not closed."""
        if self.size < self.first + FOOTER.size:
            return None
        magic, offset = FOOTER.unpack(self._read(self.size - FOOTER.size, FOOTER.size))
        if magic != END_MAGIC:
            return None
        if not self.first <= offset < self.size:
            raise FormatError(self.size - FOOTER.size)
        segment = self.segment(offset)
        if not segment.flags & SegmentFlag.END:
            raise FormatError(offset)
        return segment


def end_of(segment: Segment) -> int:
    """The offset after a segment."""
    return segment.offset + SEGMENT.size + len(segment.body) + SEAL_SIZE


def records(body: bytes, offset: int = 0) -> Iterator[Record]:
    """The records of a segment that begins at `offset`. Raises FormatError."""
    at = 0
    while at < len(body):
        if at + RECORD.size > len(body):
            raise FormatError(offset + at)
        kind, time, flags, length = RECORD.unpack_from(body, at)
        at += RECORD.size
        if at + length > len(body):
            raise FormatError(offset + at)
        yield Record(kind, time, flags, body[at : at + length])
        at += length
