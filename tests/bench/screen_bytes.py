"""Bytes and frames of our screen channel at typing, scrolling, video and rest; capture and encode of a typed character.

The customer's half is real (X server, capture, encoder, pacing); the viewer acknowledges at once. Bytes are payloads
and frame headers of the wire.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import trio

from appliance.wire.frames import HEADER_SIZE, MAX_PAYLOAD, Flag
from appliance.wire.screen import Painted, next_seq, pack_painted, read_header
from clients.desktop.sharing import ScreenShare
from clients.desktop.x11 import X11Desktop
from tests.bench.figures import Figure, print_delays
from tests.bench.screen_work import (
    IDLE_SECONDS,
    LINES,
    LINES_PER_SECOND,
    SIZE,
    TYPED,
    VIDEO_SECONDS,
    Work,
    work_on,
)
from tests.support.desktop import virtual_desktop

SUBJECT = "Beistand"
SMOOTHED = "smoothed, as the delay bar has it"


class Counter:
    """What went over the wire since the last look."""

    def __init__(self, desktop: X11Desktop) -> None:
        self.share = ScreenShare(desktop, self.take)
        self._seq = 0
        self.clear()

    def clear(self) -> None:
        """Begin to count anew."""
        self.bytes = 0
        self.messages = 0
        self.took: list[float] = []

    async def take(self, payload: bytes, flags: Flag) -> None:
        """One message."""
        self.bytes += len(payload) + -(-len(payload) // MAX_PAYLOAD) * HEADER_SIZE
        self.messages += 1
        self.took.append((self.share.shares.capture + self.share.shares.encode) * 1000)
        said = read_header(payload).seq
        self._seq = next_seq(self._seq) if said is None else said
        self.share.received(pack_painted(Painted(self._seq, 0.001)))

    async def during(self, work: Callable[[], None]) -> float:
        """Count while `work` is done and the second after; the seconds of the work."""
        await trio.sleep(1.5)
        self.clear()
        begin = time.perf_counter()
        await trio.to_thread.run_sync(work)
        seconds = time.perf_counter() - begin
        await trio.sleep(1.5)
        return seconds


async def measure(desktop: X11Desktop, work: Work) -> None:
    """Print all figures."""
    counter = Counter(desktop)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(counter.share.run)
        await trio.sleep(1.5)
        Figure("first full picture, 1080p", SUBJECT, round(counter.bytes / 1000, 1), "kB").print()
        counter.clear()
        spent = time.process_time()
        await trio.sleep(IDLE_SECONDS)
        spent = time.process_time() - spent
        Figure("idle screen", SUBJECT, round(counter.bytes / IDLE_SECONDS, 1), "B/s").print()
        Figure("idle screen, CPU", SUBJECT, round(100 * spent / IDLE_SECONDS, 2), "% of a core").print()

        await counter.during(work.type)
        Figure("bytes per typed character", SUBJECT, round(counter.bytes / TYPED, 1), "B").print()
        print_delays("capture + encode of a typed character", SUBJECT, counter.took[10:], SMOOTHED)

        await counter.during(work.scroll)
        Figure("scrolling a full terminal", SUBJECT, round(counter.bytes / LINES), "B a line").print()
        rate = counter.messages / (LINES / LINES_PER_SECOND)
        Figure("scrolling a full terminal, updates", SUBJECT, round(rate, 1), "1/s").print()

        await counter.during(work.video)
        Figure("video 640×480", SUBJECT, round(counter.bytes / VIDEO_SECONDS / 1000), "kB/s").print()
        # The first and the last updates are the window's and the lossless refinement.
        Figure("video 640×480, frames", SUBJECT, round(counter.messages / VIDEO_SECONDS, 1), "1/s").print()
        print_delays("capture + encode of a video frame", SUBJECT, counter.took[10:], SMOOTHED)
        nursery.cancel_scope.cancel()


def main() -> None:
    """Measure ours."""
    with virtual_desktop(SIZE) as display, work_on(display) as work:
        desktop = X11Desktop.open(display.display)
        try:
            trio.run(measure, desktop, work)
        finally:
            desktop.close()


if __name__ == "__main__":
    main()
