"""A real desktop in Xvfb (and Xorg with two monitors), seen by the reference decoder."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio

from appliance.wire.frames import Flag
from appliance.wire.screen import Painted, pack_painted
from appliance.wire.screen_decoder import ScreenDecoder
from clients.desktop.pacing import MAX_UNPAINTED
from clients.desktop.protocol import DesktopUnavailable
from clients.desktop.sharing import ScreenShare
from clients.desktop.x11 import X11Desktop
from tests.support.desktop import VirtualDesktop, terminal, virtual_desktop
from tests.support.monitors import second_monitor, two_monitors


class Viewer:
    """Decodes what is shared and acknowledges it."""

    def __init__(self, desktop: X11Desktop) -> None:
        self.decoder = ScreenDecoder()
        self.share = ScreenShare(desktop, self.take)
        self.bytes = 0
        self.messages = 0
        self.acknowledges = True

    async def take(self, payload: bytes, flags: Flag) -> None:
        self.bytes += len(payload)
        self.messages += 1
        seq = self.decoder.feed(payload)
        assert seq is not None
        if self.acknowledges:
            self.share.received(pack_painted(Painted(seq, 0.001)))

    async def until(self, look: Callable[[], bool], seconds: float = 10.0) -> None:
        with trio.fail_after(seconds):
            # What is waited for is another program's doing.
            while not look():  # noqa: ASYNC110
                await trio.sleep(0.02)


@asynccontextmanager
async def viewing(display: str) -> AsyncIterator[tuple[X11Desktop, Viewer]]:
    desktop = X11Desktop.open(display)
    viewer = Viewer(desktop)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(viewer.share.run)
            await viewer.until(lambda: viewer.messages > 0)
            yield desktop, viewer
            nursery.cancel_scope.cancel()
    finally:
        desktop.close()


def picture(display: str) -> bytes:
    """The desktop as another program sees it."""
    other = X11Desktop.open(display)
    try:
        return bytes(other.capture(whole=True).patches[0].pixels)
    finally:
        other.close()


async def same(display: str, viewer: Viewer) -> bool:
    await viewer.until(lambda: viewer.decoder.picture == picture(display))
    return True


@pytest.fixture
def desktop() -> Iterator[VirtualDesktop]:
    with virtual_desktop("1024x768") as display:
        yield display


async def test_moving_typing_and_scrolling_arrive_exactly(desktop: VirtualDesktop) -> None:
    with terminal(desktop, "sh", geometry="80x30+30+30"):
        async with viewing(desktop.display) as (_desktop, viewer):
            window = desktop.window("terminal")
            chooser = random.Random(4)

            def work(*argv: str) -> None:
                desktop.run("xdotool", *argv)

            await trio.to_thread.run_sync(work, "type", "--delay", "5", "seq 1 200; ls -la /usr/bin | head -80\n")
            assert await same(desktop.display, viewer)
            for _ in range(12):
                place = [str(chooser.randrange(0, 400)), str(chooser.randrange(0, 300))]
                await trio.to_thread.run_sync(work, "windowmove", window, *place)
                size = [str(chooser.randrange(200, 900)), str(chooser.randrange(150, 600))]
                await trio.to_thread.run_sync(work, "windowsize", window, *size)
                await trio.to_thread.run_sync(work, "type", "--delay", "2", f"echo {place}\n")
            assert await same(desktop.display, viewer)


async def test_a_still_desktop_sends_nothing(desktop: VirtualDesktop) -> None:
    async with viewing(desktop.display) as (_desktop, viewer):
        assert await same(desktop.display, viewer)
        before = viewer.messages
        await trio.sleep(1.0)
        assert viewer.messages == before


async def test_what_is_drawn_after_an_interrupted_look_is_told(desktop: VirtualDesktop) -> None:
    x11 = X11Desktop.open(desktop.display)
    try:
        x11.capture(whole=True)
        with terminal(desktop, "cat"), trio.fail_after(10):
            await x11.wait_change()
            assert await x11.look() > 0
            await trio.to_thread.run_sync(lambda: desktop.run("xdotool", "type", "typed"))
            x11.capture(whole=True)
            await trio.to_thread.run_sync(lambda: desktop.run("xdotool", "type", "more"))
            while not any(patch.w < 200 for patch in x11.capture(whole=False).patches):
                await x11.wait_change()
    finally:
        x11.close()


async def test_a_viewer_that_paints_nothing_gets_no_more_until_it_has(desktop: VirtualDesktop) -> None:
    with terminal(desktop, "sh", "-c", "while :; do i=$((i+1)); seq $i $((i+50)); sleep 0.02; done"):
        async with viewing(desktop.display) as (_desktop, viewer):
            viewer.acknowledges = False
            enough = viewer.messages + MAX_UNPAINTED
            await viewer.until(lambda: viewer.messages >= enough)
            before = viewer.messages
            await trio.sleep(0.5)
            assert viewer.messages == before
            viewer.acknowledges = True
            viewer.share.restart()
            await viewer.until(lambda: viewer.messages > before + 5)


async def test_the_cursors_shape_and_place_are_told_apart_from_the_picture(desktop: VirtualDesktop) -> None:
    with terminal(desktop, "sh"):
        async with viewing(desktop.display) as (_desktop, viewer):
            await trio.to_thread.run_sync(lambda: desktop.run("xdotool", "mousemove", "5", "5"))
            await viewer.until(lambda: viewer.decoder.pointer is not None and viewer.decoder.pointer.x == 5)
            arrow = viewer.decoder.cursor
            await trio.to_thread.run_sync(lambda: desktop.run("xdotool", "mousemove", "300", "200"))
            await viewer.until(lambda: viewer.decoder.cursor != arrow)
            assert viewer.decoder.cursor is not None
            assert viewer.decoder.cursor.w > 0
            assert await same(desktop.display, viewer)


async def test_a_display_that_goes_away_is_said_so() -> None:
    with virtual_desktop("320x200", window_manager=False) as display:
        shared = X11Desktop.open(display.display)

    async def follow() -> None:
        while True:
            await shared.wait_change()
            shared.capture(whole=True)

    with trio.fail_after(5), pytest.raises(DesktopUnavailable) as caught:
        await follow()
    assert caught.value.code == "screen.display_gone"
    with suppress(DesktopUnavailable):
        shared.close()


def test_no_display_is_said_so() -> None:
    with pytest.raises(DesktopUnavailable) as caught:
        X11Desktop.open(":9999")
    assert caught.value.code == "screen.no_display"


def test_a_black_screen_is_told_from_a_picture() -> None:
    with virtual_desktop("640x480", window_manager=False) as desktop:
        black_until_a_window_opens(desktop)


def black_until_a_window_opens(desktop: VirtualDesktop) -> None:
    shared = X11Desktop.open(desktop.display)
    try:
        assert not shared.is_xwayland
        assert shared.is_black()
        with terminal(desktop, "sh"):
            assert not shared.is_black()
    finally:
        shared.close()


# -- two monitors -----------------------------------------------------------------------------------------------


async def test_two_monitors_are_seen_with_their_names_and_a_second_one_begins_a_new_picture(tmp_path: Path) -> None:
    with two_monitors(tmp_path) as desktop:
        async with viewing(desktop.display) as (_desktop, viewer):
            assert [monitor.name for monitor in viewer.decoder.geometry.monitors] == ["DUMMY0"]
            await trio.to_thread.run_sync(second_monitor, desktop)
            await viewer.until(lambda: viewer.decoder.geometry.width == 2560)
            places = [(m.name, m.x, m.y, m.width, m.height) for m in viewer.decoder.geometry.monitors]
            assert sorted(places) == [("DUMMY0", 0, 0, 1280, 1024), ("DUMMY1", 1280, 0, 1280, 1024)]
            with terminal(desktop, "sh", geometry="40x10+1400+100"):
                assert await same(desktop.display, viewer)
