"""Keys and pointer on X11, through XTest.

A keysym is pressed on the key that has it in the customer's own layout, with the modifiers that this needs; on a spare
keycode, mapped for the purpose, where the layout has none. A key that needs no other modifiers than are held stays down
as long as the technician holds it, and the server repeats it (the browser's repeats are ignored); any other is tapped,
and again for each repeat.

A held key must not outlive the connection: the browser sends a sign of life while anything is held, and without one
keys are released before the server would repeat them much.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import threading
import time
from typing import Any

from appliance.wire.input import Button, Event, Freshness, Key, Pointer, ReleaseAll, Verdict, Wheel, read_input
from clients.desktop.protocol import DesktopUnavailable
from clients.desktop.x11_keymap import Keymap, SpareKeys, is_character, is_keypad

KEY_SILENCE = 0.45
"""Seconds without a message after which held keys are released, modifiers apart: before a server begins to repeat them
(after 0.66 s by X11's default, 0.5 s on GNOME), so that a release that is stuck on its way doubles nothing."""
SILENCE = 2.0
"""Seconds after which everything is."""
NOTCH = 120
SHIFT, LOCK = 1, 2
_WHEEL = {(0, -1): 4, (0, 1): 5, (-1, 0): 6, (1, 0): 7}
_MODIFIERS = frozenset({*range(0xFFE1, 0xFFEF), 0xFE03, 0xFF7E})
_LEVEL3 = (0xFE03, 0xFF7E)  # ISO_Level3_Shift, Mode_switch
_NUM_LOCK = 0xFF7F


class X11Injector:
    """See `clients.desktop.protocol.Injector`."""

    def __init__(self, display_name: str | None) -> None:
        from Xlib import display, error

        try:
            self._display = display.Display(display_name)
        except (error.DisplayError, OSError, ValueError) as problem:
            raise DesktopUnavailable("screen.no_display") from problem
        if not self._display.has_extension("XTEST"):
            self._display.close()
            raise DesktopUnavailable("screen.no_xtest")
        self._gone: tuple[type[BaseException], ...] = (error.ConnectionClosedError, OSError)
        self._display.set_error_handler(lambda *_: None)
        self._freshness = Freshness()
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._heard = time.monotonic()
        self._keys = _Keys(self._display)
        self._thread = threading.Thread(target=self._run, name="input", daemon=True)
        self._thread.start()

    def received(self, message: bytes | memoryview) -> None:
        read = read_input(message)
        now = time.monotonic()
        verdict = self._freshness.judge(read, now)
        if verdict in (Verdict.RELEASE_AND_APPLY, Verdict.RELEASE_AND_DROP):
            self._queue.put(ReleaseAll())
        if verdict in (Verdict.APPLY, Verdict.RELEASE_AND_APPLY):
            self._heard = now
            for event in read.events:
                self._queue.put(event)
        self._wake()

    def release_all(self) -> None:
        self._queue.put(ReleaseAll())
        self._wake()

    def close(self) -> None:
        self._queue.put(None)
        self._wake()
        self._thread.join(1)
        if not self._thread.is_alive():
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"\0")

    # -- the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        with contextlib.suppress(*self._gone):
            try:
                while self._apply_queued():
                    self._keys.read_events()
                    select.select([self._display, self._wake_read], [], [], self._keys.patience(self._heard))
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake_read, 4096)
                    self._keys.release_silent(self._heard)
            finally:
                self._keys.close()
                self._display.close()

    def _apply_queued(self) -> bool:
        """Apply what is queued; False when this is the end."""
        while True:
            try:
                event = self._queue.get_nowait()
            except queue.Empty:
                return True
            if event is None:
                return False
            self._keys.apply(event)


class _Keys:
    """What is pressed on one display. For one thread."""

    def __init__(self, display: Any) -> None:
        from Xlib import X

        self._x = X
        self._display = display
        self._root = display.screen().root
        self._held: dict[int, tuple[int, int]] = {}  # keysym → (keycode, physical code)
        self._tapped: set[int] = set()  # held by the technician, tapped here
        self._buttons: set[int] = set()
        self._wheel = [0, 0]
        self._spares = SpareKeys(())
        self._read_keymap()

    # -- events -------------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Do what the technician did."""
        match event:
            case Key(keysym, True, code, repeat):
                self._press(keysym, code, repeat)
            case Key(keysym):
                self._release(keysym)
            case Pointer(x, y):
                self._display.xtest_fake_input(self._x.MotionNotify, 0, root=self._root, x=x, y=y)
            case Button(button, down):
                (self._buttons.add if down else self._buttons.discard)(button)
                self._fake(self._x.ButtonPress if down else self._x.ButtonRelease, button)
            case Wheel(dx, dy):
                self._turn(0, dx)
                self._turn(1, dy)
            case ReleaseAll():
                self.release_all()
        self._display.flush()

    def release_all(self) -> None:
        for keysym in list(self._held):
            self._release(keysym)
        self._tapped.clear()
        for button in self._buttons:
            self._fake(self._x.ButtonRelease, button)
        self._buttons.clear()
        self._wheel = [0, 0]

    def patience(self, heard: float) -> float | None:
        """Seconds until `release_silent` has something to do; None when nothing is held."""
        if not (self._held or self._buttons):
            return None
        keys = any(keysym not in _MODIFIERS for keysym in self._held)
        return max(0.0, heard + (KEY_SILENCE if keys else SILENCE) - time.monotonic())

    def release_silent(self, heard: float) -> None:
        """Release what is held when nothing was heard for too long."""
        silence = time.monotonic() - heard
        if silence >= SILENCE:
            self.release_all()
        elif silence >= KEY_SILENCE:
            for keysym in [keysym for keysym in self._held if keysym not in _MODIFIERS]:
                self._release(keysym)
        self._display.flush()

    def read_events(self) -> None:
        """Follow changes of the layout."""
        changed = False
        while self._display.pending_events():
            event = self._display.next_event()
            if event.type == self._x.MappingNotify and event.request != self._x.MappingPointer:
                ours = event.count == 1 and event.first_keycode in self._spares.mapped
                changed = changed or not ours
        if changed:
            self._read_keymap()

    def close(self) -> None:
        """Leave everything as it was."""
        self.release_all()
        for keycode in self._spares.mapped:
            self._map(keycode, 0)
        self._display.sync()

    # -- keys ---------------------------------------------------------------------------------------------------

    def _press(self, keysym: int, code: int, repeat: bool) -> None:
        if keysym in self._held:
            return
        state = self._root.query_pointer().mask
        # A change of the layout that came before this answer is known now.
        self.read_events()
        group = min(1, state >> 13 & 3)
        place = self._keymap.find(keysym, group=group, prefer=code + 8 if code else 0)
        if place is None:
            keycode = self._spare(keysym)
            if keycode is not None and not (repeat and keysym not in self._tapped):
                self._tapped.add(keysym)
                self._tap(keycode, ())
            return
        wanted = self._changes(keysym, place.keycode, place.level, state, group)
        if not wanted:
            self._tapped.discard(keysym)
            self._held[keysym] = (place.keycode, code)
            self._fake(self._x.KeyPress, place.keycode)
        else:
            self._tapped.add(keysym)
            self._tap(place.keycode, wanted)

    def _release(self, keysym: int) -> None:
        self._tapped.discard(keysym)
        held = self._held.pop(keysym, None)
        if held is not None:
            self._fake(self._x.KeyRelease, held[0])

    def _changes(self, keysym: int, keycode: int, level: int, state: int, group: int) -> tuple[tuple[int, bool], ...]:
        """(keycode, down) of the modifiers to change for a key press, so that the key gives the keysym."""
        if not (is_character(keysym) or is_keypad(keysym)):
            return ()
        shift, third = bool(level & 1), bool(level & 2)
        if is_keypad(keysym):
            shift ^= bool(state & self._num_lock_mask)
        elif state & LOCK and _has_case(keysym):
            shift = not shift
        has_shift, has_third = bool(state & SHIFT), bool(state & self._level3_mask)
        same = self._keymap.keysym_at(keycode, group=group, level=has_shift | has_third << 1)
        if (has_shift, has_third) == (shift, third) or (
            same == keysym and not is_keypad(keysym) and not (state & LOCK and _has_case(keysym))
        ):
            return ()
        changes: list[tuple[int, bool]] = []
        if has_shift != shift:
            changes += self._modifier(shift, self._shift_keys, self._shift_key)
        if has_third != third:
            changes += self._modifier(third, self._level3_keys, self._level3_key)
        return tuple(changes)

    def _modifier(self, down: bool, keycodes: frozenset[int], keycode: int) -> list[tuple[int, bool]]:
        if down:
            return [(keycode, True)] if keycode else []
        return [(held, False) for held, _code in self._held.values() if held in keycodes]

    def _tap(self, keycode: int, changes: tuple[tuple[int, bool], ...]) -> None:
        """Press and release a key, with modifiers changed around it."""
        press, release = self._x.KeyPress, self._x.KeyRelease
        for modifier, down in changes:
            self._fake(press if down else release, modifier)
        self._fake(press, keycode)
        self._fake(release, keycode)
        for modifier, down in reversed(changes):
            self._fake(release if down else press, modifier)

    def _fake(self, kind: int, detail: int) -> None:
        self._display.xtest_fake_input(kind, detail)

    def _turn(self, axis: int, amount: int) -> None:
        self._wheel[axis] += amount
        while abs(self._wheel[axis]) >= NOTCH:
            way = 1 if self._wheel[axis] > 0 else -1
            self._wheel[axis] -= way * NOTCH
            button = _WHEEL[(way, 0) if axis == 0 else (0, way)]
            self._fake(self._x.ButtonPress, button)
            self._fake(self._x.ButtonRelease, button)

    # -- the layout ---------------------------------------------------------------------------------------------

    def _read_keymap(self) -> None:
        setup = self._display.display.info
        first, count = setup.min_keycode, setup.max_keycode - setup.min_keycode + 1
        rows = self._display.get_keyboard_mapping(first, count)
        self._keymap = Keymap(first, [[] if first + at in self._spares.mapped else row for at, row in enumerate(rows)])
        if {row_at for row_at in self._spares.mapped if not any(rows[row_at - first])}:
            # Another layout was set, which took our keys away.
            self._spares = SpareKeys(())
        if not self._spares.mapped:
            self._spares = SpareKeys(self._keymap.spare)
        modifiers = self._display.get_modifier_mapping()
        self._shift_keys = frozenset(filter(None, modifiers[0]))
        self._shift_key = min(self._shift_keys, default=0)
        self._level3_key, self._level3_mask = self._modifier_key(modifiers, _LEVEL3)
        # A layout's right Alt key shifts by its action; it need not be in the modifiers' map.
        self._level3_keys = frozenset(
            keycode for keycode in range(first, first + count) if self._gives(keycode, _LEVEL3)
        )
        self._num_lock_mask = self._modifier_key(modifiers, (_NUM_LOCK,))[1]

    def _modifier_key(self, modifiers: Any, keysyms: tuple[int, ...]) -> tuple[int, int]:
        for index, keycodes in enumerate(modifiers):
            for keycode in keycodes:
                if keycode and self._gives(keycode, keysyms):
                    return keycode, 1 << index
        return 0, 0

    def _gives(self, keycode: int, keysyms: tuple[int, ...]) -> bool:
        return self._keymap.keysym_at(keycode, group=0, level=0) in keysyms

    def _spare(self, keysym: int) -> int | None:
        """A spare key that gives `keysym` now."""
        taken = self._spares.take(keysym)
        if taken is None:
            return None
        keycode, fresh = taken
        if fresh:
            self._map(keycode, keysym)
        return keycode

    def _map(self, keycode: int, keysym: int) -> None:
        self._display.change_keyboard_mapping(keycode, [(keysym,) * 4])
        # The event about it has to be on its way to the programs before the key is.
        self._display.sync()


def _has_case(keysym: int) -> bool:
    if keysym > 0x01000000:
        character = chr(min(keysym - 0x01000000, 0x10FFFF))
    elif keysym <= 0xFF:
        character = chr(keysym)
    else:
        return True  # an old keysym of a letter, most of them
    return character.lower() != character.upper()
