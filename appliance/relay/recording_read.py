"""Reading recordings: whether they are what was recorded, and what a player needs."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.relay.recording_format import (
    SIGNED,
    SUFFIX,
    EventEntry,
    FormatError,
    Index,
    Record,
    RecordingFile,
    RecordKind,
    Segment,
    SegmentFlag,
    TornError,
    chain,
    end_of,
    records,
)

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
MAX_RANGE = 4 * 1024 * 1024
"""Bytes given out at once."""


class Status(enum.StrEnum):
    """What `verify` found; the values are message ids under `recording.verify.`."""

    COMPLETE = "complete"
    CUT_SHORT = "cut_short"
    DAMAGED = "damaged"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Verification:
    """The result: `seconds` and `segments` are what is good from the beginning, `offset` is where the good part ends.

    COMPLETE: closed and unchanged. CUT_SHORT: unchanged, but its end is missing. DAMAGED: something was edited, cut out
    or reordered. FOREIGN: unchanged, but not recorded by the appliance whose key was given.
    """

    status: Status
    seconds: float
    segments: int
    offset: int

    @property
    def ok(self) -> bool:
        """Whether everything that was recorded is there as it was recorded."""
        return self.status is Status.COMPLETE


def recording_path(folder: Path, session: str) -> Path:
    """Where a session's recording is. Raises ValueError for what is no id."""
    if not _ID.fullmatch(session):
        raise ValueError("not a session's id")
    return folder / (session + SUFFIX)


def verify(path: Path, public_key: bytes | None = None) -> Verification:
    """Check a recording from beginning to end; `public_key`: the appliance's (32 bytes), where it is known.

    Raises OSError when it cannot be read. Reads the whole file: call it in a thread.
    """
    try:
        with RecordingFile(path) as file:
            return _verify(file, public_key)
    except FormatError as error:
        return Verification(Status.DAMAGED, 0.0, 0, error.offset)


def _verify(file: RecordingFile, public_key: bytes | None) -> Verification:
    key = Ed25519PublicKey.from_public_bytes(file.header.public_key)
    previous, count, at, offset, closed = file.seed, 0, 0, file.first, False
    status = Status.DAMAGED
    try:
        for segment in file.segments():
            fits = not closed and segment.number == count and at <= segment.begins <= segment.ends
            if not fits or segment.hash != chain(previous, segment.head, segment.body):
                break
            key.verify(segment.signature, SIGNED + segment.hash)
            previous, at, offset, count = segment.hash, segment.ends, end_of(segment), count + 1
            closed = bool(segment.flags & SegmentFlag.END)
        else:
            footer = file.last_segment()
            if closed:
                status = Status.COMPLETE if footer is not None and end_of(footer) == offset else Status.CUT_SHORT
            elif footer is None:
                status = Status.CUT_SHORT
    except TornError:
        status = Status.DAMAGED if closed else Status.CUT_SHORT
    except (FormatError, InvalidSignature):
        pass
    if status is Status.COMPLETE and public_key is not None and public_key != file.header.public_key:
        status = Status.FOREIGN
    return Verification(status, at / 1000, count, offset)


class RecordingView(msgspec.Struct, frozen=True, kw_only=True):
    """What the player begins with. `size`: bytes to ask for in ranges; `first`: where the first segment is; times in
    ms, `started_at` in seconds since 1970; `closed`: the recording has its end."""

    session: str
    started_at: float
    meta: dict[str, object]
    size: int
    first: int
    duration: int
    restarts: list[tuple[int, int]]
    events: list[EventEntry]
    closed: bool


def view(path: Path) -> RecordingView:
    """The index of a recording. Raises FormatError and OSError.

    Quick for a closed recording; one that is not is read whole, up to where it is torn. Call it in a thread.
    """
    with RecordingFile(path) as file:
        end = file.last_segment()
        index = _stored_index(end) if end is not None else None
        size = end.offset if end is not None else file.size
        if index is None:
            index, size = _made_index(file)
        header = file.header
        return RecordingView(
            session=header.session,
            started_at=header.started_at,
            meta=header.meta,
            size=size,
            first=file.first,
            duration=index.duration,
            restarts=index.restarts,
            events=index.events,
            closed=end is not None,
        )


def read_range(path: Path, offset: int, length: int) -> bytes:
    """At most MAX_RANGE bytes of the file. Raises OSError; ValueError for a negative number."""
    if offset < 0 or length < 0:
        raise ValueError("a range begins and ends inside the file")
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(min(length, MAX_RANGE))


def _stored_index(end: Segment) -> Index | None:
    for record in records(end.body, end.offset):
        if record.kind == RecordKind.INDEX:
            try:
                return msgspec.json.decode(record.data, type=Index)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise FormatError(end.offset) from error
    return None


def _made_index(file: RecordingFile) -> tuple[Index, int]:
    """The index of a recording without its end, and where its whole segments end."""
    maker = IndexMaker()
    offset = file.first
    try:
        for segment in file.segments():
            maker.segment(segment.offset, segment.begins, segment.ends, segment.flags)
            for record in records(segment.body, segment.offset):
                maker.record(record)
            offset = end_of(segment)
    except TornError:
        pass
    return maker.index, offset


class IndexMaker:
    """Collects an index while a recording is written or read."""

    def __init__(self) -> None:
        self._duration = 0
        self._restarts: list[tuple[int, int]] = []
        self._events: list[EventEntry] = []

    def segment(self, offset: int, begins: int, ends: int, flags: SegmentFlag) -> None:
        """A segment is at `offset`."""
        self._duration = max(self._duration, ends)
        if flags & SegmentFlag.RESTART:
            self._restarts.append((begins, offset))

    def record(self, record: Record) -> None:
        """A record is in it; what is neither an event nor chat, or not readable, is nothing to the index."""
        if record.kind not in (RecordKind.EVENT, RecordKind.CHAT):
            return
        try:
            details = msgspec.json.decode(record.data, type=dict[str, object])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        kind = "chat" if record.kind == RecordKind.CHAT else str(details.pop("kind", ""))
        self._events.append(EventEntry(at=record.at, kind=kind, details=details))

    def end(self, at: int, reason: str) -> None:
        """The recording is closed."""
        self._duration = max(self._duration, at)
        self._events.append(EventEntry(at=at, kind="end", details={"reason": reason}))

    @property
    def index(self) -> Index:
        """What was collected."""
        return Index(duration=self._duration, restarts=self._restarts, events=self._events)
