"""The database: one writer, readers beside it.

SQLite lets one connection write at a time, so there is one, used by one thread at a time, and nothing waits for a lock
that another connection holds. An acknowledged write is on the disk (WAL, synchronous=FULL). That costs an fsync, so
writes that queue up while one runs go into one transaction together, each in a savepoint of its own: one that fails
takes back what it did and hurts no other.

Readers have connections of their own, see the last commit, and are stopped when they run too long or when their
caller is cancelled.

The folder is locked while it is open. The lock file holds the process's number as long as the database is in use; if
it is still there at the next start, the last one ended badly, and the database is checked before it is used.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar, cast

import trio
from sqlite_utils import Database

from appliance.store.errors import StoreError, as_store_error, os_error_as_store_error
from appliance.store.migrate import is_current, migrate

T = TypeVar("T")

Hook = Callable[[Database], Callable[[], None] | None]
"""Runs in the writer's thread before each commit; what it returns runs there after that commit."""

READERS = 4
_STEPS_BETWEEN_LOOKS = 20_000  # of SQLite's virtual machine: a look at the clock about every millisecond


@dataclass
class _Write(Generic[T]):
    """One queued write and what became of it."""

    fn: Callable[[Database], T]
    done: bool = False
    result: T | None = None
    error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        self.done, self.result, self.error = True, None, error

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return cast(T, self.result)


@dataclass
class Store:
    """The open database in `folder`. Make it with `await Store.open(folder)`, end it with `await store.aclose()`."""

    folder: Path
    path: Path
    before_commit: list[Hook] = field(default_factory=list, repr=False)
    _lock: int = field(default=-1, repr=False)
    _db: Database | None = field(default=None, repr=False)
    _queue: list[_Write[object]] = field(default_factory=list, repr=False)
    _turn: trio.Lock = field(default_factory=trio.Lock, repr=False)
    _writer: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(1), repr=False)
    _readers: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(READERS), repr=False)
    _idle: list[Database] = field(default_factory=list, repr=False)
    _closed: bool = field(default=False, repr=False)

    @classmethod
    async def open(cls, folder: Path) -> Store:
        """Opens (and makes, where there is none) the database in `folder`, at this release's schema.

        Raises StoreError: store.in_use (another server has it), store.damaged, store.newer_schema, store.read_only,
        store.disk_full, store.unavailable.
        """
        store = cls(folder, folder / "beistand.db")
        await trio.to_thread.run_sync(store._open)
        return store

    @classmethod
    async def open_beside(cls, folder: Path) -> Store:
        """The same for a command on the device: works beside a running server, too, whose writes it waits for.

        Makes no database where there is none: StoreError store.none. Beside a server of another release, whose schema
        is not ours, it is store.in_use.
        """
        store = cls(folder, folder / "beistand.db")
        await trio.to_thread.run_sync(store._open_beside)
        return store

    async def write(self, fn: Callable[[Database], T]) -> T:
        """What `fn(db)` returns, after its changes are on the disk.

        `fn` runs in a thread and touches nothing but `db` (it may be run again after a rollback) and neither begins nor
        ends a transaction. If it raises, it has changed nothing, and the error is raised here. Raises StoreError when
        the database cannot be written (store.disk_full, store.read_only, …); nothing was changed then, and later
        writes work when the cause is gone. A caller cancelled while waiting does not know whether the write happened.
        """
        self._check_open()
        job: _Write[T] = _Write(fn)
        self._queue.append(cast(_Write[object], job))
        try:
            async with self._turn:
                if not job.done:  # otherwise it went along with an earlier caller's
                    batch, self._queue = self._queue, []
                    await trio.to_thread.run_sync(self._commit, batch, limiter=self._writer)
        finally:
            with suppress(ValueError):
                self._queue.remove(cast(_Write[object], job))
        return job.outcome()

    async def read(self, fn: Callable[[Database], T], *, seconds: float = 5.0) -> T:
        """What `fn(db)` returns, from one snapshot; `db` cannot be written.

        Raises StoreError store.too_slow after `seconds`, store.damaged and the like. `fn` returns data, not cursors.
        """
        self._check_open()
        return await trio.to_thread.run_sync(self._read, fn, time.monotonic() + seconds, limiter=self._readers)

    async def backup(self, path: Path, progress: Callable[[int, int], None] | None = None) -> None:
        """Copies the database to `path` while it is in use; readable by us only.

        `progress(done, total)` is called from a thread, in pages. Raises StoreError (about `path`), FileExistsError.
        A backup that was cancelled or failed leaves no file.
        """
        self._check_open()
        await trio.to_thread.run_sync(self._backup, path, progress, limiter=self._readers)

    async def aclose(self) -> None:
        """Waits for what is being written, then closes. Later calls raise StoreError store.unavailable."""
        if not self._closed:
            self._closed = True  # readers see it and stop
            with trio.CancelScope(shield=True):
                for _ in range(READERS):
                    await self._readers.acquire_on_behalf_of(object())
                async with self._turn:
                    await trio.to_thread.run_sync(self._close, limiter=self._writer)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("store.unavailable", path=str(self.path))

    # -- in threads -------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreError("store.in_use", path=str(self.folder)) from None
            ended_badly = bool(os.pread(self._lock, 32, 0).strip())
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            os.pwrite(self._lock, b"%d\n" % os.getpid(), 0)
            self._db = self._open_writer(check=ended_badly)
        except BaseException as error:
            self._release(clean=False)
            if isinstance(error, OSError):
                raise os_error_as_store_error(error, self.folder) from error
            raise

    def _open_beside(self) -> None:
        if not self.path.exists():
            raise StoreError("store.none", path=str(self.folder))
        try:
            self._open()
        except StoreError as error:
            if error.code != "store.in_use":
                raise
            self._db = self._open_writer(check=False, alone=False)

    def _open_writer(self, *, check: bool, alone: bool = True) -> Database:
        db = None
        try:
            db = connect(self.path)
            if check and db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise StoreError("store.damaged", path=str(self.path))
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA journal_size_limit = 16777216")
            if alone:
                migrate(db)
            elif not is_current(db):
                raise StoreError("store.in_use", path=str(self.folder))
        except BaseException as error:
            if db is not None:
                db.close()
            if isinstance(error, sqlite3.Error) and (known := as_store_error(error, self.path)):
                raise known from error
            raise
        return db

    def _commit(self, batch: list[_Write[object]]) -> None:
        for write in batch:
            write.done = True
        try:
            after = self._transact(batch)
        except BaseException as error:  # the transaction is gone, and with it all that its members did
            if len(batch) > 1:
                for write in batch:
                    self._commit([write])
                return
            known = as_store_error(error, self.path) if isinstance(error, sqlite3.Error) else None
            if known is not None:
                known.__cause__ = error
            batch[0].fail(known or error)
            return
        for act in after:
            act()

    def _transact(self, batch: list[_Write[object]]) -> list[Callable[[], None]]:
        db = self._db
        if db is None:
            raise StoreError("store.unavailable", path=str(self.path))  # closed while they waited
        db.conn.execute("BEGIN IMMEDIATE")  # a command may write beside us: wait here, not in the middle
        try:
            for write in batch:
                write.error = None
                try:
                    with db.atomic():
                        write.result = write.fn(db)
                except Exception as error:
                    broken = isinstance(error, sqlite3.Error) and as_store_error(error, self.path)
                    if broken or not db.conn.in_transaction:
                        raise
                    write.fail(error)
            after = [act for hook in self.before_commit if (act := hook(db)) is not None]
            db.conn.execute("COMMIT")
        except BaseException:
            db.rollback()
            raise
        return after

    def _read(self, fn: Callable[[Database], T], deadline: float) -> T:
        try:
            db = self._idle.pop() if self._idle else connect(self.path, read_only=True)
            try:
                db.conn.set_progress_handler(partial(self._must_stop, deadline), _STEPS_BETWEEN_LOOKS)
                with db.atomic():
                    return fn(db)
            finally:
                db.conn.set_progress_handler(None, 0)
                self._idle.append(db)
        except sqlite3.Error as error:
            trio.from_thread.check_cancelled()
            if known := as_store_error(error, self.path):
                raise known from error
            raise

    def _must_stop(self, deadline: float) -> bool:
        try:
            trio.from_thread.check_cancelled()
        except trio.Cancelled:
            return True
        return self._closed or time.monotonic() > deadline

    def _backup(self, path: Path, progress: Callable[[int, int], None] | None) -> None:
        def look(_status: int, remaining: int, total: int) -> None:
            trio.from_thread.check_cancelled()
            self._check_open()
            if progress is not None:
                progress(total - remaining, total)

        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            raise
        except OSError as error:
            raise os_error_as_store_error(error, path) from error
        try:
            # A reader's snapshot: a backup that begins anew with each commit would never end on a busy server.
            source, target = connect(self.path, read_only=True), connect(path)
            try:
                target.execute("PRAGMA journal_mode = OFF")  # there is nothing in it to go back to
                with source.atomic():
                    source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                    source.conn.backup(target.conn, pages=256, progress=look, sleep=0)
                # One file that says by itself all it holds, without a log beside it.
                target.execute("PRAGMA journal_mode = DELETE")
            finally:
                target.close()
                source.close()
            _sync(path)
        except BaseException as error:
            for suffix in ("", "-journal", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            if isinstance(error, sqlite3.Error) and (known := as_store_error(error, path)):
                raise known from error
            raise

    def _close(self) -> None:
        while self._idle:
            self._idle.pop().close()
        clean = False
        try:
            if self._db is not None:
                self._db.close()
                self._db = None
            clean = True
        finally:
            self._release(clean=clean)

    def _release(self, *, clean: bool) -> None:
        if self._lock >= 0:
            if clean:
                with suppress(OSError):
                    os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = -1


def connect(path: Path, *, read_only: bool = False, busy_seconds: float = 10.0) -> Database:
    """A connection with the settings that all of ours have. Waits up to `busy_seconds` for a command that writes beside
    us. Raises sqlite3.Error.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}",
        uri=True,
        timeout=busy_seconds,
        check_same_thread=False,  # one thread at a time, but not always the same one
        cached_statements=256,
    )
    try:
        db = Database(connection, execute_plugins=False, strict=True)
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA trusted_schema = OFF")
    except BaseException:
        connection.close()
        raise
    return db


def _sync(path: Path) -> None:
    for what in (path, path.parent):
        descriptor = os.open(what, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
