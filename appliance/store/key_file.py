"""Secret bytes in a file of their own in the data folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from appliance.store.errors import StoreError, os_error_as_store_error


def load_or_make(path: Path, size: int) -> bytes:
    """The `size` secret bytes in `path`; where there is no such file, random ones, on the disk before this returns.

    The file can be read by us only. Raises StoreError, store.damaged for a file of another size.
    """
    try:
        if not path.exists():
            _make(path, secrets.token_bytes(size))
        data = path.read_bytes()
    except OSError as error:
        raise os_error_as_store_error(error, path) from error
    if len(data) != size:
        raise StoreError("store.damaged", path=str(path))
    return data


def _make(path: Path, data: bytes) -> None:
    # Written under another name and linked into place: a power cut leaves no half key, and of two makers one wins.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        draft.unlink(missing_ok=True)
