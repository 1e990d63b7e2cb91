"""Recording a session: what the relay passes on is written down as it is, with the time it was passed on.

The relay is never held up. It gives bytes, which gather in memory and become a segment once a second or once they are
many; one thread for all recordings chains, signs and writes them. If the disk is full or too slow, the recording has
failed, says so, and the session goes on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from appliance.relay.recording_format import (
    END_MAGIC,
    FOOTER,
    SEAL_SIZE,
    SIGNED,
    FormatError,
    Header,
    RecordingFile,
    RecordKind,
    SegmentFlag,
    TornError,
    chain,
    end_of,
    pack_head,
    pack_header,
    pack_record,
    records,
)
from appliance.relay.recording_read import IndexMaker, recording_path
from appliance.store.key_file import load_or_make
from appliance.wire.frames import Flag

KEY_FILE = "signing.key"
SEAL_BYTES = 256 * 1024
SEAL_SECONDS = 1.0
"""What is in memory no longer than this is what a crash can lose."""
MAX_PENDING = 32 * 1024 * 1024
"""Bytes waiting for the disk at which a recording has failed."""


def public_key(folder: Path) -> bytes:
    """The key (32 bytes) that checks recordings made in this folder. Raises StoreError."""
    return _public(_key(folder))


def _key(folder: Path) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(load_or_make(folder / KEY_FILE, 32))


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


@dataclass(slots=True)
class _Open:
    """Records that are no segment yet."""

    flags: SegmentFlag
    begins: int
    ends: int
    since: float  # monotonic
    records: list[bytes]
    size: int = 0


class Recording:
    """One session's recording. Times (`at`) are seconds since 1970. Used from trio; only `flush` and `close` wait."""

    def __init__(self, folder: Path, session: str, started_at: float, meta: Mapping[str, object]) -> None:
        self.path = recording_path(folder, session)
        self.failed: str | None = None
        """Why nothing more is recorded: a message id under `recording.`."""
        self.head = ""
        """The last segment's hash in hex, once closed."""
        self._started_at = started_at
        self._file = _RecordingWriter(folder, self.path, session, started_at, dict(meta))
        self._lock = threading.Lock()
        self._open: _Open | None = None
        self._sealed: list[_Open] = []
        self._pending = 0
        self._latest = 0
        self._closing: str | None = None
        self._flushing = False
        self._done = False  # closed or failed, and given up by the writer
        self._idle = threading.Event()  # everything given so far is on the disk, or has failed
        _writer.add(self)

    @classmethod
    def open(cls, folder: Path, meta: Mapping[str, object]) -> Recording:
        """Begin a recording, or go on with the one that a crash has cut short.

        `folder` is made if needed. `meta`: JSON values, of which `session` (its id) and `started_at` (seconds since
        1970) have to be there. Raises ValueError for an id that is none.
        """
        started_at = meta["started_at"]
        if not isinstance(started_at, int | float):
            raise ValueError("started_at")
        rest = {key: value for key, value in meta.items() if key not in ("session", "started_at")}
        session = str(meta["session"])
        with contextlib.suppress(OSError, FormatError), RecordingFile(recording_path(folder, session)) as before:
            started_at = before.header.started_at
        return cls(folder, session, float(started_at), rest)

    def screen(self, data: bytes | memoryview, flags: int, at: float) -> None:
        """A frame of the screen channel."""
        self._add(RecordKind.SCREEN, bytes(data), at, int(flags))

    def event(self, kind: str, at: float, **details: object) -> None:
        """Something that belongs into the index, e.g. `control.taken`."""
        self._add(RecordKind.EVENT, msgspec.json.encode({"kind": kind, **details}), at)

    def chat(self, message: msgspec.Struct, at: float) -> None:
        """A chat message as the members see it."""
        self._add(RecordKind.CHAT, msgspec.json.encode(message), at)

    async def flush(self) -> None:
        """Wait until everything given so far is on the disk, or the recording has failed."""
        with self._lock:
            if self._done:
                return
            self._idle.clear()
            self._flushing = True
            self._seal()
        _writer.wake()
        await trio.to_thread.run_sync(self._idle.wait)

    async def close(self, reason: str) -> None:
        """End the recording: index, last signature, all on the disk. Nothing is recorded afterwards."""
        with self._lock:
            if self._closing is None:
                self._closing = reason
        await self.flush()

    # -- inside -------------------------------------------------------------------------------------------------

    def _add(self, kind: RecordKind, data: bytes, at: float, flags: int = 0) -> None:
        with self._lock:
            if self.failed is not None or self._closing is not None:
                return
            # The wall clock may be set back; the recording's never is.
            time_ms = self._latest = min(0xFFFFFFFF, max(self._latest, round((at - self._started_at) * 1000)))
            restart = kind is RecordKind.SCREEN and bool(flags & Flag.RESTART)
            if restart:
                self._seal()
            current = self._open
            if current is None:
                flag = SegmentFlag.RESTART if restart else SegmentFlag(0)
                current = self._open = _Open(flag, time_ms, time_ms, time.monotonic(), [])
            record = pack_record(kind, time_ms, data, flags)
            current.records.append(record)
            current.size += len(record)
            current.ends = time_ms
            self._pending += len(record)
            if self._pending > MAX_PENDING:
                self._fail("recording.too_slow")
            elif current.size >= SEAL_BYTES:
                self._seal()
            else:
                if len(current.records) == 1:
                    _writer.wake()
                return
        _writer.wake()

    def _seal(self) -> None:
        if self._open is not None:
            self._sealed.append(self._open)
            self._open = None

    def _fail(self, reason: str) -> None:
        self.failed = reason
        self._open, self._sealed, self._pending = None, [], 0

    def work(self, now: float) -> float | None:
        """In the writer's thread: write what is due. When to come again (monotonic); None when there is nothing."""
        with self._lock:
            if self._open is not None and now - self._open.since >= SEAL_SECONDS:
                self._seal()
            sealed, self._sealed = self._sealed, []
            closing = self._closing if not self._open else None
            flushing, self._flushing = self._flushing, False
        try:
            for segment in sealed:
                self._file.write(segment.flags, segment.begins, segment.ends, b"".join(segment.records))
            if closing is not None:
                self.head = self._file.close(self._latest, closing)
            elif flushing:
                self._file.sync()
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            with self._lock:
                self._fail("recording.disk_full" if full else "recording.write_failed")
        except (FormatError, ValueError):
            with self._lock:
                self._fail("recording.write_failed")
        with self._lock:
            self._pending -= min(self._pending, sum(segment.size for segment in sealed))
            if self.failed is not None or (closing is not None and not self._sealed):
                self._file.abandon()
                self._done = True
                _writer.remove(self)
            if not self._sealed and (self._open is None or self.failed is not None):
                self._idle.set()
            if self._sealed:
                return now
            return None if self._open is None else self._open.since + SEAL_SECONDS


class _RecordingWriter:
    """The file of one recording, in the writer's thread."""

    def __init__(self, folder: Path, path: Path, session: str, started_at: float, meta: dict[str, object]) -> None:
        self._folder = folder
        self._path = path
        self._session = session
        self._started_at = started_at
        self._meta = meta
        self._descriptor = -1
        self._offset = 0
        self._number = 0
        self._ends = 0
        self._hash = b""
        self._index = IndexMaker()

    def write(self, flags: SegmentFlag, begins: int, ends: int, body: bytes) -> None:
        """Append one segment. Raises OSError; nothing half is left in the file."""
        if self._descriptor < 0:
            self._begin()
        # A recording that goes on after the clock was set back must not go back either.
        begins = max(begins, self._ends)
        ends = self._ends = max(begins, ends)
        head = pack_head(self._number, begins, ends, flags, len(body))
        digest = chain(self._hash, head, body)
        self._append(head + body + digest + self._key.sign(SIGNED + digest))
        self._index.segment(self._offset, begins, ends, flags)
        for record in records(body):
            self._index.record(record)
        self._hash = digest
        self._number += 1
        self._offset += len(head) + len(body) + SEAL_SIZE

    def sync(self) -> None:
        """Everything written is on the disk when this returns."""
        if self._descriptor >= 0:
            os.fdatasync(self._descriptor)

    def close(self, at: int, reason: str) -> str:
        """Append the index and the end; the last hash in hex."""
        if self._descriptor < 0:
            self._begin()
        at, last = max(at, self._ends), self._offset
        event = pack_record(RecordKind.EVENT, at, msgspec.json.encode({"kind": "end", "reason": reason}))
        # The index tells of the end as well, though not of the segment in which it stands.
        self._index.end(at, reason)
        index = pack_record(RecordKind.INDEX, at, msgspec.json.encode(self._index.index))
        self.write(SegmentFlag.END, at, at, event + index)
        self._append(FOOTER.pack(END_MAGIC, last))
        os.fsync(self._descriptor)
        return self._hash.hex()

    def abandon(self) -> None:
        """Close the file as it is."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._offset)
            raise

    def _begin(self) -> None:
        """Make the file, or take up the one that is there."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._key = _key(self._folder)
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        try:
            if os.fstat(descriptor).st_size:
                self._resume(descriptor)
            else:
                header = Header(
                    session=self._session,
                    started_at=self._started_at,
                    public_key=_public(self._key),
                    meta=self._meta,
                )
                begin = pack_header(header)
                os.write(descriptor, begin)
                self._offset, self._hash = len(begin), chain(begin, b"", b"")
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _resume(self, descriptor: int) -> None:
        """Go on after the last whole segment of a recording that was not closed."""
        with RecordingFile(self._path) as file:
            if file.last_segment() is not None or file.header.public_key != _public(self._key):
                raise FormatError(0)
            self._offset, self._hash = file.first, file.seed
            with contextlib.suppress(TornError):
                for segment in file.segments():
                    self._index.segment(segment.offset, segment.begins, segment.ends, segment.flags)
                    for record in records(segment.body, segment.offset):
                        self._index.record(record)
                    self._offset, self._hash, self._number = end_of(segment), segment.hash, segment.number + 1
                    self._ends = segment.ends
        os.ftruncate(descriptor, self._offset)
        os.lseek(descriptor, self._offset, os.SEEK_SET)


class _Writer:
    """The thread that writes all recordings; it lives while there are any."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._recordings: set[Recording] = set()
        self._woken = False
        self._running = False

    def add(self, recording: Recording) -> None:
        with self._condition:
            self._recordings.add(recording)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="recordings", daemon=True).start()

    def remove(self, recording: Recording) -> None:
        with self._condition:
            self._recordings.discard(recording)

    def wake(self) -> None:
        with self._condition:
            self._woken = True
            self._condition.notify()

    def _run(self) -> None:
        due: float | None = None
        while True:
            with self._condition:
                if not self._woken:
                    self._condition.wait(None if due is None else max(0.0, due - time.monotonic()))
                self._woken = False
                recordings = list(self._recordings)
                if not recordings:
                    self._running = False
                    return
            times = [again for again in (item.work(time.monotonic()) for item in recordings) if again is not None]
            due = min(times, default=None)


_writer = _Writer()
