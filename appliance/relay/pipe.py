"""One channel to another, frame by frame: files, tunnels, and whatever else nobody here looks into.

The sender's credit is what the receiver's connection has really taken, so that a reader that stalls holds at most one
window of bytes here.
"""

from __future__ import annotations

from appliance.relay.link import Port
from appliance.wire.frames import Flag
from appliance.wire.messages import Refusal


class Owed:
    """Bytes that came from a port and were not granted to it again yet."""

    __slots__ = ("_size", "_source")

    def __init__(self, source: Port) -> None:
        self._source = source
        self._size = 0

    def add(self, size: int) -> None:
        """`size` more came in."""
        self._size += size

    def settle(self, waiting: int) -> None:
        """Grant all but `waiting` bytes, which have not gone on."""
        if self._size > waiting:
            self._source.consumed(self._size - waiting)
            self._size = waiting


class Pipe:
    """Joins two ports, both ways; when one closes, so does the other."""

    def __init__(self, one: Port, other: Port) -> None:
        for source, target in ((one, other), (other, one)):
            self._join(source, target)

    def _join(self, source: Port, target: Port) -> None:
        owed = Owed(source)

        def on_data(payload: memoryview | bytes, flags: Flag) -> None:
            owed.add(len(payload))
            target.send(payload, flags)

        def on_sent() -> None:
            owed.settle(target.queued)

        def on_closed(refusal: Refusal | None) -> None:
            target.close(refusal)

        source.on_data, target.on_sent, source.on_closed = on_data, on_sent, on_closed
