"""The clipboard of a real X server, with xclip at the customer's end."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
import trio

from clients.desktop.protocol import MAX_TEXT
from clients.desktop.x11_clipboard import X11Clipboard
from tests.support.desktop import VirtualDesktop, eventually, virtual_desktop

UMLAUTS = "Grüße, 😀 und 日本\nzweite Zeile\t€"


@pytest.fixture(scope="module")
def desktop() -> Iterator[VirtualDesktop]:
    with virtual_desktop("400x300", window_manager=False) as display:
        yield display


@pytest.fixture
async def clipboard(desktop: VirtualDesktop):  # type: ignore[no-untyped-def]
    bridge = X11Clipboard(desktop.display)
    yield bridge
    bridge.close()


def copy(desktop: VirtualDesktop, text: str) -> None:
    """Copy at the customer's; xclip stays in the background to serve it until another program takes over."""
    argv = ["xclip", "-selection", "clipboard", "-display", desktop.display]
    subprocess.run(argv, input=text.encode(), check=True, stdout=subprocess.DEVNULL, timeout=10)


def paste(desktop: VirtualDesktop, target: str = "UTF8_STRING") -> str:
    argv = ["xclip", "-o", "-selection", "clipboard", "-t", target, "-display", desktop.display]
    return subprocess.run(argv, capture_output=True, timeout=10).stdout.decode()


async def pasted(desktop: VirtualDesktop, text: str) -> bool:
    return await trio.to_thread.run_sync(lambda: eventually(lambda: paste(desktop) == text))


@pytest.mark.parametrize("text", [UMLAUTS, "x", "ä" * 300_000, "z" * MAX_TEXT], ids=["short", "one", "600k", "full"])
async def test_the_technicians_text_can_be_pasted(desktop: VirtualDesktop, clipboard: X11Clipboard, text: str) -> None:
    clipboard.offer(text)
    assert await pasted(desktop, text)


@pytest.mark.parametrize("text", [UMLAUTS, "ä" * 300_000, "z" * MAX_TEXT], ids=["short", "600k", "full"])
async def test_what_the_customer_copies_arrives(desktop: VirtualDesktop, clipboard: X11Clipboard, text: str) -> None:
    await trio.to_thread.run_sync(copy, desktop, text)
    with trio.fail_after(10):
        assert await clipboard.copied() == text


async def test_what_was_offered_does_not_come_back(desktop: VirtualDesktop, clipboard: X11Clipboard) -> None:
    clipboard.offer(UMLAUTS)
    assert await pasted(desktop, UMLAUTS)
    # A clipboard manager takes over every text it sees.
    await trio.to_thread.run_sync(copy, desktop, UMLAUTS)
    await trio.to_thread.run_sync(copy, desktop, "something else")
    with trio.fail_after(10):
        assert await clipboard.copied() == "something else"


async def test_a_longer_text_than_agreed_is_neither_taken_nor_given(
    desktop: VirtualDesktop, clipboard: X11Clipboard
) -> None:
    with pytest.raises(ValueError, match="too long"):
        clipboard.offer("z" * (MAX_TEXT + 1))
    await trio.to_thread.run_sync(copy, desktop, "z" * (MAX_TEXT + 1))
    await trio.to_thread.run_sync(copy, desktop, "short")
    with trio.fail_after(15):
        assert await clipboard.copied() == "short"


async def test_old_programs_get_latin_1(desktop: VirtualDesktop, clipboard: X11Clipboard) -> None:
    clipboard.offer("für 5 €")
    assert await pasted(desktop, "für 5 €")
    argv = ["xclip", "-o", "-selection", "clipboard", "-t", "STRING", "-display", desktop.display]
    latin = await trio.to_thread.run_sync(lambda: subprocess.run(argv, capture_output=True, timeout=10).stdout)
    assert latin == "für 5 ?".encode("latin-1")
