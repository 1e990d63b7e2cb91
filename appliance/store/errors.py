"""StoreError, and which SQLite and operating system errors it stands for."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path


class StoreError(Exception):
    """The database cannot be used, and why.

    `code` is a message id of the catalogue: `store.damaged`, `store.read_only`, `store.in_use`, `store.newer_schema`,
    `store.disk_full`, `store.too_slow`, `store.none`, `store.unavailable`; `args` are the message's arguments.
    """

    def __init__(self, code: str, **args: str | int) -> None:
        super().__init__(code, args)
        self.code = code
        self.message_args = args

    def __str__(self) -> str:
        return f"{self.code} {self.message_args}" if self.message_args else self.code


_BY_SQLITE_CODE = {
    sqlite3.SQLITE_FULL: "store.disk_full",
    sqlite3.SQLITE_READONLY: "store.read_only",
    sqlite3.SQLITE_PERM: "store.read_only",
    sqlite3.SQLITE_CORRUPT: "store.damaged",
    sqlite3.SQLITE_NOTADB: "store.damaged",
    sqlite3.SQLITE_INTERRUPT: "store.too_slow",
    sqlite3.SQLITE_BUSY: "store.unavailable",
    sqlite3.SQLITE_LOCKED: "store.unavailable",
    sqlite3.SQLITE_IOERR: "store.unavailable",
    sqlite3.SQLITE_CANTOPEN: "store.unavailable",
}

_BY_ERRNO = {
    errno.ENOSPC: "store.disk_full",
    errno.EDQUOT: "store.disk_full",
    errno.EROFS: "store.read_only",
    errno.EACCES: "store.read_only",
    errno.EPERM: "store.read_only",
}


def as_store_error(error: sqlite3.Error, path: Path) -> StoreError | None:
    """The StoreError that `error` means, or None where it is a bug (bad SQL, a broken constraint)."""
    code = getattr(error, "sqlite_errorcode", None)
    name = _BY_SQLITE_CODE.get(code & 0xFF) if code is not None else None
    if name == "store.damaged" and not _can_be_read(path):
        name = "store.unavailable"
    return StoreError(name, path=str(path)) if name else None


def os_error_as_store_error(error: OSError, path: object) -> StoreError:
    """The same for an operating system's error about a file in the data folder."""
    return StoreError(_BY_ERRNO.get(error.errno or 0, "store.unavailable"), path=str(path))


def _can_be_read(path: Path) -> bool:
    # SQLite calls a disk that answers no read a damaged database, too.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.pread(descriptor, 1, 0)
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return True
