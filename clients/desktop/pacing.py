"""When to send the next update: what the pacing viewer has painted decides, so that no queue builds up on the way.

At most MAX_UNPAINTED messages and MAX_BYTES are under way; beyond that captures are skipped (what changes meanwhile is
in the next one), never parts of the stream. The rate falls with the delay from capture to paint.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

FULL_RATE = 60.0
"""Captures a second."""
MAX_UNPAINTED = 12
MAX_BYTES = 4 * 1024 * 1024
STEPS = ((1.0, 1), (0.5, 2), (0.2, 3))
"""(seconds of delay, quarters of the full rate past it)"""
SMOOTHING = 0.25


@dataclass(frozen=True, slots=True)
class Delay:
    """From capture to paint and back, in seconds, and the rate it leads to (4 quarters is the full one)."""

    seconds: float
    quarters: int


class Pacer:
    """Counts what is under way and sets the rate. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._unpainted: OrderedDict[int, tuple[float, int]] = OrderedDict()
        self._bytes = 0
        self._last = float("-inf")
        self.delay = Delay(0.0, 4)

    def reset(self) -> None:
        """The stream begins anew: nothing is under way."""
        self._unpainted.clear()
        self._bytes = 0

    def sent(self, seq: int, size: int, at: float) -> None:
        """Message `seq` of `size` bytes goes out; it shows what was captured at `at`."""
        self._unpainted[seq] = (at, size)
        self._bytes += size

    def captured(self, at: float) -> None:
        """A capture was taken, whether or not anything had changed."""
        self._last = at

    def painted(self, seq: int, now: float) -> None:
        """A viewer has painted message `seq` and all before it; an unknown number is ignored."""
        if seq not in self._unpainted:
            return
        while True:
            first, (at, size) = self._unpainted.popitem(last=False)
            self._bytes -= size
            if first == seq:
                break
        smoothed = self.delay.seconds + SMOOTHING * (now - at - self.delay.seconds)
        self.delay = Delay(smoothed, _quarters(smoothed))

    @property
    def behind(self) -> bool:
        """Whether the viewer has to paint something before more is sent."""
        return bool(self._unpainted) and (len(self._unpainted) >= MAX_UNPAINTED or self._bytes >= MAX_BYTES)

    @property
    def next_capture(self) -> float:
        """The earliest time of the next capture."""
        return self._last + 4 / (FULL_RATE * self.delay.quarters)


def _quarters(delay: float) -> int:
    for seconds, quarters in STEPS:
        if delay > seconds:
            return quarters
    return 4
