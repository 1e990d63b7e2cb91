"""Windows and macOS: captured by mss at a steady pace, keys and pointer through pynput. The clipboard is pynput-free:
`clip`-like system calls differ by system, so that it is left out (`open_clipboard` says so).

Not run where the tests run: there is neither system. The contract is the protocol's.
"""

from __future__ import annotations

import contextlib
import importlib
import time
from typing import Any

import trio

from appliance.wire.input import (
    UNICODE_KEYSYM,
    Button,
    Event,
    Freshness,
    Key,
    Pointer,
    ReleaseAll,
    Verdict,
    Wheel,
    read_input,
)
from appliance.wire.messages import Monitor
from appliance.wire.screen import fits
from clients.desktop.protocol import Capture, Clipboard, DesktopUnavailable, Injector, Layout, Patch

POLL = 0.05
"""Seconds between captures; unchanged pixels are found by comparing."""


class GenericDesktop:
    """See `clients.desktop.protocol.Desktop`."""

    def __init__(self) -> None:
        self._mss: Any = importlib.import_module("mss").MSS()
        self._error: type[Exception] = importlib.import_module("mss.exception").ScreenShotError
        self._layout = self._read_layout()

    @classmethod
    def open(cls) -> GenericDesktop:
        """The desktop of the user who runs this. Raises DesktopUnavailable."""
        return cls()

    @property
    def layout(self) -> Layout:
        return self._layout

    @property
    def is_xwayland(self) -> bool:
        return False

    async def wait_change(self) -> None:
        await trio.sleep(POLL)

    async def look(self) -> int:
        await trio.lowlevel.checkpoint()
        return self._layout.width * self._layout.height

    def capture(self, *, whole: bool) -> Capture:
        layout = self._read_layout()
        changed = layout != self._layout
        self._layout = layout
        return Capture((self._grab(),), layout=layout if changed else None)

    def is_black(self) -> bool:
        pixels = self._grab().pixels
        del pixels[3::4]
        return not any(pixels)

    def open_injector(self) -> Injector:
        return GenericInjector(self._mss.monitors[0]["left"], self._mss.monitors[0]["top"])

    def open_clipboard(self) -> Clipboard:
        raise DesktopUnavailable("screen.no_clipboard")

    def close(self) -> None:
        self._mss.close()

    def _grab(self) -> Patch:
        try:
            shot = self._mss.grab(self._mss.monitors[0])
        except self._error as problem:
            raise DesktopUnavailable("screen.capture_failed") from problem
        return Patch(0, 0, shot.width, shot.height, bytearray(shot.raw))

    def _read_layout(self) -> Layout:
        whole, *places = self._mss.monitors
        width, height, left, top = whole["width"], whole["height"], whole["left"], whole["top"]
        if not fits(width, height):
            raise DesktopUnavailable("screen.too_large", width=width, height=height)
        monitors = tuple(
            Monitor(
                name=str(place.get("name") or number)[:64],
                x=place["left"] - left,
                y=place["top"] - top,
                width=place["width"],
                height=place["height"],
                primary=bool(place.get("is_primary", number == 1)),
            )
            for number, place in enumerate(places, 1)
        )
        return Layout(width, height, monitors)


class GenericInjector:
    """See `clients.desktop.protocol.Injector`. `left`, `top`: where the desktop begins in the system's coordinates."""

    def __init__(self, left: int, top: int) -> None:
        keyboard, mouse = importlib.import_module("pynput.keyboard"), importlib.import_module("pynput.mouse")
        self._key, self._code, self._button = keyboard.Key, keyboard.KeyCode, mouse.Button
        self._keyboard, self._mouse = keyboard.Controller(), mouse.Controller()
        self._left, self._top = left, top
        self._freshness = Freshness()
        self._held: set[int] = set()
        self._buttons: set[int] = set()

    def received(self, message: bytes | memoryview) -> None:
        read = read_input(message)
        verdict = self._freshness.judge(read, time.monotonic())
        if verdict in (Verdict.RELEASE_AND_APPLY, Verdict.RELEASE_AND_DROP):
            self.release_all()
        if verdict in (Verdict.APPLY, Verdict.RELEASE_AND_APPLY):
            for event in read.events:
                self._apply(event)

    def release_all(self) -> None:
        for keysym in list(self._held):
            self._apply(Key(keysym, down=False))
        for button in list(self._buttons):
            self._apply(Button(button, down=False))

    def close(self) -> None:
        self.release_all()

    def _apply(self, event: Event) -> None:
        match event:
            case Key(keysym, down):
                key = self._key_of(keysym)
                if key is not None:
                    (self._held.add if down else self._held.discard)(keysym)
                    with contextlib.suppress(self._keyboard.InvalidKeyException):
                        (self._keyboard.press if down else self._keyboard.release)(key)
            case Pointer(x, y):
                self._mouse.position = (x + self._left, y + self._top)
            case Button(button, down):
                (self._buttons.add if down else self._buttons.discard)(button)
                names = {1: "left", 2: "middle", 3: "right", 8: "x1", 9: "x2"}
                known = getattr(self._button, names[button], None)
                if known is not None:
                    (self._mouse.press if down else self._mouse.release)(known)
            case Wheel(dx, dy):
                self._mouse.scroll(dx / 120, -dy / 120)
            case ReleaseAll():
                self.release_all()

    def _key_of(self, keysym: int) -> Any:
        if keysym in _NAMED:
            return getattr(self._key, _NAMED[keysym], None)
        if 0xFFBE <= keysym <= 0xFFD1:
            return getattr(self._key, f"f{keysym - 0xFFBD}", None)
        if 0xFFB0 <= keysym <= 0xFFB9:
            return self._code.from_char(str(keysym - 0xFFB0))
        if keysym >= UNICODE_KEYSYM:
            code = keysym - UNICODE_KEYSYM
            return self._code.from_char(chr(code)) if code <= 0x10FFFF else None
        return self._code.from_char(chr(keysym)) if keysym <= 0xFF else None


_NAMED = {
    0xFF08: "backspace",
    0xFF09: "tab",
    0xFF0D: "enter",
    0xFF8D: "enter",
    0xFF1B: "esc",
    0xFF50: "home",
    0xFF51: "left",
    0xFF52: "up",
    0xFF53: "right",
    0xFF54: "down",
    0xFF55: "page_up",
    0xFF56: "page_down",
    0xFF57: "end",
    0xFF61: "print_screen",
    0xFF63: "insert",
    0xFF67: "menu",
    0xFFFF: "delete",
    0xFFE1: "shift_l",
    0xFFE2: "shift_r",
    0xFFE3: "ctrl_l",
    0xFFE4: "ctrl_r",
    0xFFE9: "alt_l",
    0xFFEA: "alt_r",
    0xFE03: "alt_gr",
    0xFFEB: "cmd_l",
    0xFFEC: "cmd_r",
}
"""pynput's names of keys that are no characters."""
