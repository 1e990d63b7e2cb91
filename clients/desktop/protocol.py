"""What a desktop is on every platform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from appliance.wire.messages import Monitor


class DesktopUnavailable(Exception):
    """There is no desktop to share. `code`: a message id under `screen.`; `args_`: its arguments."""

    def __init__(self, code: str, **args_: str | int) -> None:
        super().__init__(code)
        self.code = code
        self.args_ = args_


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole desktop's size in pixels and the monitors on it."""

    width: int
    height: int
    monitors: tuple[Monitor, ...]


@dataclass(frozen=True, slots=True)
class Patch:
    """A captured region: `pixels` is h rows of w pixels, B G R X, without padding."""

    x: int
    y: int
    w: int
    h: int
    pixels: bytearray


@dataclass(frozen=True, slots=True)
class CursorShape:
    """The pointer's shape: `pixels` are B G R A, premultiplied; w = h = 0: hidden."""

    hot_x: int
    hot_y: int
    w: int
    h: int
    pixels: bytes


@dataclass(frozen=True, slots=True)
class Capture:
    """What may have changed since the last capture. With `layout`, the desktop is another one: begin anew."""

    patches: tuple[Patch, ...] = ()
    cursor: CursorShape | None = None
    pointer: tuple[int, int] | None = None
    layout: Layout | None = None


class Injector(Protocol):
    """Presses keys and moves the pointer. Its methods return at once; a thread of its own talks to the system."""

    def received(self, message: bytes | memoryview) -> None:
        """Apply a message of the input channel unless it is old or late. Raises ProtocolError."""
        ...

    def release_all(self) -> None:
        """Let go of every key and button (control was taken back, the connection was lost)."""
        ...

    def close(self) -> None:
        """Release all and leave the keyboard's layout as it was found. May wait up to a second."""
        ...


class Clipboard(Protocol):
    """The desktop's clipboard, text only, at most `MAX_TEXT` bytes of UTF-8."""

    def offer(self, text: str) -> None:
        """Put the technician's text onto the clipboard. Raises ValueError when it is too long."""
        ...

    async def copied(self) -> str:
        """Wait for the next text that was copied here; never one that `offer` has put there."""
        ...

    def close(self) -> None:
        """Stop watching and give up the clipboard."""
        ...


class Desktop(Protocol):
    """A desktop that can be captured."""

    @property
    def layout(self) -> Layout:
        """Size and monitors as they are now."""
        ...

    async def wait_change(self) -> None:
        """Return when there may be something to capture; costs nothing while there is not."""
        ...

    async def look(self) -> int:
        """Find out what the next `capture` has to fetch; its size in pixels. Raises DesktopUnavailable."""
        ...

    def capture(self, *, whole: bool) -> Capture:
        """What changed since the last capture, or with `whole` everything.

        Blocks, for a millisecond when `look` has just found little, else for more: then call it in a thread, and never
        in two at once. Raises DesktopUnavailable when the display is gone."""
        ...

    @property
    def is_xwayland(self) -> bool:
        """Whether this is XWayland, where a capture shows X11 windows only or nothing at all."""
        ...

    def is_black(self) -> bool:
        """Whether everything is black: with `is_xwayland`, not the customer's screen. Blocks for milliseconds."""
        ...

    def open_injector(self) -> Injector:
        """The way to press keys here. Raises DesktopUnavailable when that is not possible."""
        ...

    def open_clipboard(self) -> Clipboard:
        """The way to the clipboard here. To be called in trio."""
        ...

    def close(self) -> None:
        """Let go of the display."""
        ...


MAX_TEXT = 1024 * 1024
"""Bytes of UTF-8 on the clipboard that are carried."""
