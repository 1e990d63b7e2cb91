"""How much is given to the network at once.

Little keeps a key press from waiting behind what was given before it; much costs less CPU a byte. So as much as the
link has lately been taking in a few milliseconds.
"""

from __future__ import annotations

SMALLEST = 16 * 1024
LARGEST = 256 * 1024
DELAY_SECONDS = 0.005
"""What a batch may take, and so what it may add to a key press."""
MEMORY = 0.9
"""How much of the past counts against the newest batch."""


class Pace:
    """`size`: bytes for the next `Connection.data_to_send`."""

    __slots__ = ("_bytes", "_seconds", "size")

    def __init__(self) -> None:
        self.size = SMALLEST
        self._bytes = 0.0
        self._seconds = 0.0

    def took(self, size: int, seconds: float) -> None:
        """The link took a batch of `size` bytes in this time."""
        # Summed before they are divided: a batch that found room in the kernel's buffer was not sent in no time.
        self._bytes = self._bytes * MEMORY + size
        self._seconds = self._seconds * MEMORY + seconds
        fits = DELAY_SECONDS * self._bytes / max(self._seconds, 1e-6)
        self.size = int(min(LARGEST, max(SMALLEST, fits)))
