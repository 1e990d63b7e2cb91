"""An X11 display: woken by XDamage, captured with MIT-SHM, only where something was drawn.

Two connections, since python-xlib's must not be used from two threads at once: one for events, read by trio, one for
the requests of the worker thread that captures. The damage is one object with the level *non-empty*: the server sends
one event, then is silent until the worker has taken the damaged region out of it, however much is drawn meanwhile.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any, NamedTuple

import trio

from appliance.wire.messages import Monitor
from appliance.wire.screen import MAX_CURSOR, MAX_MONITORS, fits
from clients.desktop.protocol import Capture, Clipboard, CursorShape, DesktopUnavailable, Injector, Layout, Patch
from clients.desktop.regions import Rect, merge

POINTER_IDLE = 0.25
"""Seconds between looks at the pointer while it rests; X11 has no cheap event for it."""
POINTER_MOVING = 0.03
POLL = 0.05
"""Seconds between captures where the server has no XDamage."""


class _Question(NamedTuple):
    """Requests under way: QueryPointer, and FetchRegion where there is XDamage."""

    pointer: Any
    damage: Any


class _Looked(NamedTuple):
    """What is to be captured, and where the pointer is."""

    rects: list[Rect]
    pointer: tuple[int, int]


class X11Desktop:
    """See `clients.desktop.protocol.Desktop`."""

    def __init__(self, display_name: str | None) -> None:
        import mss
        from Xlib import display, error

        self._name = display_name
        self._mss_module = mss
        self._mss: Any = None
        # First, since it fails cleanly where there is no display: python-xlib leaves sockets behind.
        self._layout = self._read_layout()
        try:
            self._events = display.Display(display_name)
            self._work = display.Display(display_name)
        except (error.DisplayError, OSError, ValueError) as problem:
            raise DesktopUnavailable("screen.no_display") from problem
        self._root = self._events.screen().root
        self._work_root = self._work.screen().root
        self._gone: tuple[type[BaseException], ...] = (error.ConnectionClosedError, OSError)
        self._layout_changed = False
        self._cursor_changed = True
        self._looked: _Looked | None = None
        self._pointer = (-1, -1)
        self._pointer_moved = 0.0
        self._select()

    @classmethod
    def open(cls, display_name: str | None = None) -> X11Desktop:
        """The display of that name, or of the environment. Raises DesktopUnavailable."""
        return cls(display_name)

    @property
    def layout(self) -> Layout:
        return self._layout

    @property
    def is_xwayland(self) -> bool:
        return bool(self._work.has_extension("XWAYLAND")) or any(
            monitor.name.startswith("XWAYLAND") for monitor in self._layout.monitors
        )

    # -- waiting ------------------------------------------------------------------------------------------------

    async def wait_change(self) -> None:
        try:
            while not self._read_events():
                seconds = POINTER_MOVING if time.monotonic() - self._pointer_moved < 1 else POINTER_IDLE
                with trio.move_on_after(seconds if self._damage else POLL) as timer:
                    await trio.lowlevel.wait_readable(self._events.fileno())
                if timer.cancelled_caught and (self._damage is None or self._pointer_left()):
                    return
        except self._gone as problem:
            raise DesktopUnavailable("screen.display_gone") from problem

    def _read_events(self) -> bool:
        """Take what the server sent; whether any of it asks for a capture."""
        wanted = False
        while self._events.pending_events():
            name = type(self._events.next_event()).__name__
            if name == "DamageNotify":
                wanted = True
            elif name == "DisplayCursorNotify":
                self._cursor_changed = wanted = True
            elif name in ("ScreenChangeNotify", "CrtcChangeNotify", "OutputChangeNotify", "ConfigureNotify"):
                self._layout_changed = wanted = True
        return wanted

    def _pointer_left(self) -> bool:
        """Whether the pointer is somewhere else than at the last capture."""
        place = self._root.query_pointer()
        if (place.root_x, place.root_y) == self._pointer:
            return False
        self._pointer_moved = time.monotonic()
        return True

    # -- capturing ----------------------------------------------------------------------------------------------

    async def look(self) -> int:
        if self._layout_changed or self._damage is None:
            await trio.lowlevel.checkpoint()
            return self._layout.width * self._layout.height
        try:
            question = self._ask()
            self._work.flush()
            # Waited for here: while some program holds the server, the answer takes as long as that.
            while not question.damage.answered:
                await trio.lowlevel.wait_readable(self._work.fileno())
                self._work.pending_events()  # reads what is there
            self._looked = self._answer(question)
        except self._gone as problem:
            raise DesktopUnavailable("screen.display_gone") from problem
        return sum(rect.area for rect in self._looked.rects)

    def capture(self, *, whole: bool) -> Capture:
        from mss import ScreenShotError

        try:
            layout = None
            if self._layout_changed:
                self._layout_changed = False
                layout = self._read_layout()
                if layout == self._layout:
                    layout = None
                else:
                    self._layout = layout
            whole = whole or layout is not None
            # What an interrupted look found is out of date, and the damage since then would never be told again.
            looked, self._looked = None if whole else self._looked, None
            rects, place = looked or self._answer(self._ask())
            if whole or self._damage is None:
                rects = [Rect(0, 0, self._layout.width, self._layout.height)]
            cursor = self._cursor() if whole or self._cursor_changed else None
            pointer = place if whole or place != self._pointer else None
            self._pointer = place
            return Capture(tuple(self._grab(rect) for rect in rects), cursor, pointer, layout)
        except ScreenShotError as problem:
            # The desktop became smaller between its event and the capture: the event is on its way.
            if self._read_layout() == self._layout:
                raise DesktopUnavailable("screen.capture_failed") from problem
            self._layout_changed = True
            return self.capture(whole=True)
        except self._gone as problem:
            raise DesktopUnavailable("screen.display_gone") from problem

    def _grab(self, rect: Rect) -> Patch:
        region = {"left": rect.x, "top": rect.y, "width": rect.w, "height": rect.h}
        return Patch(rect.x, rect.y, rect.w, rect.h, self._mss.grab(region).raw)

    def _ask(self) -> _Question:
        """Ask for the damaged region, which is thereby empty again, and for the pointer."""
        from clients.desktop.x11_requests import ask_pointer, ask_region

        pointer, damage = ask_pointer(self._work), None
        if self._damage is not None:
            self._work.damage_subtract(self._damage, 0, self._region)
            damage = ask_region(self._work, self._region)
        return _Question(pointer, damage)

    def _answer(self, question: _Question) -> _Looked:
        """A few rectangles inside the desktop, and the pointer's place."""
        bounds = Rect(0, 0, self._layout.width, self._layout.height)
        damaged = question.damage.rects() if question.damage is not None else ()
        inside = (rect.clip(bounds) for rect in damaged)
        question.pointer.reply()
        place = (question.pointer.root_x, question.pointer.root_y)
        return _Looked(merge([rect for rect in inside if rect.area]), place)

    def _cursor(self) -> CursorShape | None:
        self._cursor_changed = False
        if not self._fixes:
            return None
        image = self._work.xfixes_get_cursor_image(self._work_root)
        if image.width > MAX_CURSOR or image.height > MAX_CURSOR:
            return None
        pixels = b"".join(pixel.to_bytes(4, "little") for pixel in image.cursor_image)
        return CursorShape(image.xhot, image.yhot, image.width, image.height, pixels)

    def is_black(self) -> bool:
        from mss import ScreenShotError

        try:
            pixels = self._grab(Rect(0, 0, self._layout.width, self._layout.height)).pixels
        except ScreenShotError:
            return True
        del pixels[3::4]
        return not any(pixels)

    # -- setting up ---------------------------------------------------------------------------------------------

    def _select(self) -> None:
        """Ask for the events."""
        from Xlib import X
        from Xlib.ext import damage, randr, xfixes

        from clients.desktop.x11_requests import create_region

        events, root = self._events, self._root
        # A configure event tells a new size where there is no RandR.
        root.change_attributes(event_mask=X.StructureNotifyMask)
        if events.has_extension("RANDR"):
            root.xrandr_select_input(
                randr.RRScreenChangeNotifyMask | randr.RRCrtcChangeNotifyMask | randr.RROutputChangeNotifyMask
            )
        self._fixes = bool(events.has_extension("XFIXES"))
        self._damage: int | None = None
        if self._fixes:
            events.xfixes_query_version()
            self._work.xfixes_query_version()
            events.xfixes_select_cursor_input(root, xfixes.XFixesDisplayCursorNotifyMask)
            if events.has_extension("DAMAGE"):
                events.damage_query_version()
                self._work.damage_query_version()
                self._region = create_region(self._work)
                self._damage = root.damage_create(damage.DamageReportNonEmpty)
        events.sync()

    def _read_layout(self) -> Layout:
        """Size and monitors; opens the capture anew, since its shared memory is as large as the desktop was."""
        from mss import ScreenShotError

        if self._mss is not None:
            self._mss.close()
        try:
            self._mss = self._mss_module.MSS(display=self._name)
            places = self._mss.monitors
        except ScreenShotError as problem:
            reached = not str(problem).startswith("Cannot connect")
            raise DesktopUnavailable("screen.capture_failed" if reached else "screen.no_display") from problem
        desktop = places[0]
        width, height = desktop["width"], desktop["height"]
        if not fits(width, height):
            raise DesktopUnavailable("screen.too_large", width=width, height=height)
        monitors = tuple(_monitor(number, place) for number, place in enumerate(places[1:], 1))[:MAX_MONITORS]
        whole = Monitor(name="1", x=0, y=0, width=width, height=height, primary=True)
        return Layout(width, height, monitors or (whole,))

    def open_injector(self) -> Injector:
        from clients.desktop.x11_input import X11Injector

        return X11Injector(self._name)

    def open_clipboard(self) -> Clipboard:
        from clients.desktop.x11_clipboard import X11Clipboard

        return X11Clipboard(self._name)

    def close(self) -> None:
        self._mss.close()
        for display in (self._events, self._work):
            with contextlib.suppress(*self._gone):
                display.close()


def _monitor(number: int, place: dict[str, Any]) -> Monitor:
    return Monitor(
        name=str(place.get("output") or place.get("name") or number)[:64],
        x=max(0, place["left"]),
        y=max(0, place["top"]),
        width=place["width"],
        height=place["height"],
        primary=bool(place.get("is_primary")),
    )
