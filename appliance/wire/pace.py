"""How much is given to the network at once.

Little keeps a key press from waiting behind what was given before it; much costs less CPU a byte. So on a link that
takes a batch at once the next one may be larger, and on one that takes long it is smaller.
"""

from __future__ import annotations

SMALLEST = 16 * 1024
LARGEST = 256 * 1024
QUICK_SECONDS = 0.004
SLOW_SECONDS = 0.02


class Pace:
    """`size`: bytes for the next `Connection.data_to_send`."""

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = SMALLEST

    def took(self, size: int, seconds: float) -> None:
        """A batch of `size` bytes was taken in this time. A small one says nothing about the link."""
        if seconds > SLOW_SECONDS:
            self.size = max(SMALLEST, self.size // 2)
        elif seconds < QUICK_SECONDS and size * 2 > self.size:
            self.size = min(LARGEST, self.size * 2)
