"""What a technician types, arriving in a real xterm on a real X server."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.wire.input import Button, Key, Pointer, Wheel, keysym_of, pack_input
from clients.desktop.x11_input import KEY_SILENCE, X11Injector
from tests.support.desktop import VirtualDesktop, eventually, terminal, virtual_desktop

SHIFT, CONTROL, ALTGR, RETURN, BACKSPACE, F5 = 0xFFE1, 0xFFE3, 0xFE03, 0xFF0D, 0xFF08, 0xFFC2


class Typist:
    """Sends what a browser would."""

    def __init__(self, injector: X11Injector) -> None:
        self.injector = injector

    def send(self, *events: Key | Pointer | Button | Wheel, epoch: int = 1, late: float = 0.0) -> None:
        self.injector.received(pack_input(events, at=round((time.monotonic() - late) * 1000), epoch=epoch))

    def tap(self, *keysyms: int) -> None:
        self.send(*(Key(keysym, True) for keysym in keysyms))
        self.send(*(Key(keysym, False) for keysym in reversed(keysyms)))

    def type(self, text: str) -> None:
        for character in text:
            self.tap(keysym_of(character))


@pytest.fixture(scope="module")
def desktop() -> Iterator[VirtualDesktop]:
    with virtual_desktop("800x600") as display:
        yield display


@pytest.fixture
def typist(desktop: VirtualDesktop) -> Iterator[Typist]:
    injector = X11Injector(desktop.display)
    try:
        yield Typist(injector)
    finally:
        injector.close()


@pytest.fixture
def typed(desktop: VirtualDesktop, tmp_path: Path) -> Iterator[Path]:
    """The file into which `cat` writes what the focused terminal's user types."""
    file = tmp_path / "typed"
    with terminal(desktop, "sh", "-c", f"export LC_ALL=C.UTF-8; stty -echo; echo ready; exec cat > {file}"):
        eventually(file.exists)
        yield file


def layout(desktop: VirtualDesktop, name: str) -> None:
    subprocess.run(["setxkbmap", "-display", desktop.display, *name.split()], check=True, capture_output=True)


@pytest.mark.parametrize("name", ["us", "de", "de nodeadkeys", "fr", "us,ru"])
def test_every_character_arrives_whatever_the_customers_layout(
    desktop: VirtualDesktop, typist: Typist, typed: Path, name: str
) -> None:
    layout(desktop, name)
    text = "Grüße: ä € @ \\ | ~ ^ ß É ñ ж λ 日 😀 {[]} 123"
    typist.type(text + "\n")
    assert eventually(lambda: typed.read_text()) == text + "\n"


def test_a_german_technicians_altgr_reaches_an_american_layout(
    desktop: VirtualDesktop, typist: Typist, typed: Path
) -> None:
    layout(desktop, "us")
    typist.send(Key(ALTGR, True, 100), Key(ord("@"), True, 16), Key(ord("@"), False, 16), Key(ALTGR, False, 100))
    typist.send(Key(SHIFT, True, 42), Key(ord("/"), True, 8), Key(ord("/"), False, 8), Key(SHIFT, False, 42))
    typist.type("\n")
    assert eventually(lambda: typed.read_text()) == "@/\n"


def test_held_shift_and_control_mean_what_they_say(desktop: VirtualDesktop, typist: Typist, typed: Path) -> None:
    layout(desktop, "us")
    typist.type("wrong")
    typist.tap(CONTROL, ord("u"))
    typist.tap(SHIFT, ord("A"))
    typist.tap(BACKSPACE)
    typist.tap(SHIFT, ord("B"))
    typist.tap(RETURN)
    assert eventually(lambda: typed.read_text()) == "B\n"


def test_the_browsers_repeats_are_not_doubled(desktop: VirtualDesktop, typist: Typist, typed: Path) -> None:
    layout(desktop, "us")
    typist.send(Key(ord("x"), True))
    for _ in range(5):
        typist.send(Key(ord("x"), True, repeat=True))
    typist.send(Key(ord("x"), False))
    typist.type("\n")
    assert eventually(lambda: typed.read_text()) == "x\n"


def test_late_and_outdated_keys_are_dropped(desktop: VirtualDesktop, typist: Typist, typed: Path) -> None:
    layout(desktop, "us")
    typist.type("a")
    typist.send(Key(ord("l"), True), Key(ord("l"), False), late=5.0)
    typist.send(Key(ord("b"), True), Key(ord("b"), False), epoch=2)
    typist.send(Key(ord("o"), True), Key(ord("o"), False), epoch=1)
    typist.send(Key(RETURN, True), Key(RETURN, False), epoch=2)
    assert eventually(lambda: typed.read_text()) == "ab\n"


def keys_down(desktop: VirtualDesktop) -> bool:
    from Xlib import display

    connection = display.Display(desktop.display)
    try:
        return any(connection.query_keymap())
    finally:
        connection.close()


def test_a_held_key_is_released_when_the_browser_falls_silent(desktop: VirtualDesktop, typist: Typist) -> None:
    layout(desktop, "us")
    begin = time.monotonic()
    typist.send(Key(F5, True))
    eventually(lambda: keys_down(desktop))
    eventually(lambda: not keys_down(desktop))
    assert time.monotonic() - begin >= KEY_SILENCE


def test_everything_is_released_when_control_ends_and_the_layout_is_as_before(desktop: VirtualDesktop) -> None:
    from Xlib import display

    layout(desktop, "us")
    connection = display.Display(desktop.display)
    try:
        before = connection.get_keyboard_mapping(8, 248)
        injector = X11Injector(desktop.display)
        typist = Typist(injector)
        typist.type("日本")
        typist.send(Key(SHIFT, True), Key(ord("a"), True), Button(3, True))
        eventually(lambda: keys_down(desktop))
        injector.close()
        assert not keys_down(desktop)
        assert connection.screen().root.query_pointer().mask & 0x1F00 == 0
        assert connection.get_keyboard_mapping(8, 248) == before
    finally:
        connection.close()


def test_the_pointer_goes_where_it_is_sent_and_the_wheel_turns(desktop: VirtualDesktop, typist: Typist) -> None:
    from Xlib import X, display

    connection = display.Display(desktop.display)
    try:
        screen = connection.screen()
        window = screen.root.create_window(
            0, 0, 800, 600, 0, screen.root_depth, override_redirect=1, event_mask=X.ButtonPressMask
        )
        window.map()
        connection.sync()
        typist.send(Pointer(321, 234), Button(1, True), Button(1, False), Wheel(0, 60), Wheel(0, 60), Wheel(-120, 0))
        seen = []

        def all_there() -> bool:
            while connection.pending_events():
                event = connection.next_event()
                if event.type == X.ButtonPress:
                    seen.append((event.detail, event.root_x, event.root_y))
            return len(seen) >= 3

        eventually(all_there)
        assert seen == [(1, 321, 234), (5, 321, 234), (6, 321, 234)]
    finally:
        connection.close()
