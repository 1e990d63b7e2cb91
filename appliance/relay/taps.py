"""What the relay hands to a recorder. None of it waits or raises; a recorder that cannot go on says so in `failed`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec


class Recorder(Protocol):
    """One session's recording (relay.recording.Recording). Times are seconds since 1970."""

    failed: str | None
    """A message id that says why nothing is recorded any more; None while all is well."""

    def screen(self, data: bytes | memoryview, flags: int, at: float) -> None:
        """A frame of the screen channel, as relayed."""
        ...

    def event(self, kind: str, at: float, **details: object) -> None:
        """Something for the index."""
        ...

    def chat(self, message: msgspec.Struct, at: float) -> None:
        """A chat message."""
        ...

    async def flush(self) -> None:
        """Wait until everything given so far is on the disk."""
        ...

    async def close(self, reason: str) -> None:
        """The session is over; `reason` is a message id."""
        ...


RecorderFactory = Callable[[Path, Mapping[str, object]], Recorder]
"""Opens (or after a restart goes on with) a recording in a folder; the mapping has `session` and `started_at`, and what
else is to be known of it. Called in a thread. May raise OSError, ValueError or StoreError."""
