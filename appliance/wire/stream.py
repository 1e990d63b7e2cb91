"""What the wire runs on: an ordered, reliable stream of bytes, whoever provides it."""

from __future__ import annotations

from typing import Protocol


class WireStream(Protocol):
    """A byte stream whose reader waits without holding a buffer, so that an idle connection costs none."""

    @property
    def peer_address(self) -> str:
        """The peer's IP address as text, behind a listed proxy the proxied one."""
        ...

    async def wait_readable(self) -> None:
        """Return when `receive_now` may have something to give (bytes, or the end)."""
        ...

    def receive_now(self, into: memoryview) -> int | None:
        """Bytes put into `into`; 0 when the stream has ended; None when there is nothing yet.

        Raises trio.BrokenResourceError when the connection broke.
        """
        ...

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`. Raises trio.BrokenResourceError or trio.ClosedResourceError."""
        ...

    async def aclose(self) -> None:
        """Close, at once if the peer does not take part."""
        ...
