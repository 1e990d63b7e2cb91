"""The CLIPBOARD selection on X11: text both ways.

A thread of its own speaks ICCCM: it owns the selection while the technician's text is on it and answers who asks, and
is told by XFixes when another program takes it, whose text it then fetches. Long texts go in pieces (INCR) either way.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import trio

from clients.desktop.protocol import MAX_TEXT, DesktopUnavailable

PIECE = 64 * 1024
"""Bytes of one property; longer texts go by INCR."""
PATIENCE = 5.0
"""Seconds that the other program may take for its next step."""
MAX_SERVED = 16
"""Transfers by INCR under way at once."""


class X11Clipboard:
    """See `clients.desktop.protocol.Clipboard`. To be made in trio."""

    def __init__(self, display_name: str | None) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._send, self._receive = trio.open_memory_channel[str](1)
        self._lock = threading.Lock()
        self._offered: str | None = None
        self._closing = False
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selection = _Selection(display_name, self._tell)
        self._thread = threading.Thread(target=self._run, name="clipboard", daemon=True)
        self._thread.start()

    def offer(self, text: str) -> None:
        if len(text.encode()) > MAX_TEXT:
            raise ValueError("the text is too long for the clipboard")
        with self._lock:
            self._offered = text
        self._wake()

    async def copied(self) -> str:
        return await self._receive.receive()

    def close(self) -> None:
        self._closing = True
        self._wake()
        self._thread.join(1)
        if not self._thread.is_alive():
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"\0")

    def _tell(self, text: str) -> None:
        """Pass on what was copied, from the thread; a text that nobody has waited for gives way to the newer one."""

        def put() -> None:
            with contextlib.suppress(trio.WouldBlock):
                self._receive.receive_nowait()
            self._send.send_nowait(text)

        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(put)

    def _run(self) -> None:
        selection = self._selection
        with contextlib.suppress(*selection.gone):
            try:
                while not self._closing:
                    with self._lock:
                        offered, self._offered = self._offered, None
                    if offered is not None:
                        selection.own(offered)
                    selection.read_events()
                    select.select([selection.display, self._wake_read], [], [], selection.patience())
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake_read, 4096)
            finally:
                selection.display.close()


@dataclass
class _Serving:
    """A text on its way to another program by INCR."""

    data: bytes
    until: float
    target: int
    offset: int = 0


class _Selection:
    """One display's CLIPBOARD. For one thread."""

    def __init__(self, display_name: str | None, tell: Callable[[str], None]) -> None:
        from Xlib import X, Xatom, display, error
        from Xlib.ext import xfixes

        try:
            self.display = display.Display(display_name)
        except (error.DisplayError, OSError, ValueError) as problem:
            raise DesktopUnavailable("screen.no_display") from problem
        self.gone: tuple[type[BaseException], ...] = (error.ConnectionClosedError, OSError)
        self.display.set_error_handler(lambda *_: None)
        self._x, self._xatom = X, Xatom
        self._tell = tell
        atom = self.display.intern_atom
        self._clipboard, self._utf8, self._targets = atom("CLIPBOARD"), atom("UTF8_STRING"), atom("TARGETS")
        self._incr, self._timestamp = atom("INCR"), atom("TIMESTAMP")
        # Each text gets another property, so that the rest of a transfer that was given up cannot mix with the next.
        self._properties = itertools.cycle([atom(f"BEISTAND_CLIPBOARD_{number}") for number in range(8)])
        self._property = next(self._properties)
        self._texts = (self._utf8, atom("text/plain;charset=utf-8"), atom("TEXT"))
        self._window = self.display.screen().root.create_window(
            -10, -10, 1, 1, 0, X.CopyFromParent, event_mask=X.PropertyChangeMask
        )
        if self.display.has_extension("XFIXES"):
            self.display.xfixes_query_version()
            mask = xfixes.XFixesSetSelectionOwnerNotifyMask
            self.display.xfixes_select_selection_input(self._window, self._clipboard, mask)
        self._text = b""
        self._latest: str | None = None  # what went either way last: not to be told again
        self._owned_at = 0
        self._serving: dict[tuple[int, int], _Serving] = {}
        self._incoming: bytearray | None = None  # pieces of an INCR transfer
        self._incoming_until = math.inf
        self.display.sync()

    def own(self, text: str) -> None:
        """Take the selection for a text."""
        self._text = text.encode()
        self._latest = text
        # A zero-length append tells the server's time, which owning is to be dated with.
        self._window.change_property(self._timestamp, self._xatom.STRING, 8, b"", mode=self._x.PropModeAppend)
        self._owned_at = -1
        self.display.flush()

    def patience(self) -> float | None:
        """Seconds until a transfer has to be given up; None when there is none."""
        until = min((self._incoming_until, *(serving.until for serving in self._serving.values())))
        return None if until == math.inf else max(0.0, until - time.monotonic())

    def read_events(self) -> None:
        """Take what the server sent, and give up what took too long."""
        # A request's answer can bring events along, of which `select` then knows nothing.
        while self.display.pending_events():
            event = self.display.next_event()
            match type(event).__name__:
                case "SetSelectionOwnerNotify":
                    self._owner_changed(event)
                case "SelectionNotify":
                    self._arrived(event)
                case "SelectionRequest":
                    self._asked(event)
                case "SelectionClear":
                    self._text = b""
                case "PropertyNotify":
                    self._property_changed(event)
        now = time.monotonic()
        if now > self._incoming_until:
            self._incoming, self._incoming_until = None, math.inf
        for key in [key for key, serving in self._serving.items() if now > serving.until]:
            del self._serving[key]

    # -- another program's text ---------------------------------------------------------------------------------

    def _owner_changed(self, event: Any) -> None:
        owner = getattr(event.owner, "id", event.owner)
        if owner and owner != self._window.id:
            self._incoming, self._incoming_until = None, time.monotonic() + PATIENCE
            self._property = next(self._properties)
            self._window.convert_selection(self._clipboard, self._utf8, self._property, event.timestamp)
            self.display.flush()

    def _arrived(self, event: Any) -> None:
        self._incoming_until = math.inf
        if not event.property and event.target == self._utf8:
            # An old program, which knows Latin-1 only.
            self._window.convert_selection(self._clipboard, self._xatom.STRING, self._property, event.time)
            self.display.flush()
        if event.property != self._property:
            return
        value = self._window.get_full_property(self._property, self._x.AnyPropertyType, MAX_TEXT // 4)
        if value is None:
            return
        if value.property_type == self._incr:
            self._incoming, self._incoming_until = bytearray(), time.monotonic() + PATIENCE
        elif value.format == 8:
            latin = value.property_type == self._xatom.STRING
            self._copied(bytes(value.value).decode("latin-1").encode() if latin else bytes(value.value))
        # Deleting it asks for the first piece.
        self._window.delete_property(self._property)
        self.display.flush()

    def _piece(self, incoming: bytearray) -> None:
        """The next piece of an INCR transfer is there; an empty one is the end."""
        value = self._window.get_full_property(self._property, self._x.AnyPropertyType, MAX_TEXT // 4)
        self._window.delete_property(self._property)
        self.display.flush()
        if value is None or value.format != 8:
            return
        piece = bytes(value.value)
        incoming += piece
        self._incoming_until = time.monotonic() + PATIENCE
        if not piece or len(incoming) > MAX_TEXT:
            self._incoming, self._incoming_until = None, math.inf
            self._copied(bytes(incoming))

    def _copied(self, data: bytes) -> None:
        if not data or len(data) > MAX_TEXT:
            return
        text = data.decode(errors="replace")
        if text != self._latest:
            self._latest = text
            self._tell(text)

    # -- our text -----------------------------------------------------------------------------------------------

    def _property_changed(self, event: Any) -> None:
        incoming = self._incoming
        if event.window.id == self._window.id:
            if event.atom == self._timestamp and self._owned_at == -1:
                self._owned_at = event.time
                self._window.set_selection_owner(self._clipboard, event.time)
                self.display.flush()
            elif event.atom == self._property and event.state == self._x.PropertyNewValue and incoming is not None:
                self._piece(incoming)
        elif event.state == self._x.PropertyDelete:
            self._next_piece(event.window, event.atom)

    def _asked(self, event: Any) -> None:
        """Another program wants what is on the clipboard."""
        from Xlib.protocol import event as events

        target, window = event.target, event.requestor
        place = event.property or target
        if target == self._targets:
            targets = [self._targets, self._timestamp, *self._texts, self._xatom.STRING]
            window.change_property(place, self._xatom.ATOM, 32, targets)
        elif target == self._timestamp:
            window.change_property(place, self._xatom.INTEGER, 32, [max(0, self._owned_at)])
        elif target in self._texts or target == self._xatom.STRING:
            latin = target == self._xatom.STRING
            data = self._text.decode().encode("latin-1", errors="replace") if latin else self._text
            self._give(window, place, target if target != self._texts[2] else self._utf8, data)
        else:
            place = self._x.NONE
        answer = events.SelectionNotify(
            time=event.time, requestor=window, selection=event.selection, target=target, property=place
        )
        window.send_event(answer)
        self.display.flush()

    def _give(self, window: Any, place: int, target: int, data: bytes) -> None:
        if len(data) <= PIECE:
            window.change_property(place, target, 8, data)
            return
        if len(self._serving) < MAX_SERVED:
            window.change_attributes(event_mask=self._x.PropertyChangeMask)
            self._serving[window.id, place] = _Serving(data, time.monotonic() + PATIENCE, target)
            window.change_property(place, self._incr, 32, [len(data)])

    def _next_piece(self, window: Any, place: int) -> None:
        serving = self._serving.get((window.id, place))
        if serving is None:
            return
        piece = serving.data[serving.offset : serving.offset + PIECE]
        window.change_property(place, serving.target, 8, piece)
        serving.offset += len(piece)
        serving.until = time.monotonic() + PATIENCE
        if not piece:
            del self._serving[window.id, place]
            window.change_attributes(event_mask=self._x.NoEventMask)
        self.display.flush()
