"""The viewer decides how much is sent, and the rate follows the delay."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from appliance.wire.frames import Flag
from appliance.wire.messages import Monitor
from appliance.wire.screen import Painted, pack_painted
from clients.desktop.pacing import FULL_RATE, MAX_BYTES, MAX_UNPAINTED, Pacer
from clients.desktop.protocol import Capture, Clipboard, Injector, Layout, Patch
from clients.desktop.sharing import ScreenShare


def test_what_is_under_way_is_bounded_in_number_and_in_bytes() -> None:
    pacer = Pacer()
    for seq in range(MAX_UNPAINTED):
        assert not pacer.behind
        pacer.sent(seq, 10, 0.0)
    assert pacer.behind
    pacer.painted(MAX_UNPAINTED - 2, 0.1)
    assert not pacer.behind
    pacer.sent(99, MAX_BYTES, 0.1)
    assert pacer.behind
    pacer.painted(12345, 0.2)
    assert pacer.behind
    pacer.reset()
    assert not pacer.behind


@pytest.mark.parametrize(("delay", "quarters"), [(0.05, 4), (0.19, 4), (0.3, 3), (0.7, 2), (1.5, 1)])
def test_the_rate_falls_with_the_delay_and_comes_back(delay: float, quarters: int) -> None:
    pacer = Pacer()

    def paint(delay: float) -> None:
        for seq in range(30):
            pacer.sent(seq, 10, float(seq))
            pacer.painted(seq, seq + delay)

    paint(delay)
    assert pacer.delay.quarters == quarters
    pacer.captured(100.0)
    assert pacer.next_capture == pytest.approx(100.0 + 4 / quarters / FULL_RATE)
    paint(0.01)
    assert pacer.delay.quarters == 4


class FakeDesktop:
    """Changes one pixel whenever it is told to."""

    def __init__(self) -> None:
        self.layout = Layout(32, 32, (Monitor(name="1", x=0, y=0, width=32, height=32),))
        self.is_xwayland = False
        self.changed = trio.Event()
        self.captures = 0
        self.value = 0

    def change(self) -> None:
        self.value += 1
        self.changed.set()

    async def wait_change(self) -> None:
        await self.changed.wait()

    async def look(self) -> int:
        await trio.lowlevel.checkpoint()
        return 1

    def capture(self, *, whole: bool) -> Capture:
        self.captures += 1
        if self.changed.is_set():
            self.changed = trio.Event()
        size = 32 if whole else 1
        pixels = bytearray(size * size * 4)
        pixels[:4] = self.value.to_bytes(4, "big")
        return Capture((Patch(0, 0, size, size, pixels),))

    def is_black(self) -> bool:
        return False

    def open_injector(self) -> Injector:
        raise NotImplementedError

    def open_clipboard(self) -> Clipboard:
        raise NotImplementedError

    def close(self) -> None:
        pass


async def until(look: Callable[[], bool]) -> None:
    """Capturing is a real thread's work, which a jumping clock does not wait for."""
    while not look():  # noqa: ASYNC110
        await trio.sleep(0.001)


async def test_a_share_sends_the_picture_changes_and_restarts(nursery: trio.Nursery) -> None:
    desktop, sent = FakeDesktop(), []

    async def send(payload: bytes, flags: Flag) -> None:
        sent.append((payload, flags))

    share = ScreenShare(desktop, send)
    nursery.start_soon(share.run)
    await until(lambda: len(sent) == 1)
    assert sent[0][1] == Flag.FIN | Flag.RESTART
    desktop.change()
    await until(lambda: len(sent) == 2)
    assert sent[1][1] == Flag.FIN
    share.restart()
    await until(lambda: len(sent) == 3)
    assert sent[2][1] == Flag.FIN | Flag.RESTART
    await wait_all_tasks_blocked()
    captures = desktop.captures
    await trio.sleep(0.1)
    assert desktop.captures == captures


async def test_a_share_waits_for_the_viewer_and_skips_what_happened_meanwhile(nursery: trio.Nursery) -> None:
    desktop, sent = FakeDesktop(), []

    async def send(payload: bytes, flags: Flag) -> None:
        sent.append(payload)

    share = ScreenShare(desktop, send)
    nursery.start_soon(share.run)
    for number in range(1, MAX_UNPAINTED + 1):
        await until(lambda: len(sent) == number)  # noqa: B023
        desktop.change()
    await trio.sleep(0.1)
    for _ in range(5):
        desktop.change()
    assert len(sent) == MAX_UNPAINTED
    share.received(pack_painted(Painted(MAX_UNPAINTED, 0.001)))
    await until(lambda: len(sent) == MAX_UNPAINTED + 1)
    await trio.sleep(0.1)
    assert len(sent) == MAX_UNPAINTED + 1
    assert share.delay.seconds > 0
    assert math.isinf(share._encoder.refine_at)
