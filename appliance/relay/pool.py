"""Receive buffers, lent only while there are bytes to read, so that an idle connection costs none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

BUFFER_SIZE = 256 * 1024
KEPT = 8


class BufferPool:
    """Lends buffers of BUFFER_SIZE bytes; keeps up to `kept` of those that came back."""

    def __init__(self, size: int = BUFFER_SIZE, kept: int = KEPT) -> None:
        self._size = size
        self._kept = kept
        self._free: list[memoryview] = []

    @contextmanager
    def lend(self) -> Iterator[memoryview]:
        """A buffer for the time of a `with`; nothing may keep a view of it."""
        buffer = self._free.pop() if self._free else memoryview(bytearray(self._size))
        try:
            yield buffer
        finally:
            if len(self._free) < self._kept:
                self._free.append(buffer)
