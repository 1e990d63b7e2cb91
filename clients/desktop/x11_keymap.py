"""Which key of the layout gives a keysym, and with which modifiers; a spare key where none does.

The core protocol shows an XKB layout's key as columns: group 1 levels 1 and 2, group 2 levels 1 and 2, then group 1
levels 3 and 4, group 2 levels 3 and 4. Levels are: plain, Shift, AltGr, Shift+AltGr.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.wire.input import UNICODE_KEYSYM

_COLUMNS = ((0, 1, 4, 5), (2, 3, 6, 7))
_LEGACY = (
    (0x0100, "iso8859-2"),
    (0x0200, "iso8859-3"),
    (0x0300, "iso8859-4"),
    (0x0500, "iso8859-6"),
    (0x0600, "koi8-r"),
    (0x0600, "koi8-u"),
    (0x0700, "iso8859-7"),
    (0x0C00, "iso8859-8"),
    (0x0D00, "tis-620"),
    (0x1300, "iso8859-15"),
)
"""Keysyms older than Unicode are a page and the character's byte in an old code."""
EURO = 0x20AC


def equals(keysym: int) -> Iterator[int]:
    """`keysym` and the others that mean the same character: a layout may have any of them."""
    yield keysym
    if keysym <= UNICODE_KEYSYM:
        return
    code = keysym - UNICODE_KEYSYM
    if code == EURO:
        yield EURO
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        return
    for page, encoding in _LEGACY:
        try:
            byte = chr(code).encode(encoding)
        except UnicodeEncodeError:
            continue
        if len(byte) == 1 and byte[0] >= 0xA0:
            yield page | byte[0]


def is_character(keysym: int) -> bool:
    """Whether a keysym is a character, so that its level decides what is typed."""
    return keysym < 0xFD00 or keysym > UNICODE_KEYSYM


def is_keypad(keysym: int) -> bool:
    """Whether NumLock decides the level of this keysym's key."""
    return 0xFF80 <= keysym <= 0xFFBD


@dataclass(frozen=True, slots=True)
class Place:
    """A key and the level at which it gives the keysym (0 plain, 1 Shift, 2 AltGr, 3 both)."""

    keycode: int
    level: int


class Keymap:
    """A layout as the core protocol shows it. `rows`: keysyms of each keycode from `first` on."""

    def __init__(self, first: int, rows: Sequence[Sequence[int]]) -> None:
        self._first = first
        self._rows = [tuple(row) for row in rows]
        self._places: dict[int, list[tuple[int, Place]]] = {}  # keysym → (group, place)
        for keycode, row in enumerate(self._rows, first):
            for group, columns in enumerate(_COLUMNS):
                for level, column in enumerate(columns):
                    if column < len(row) and row[column]:
                        self._places.setdefault(row[column], []).append((group, Place(keycode, level)))
        self.spare = [keycode for keycode, row in enumerate(self._rows, first) if not any(row)]

    def find(self, keysym: int, *, group: int, prefer: int = 0) -> Place | None:
        """The key for a keysym in the layout's `group` (0 or 1), `prefer`: a keycode to take if it has it; None if no
        key has it."""
        for same in equals(keysym):
            places = [place for number, place in self._places.get(same, ()) if number == group]
            if places:
                return min(places, key=lambda place: (place.keycode != prefer, place.level, place.keycode))
        return None

    def keysym_at(self, keycode: int, *, group: int, level: int) -> int:
        """What a key gives; a level that the key does not have is the one below it."""
        at = keycode - self._first
        row = self._rows[at] if 0 <= at < len(self._rows) else ()
        for lower in (level, level & 2, level & 1, 0):
            column = _COLUMNS[group][lower]
            if column < len(row) and row[column]:
                return row[column]
        return 0


class SpareKeys:
    """Keycodes without a meaning, given one for a while. The one unused for longest is given the next."""

    def __init__(self, keycodes: Sequence[int]) -> None:
        self._given: OrderedDict[int, int] = OrderedDict((keycode, 0) for keycode in keycodes)

    def take(self, keysym: int) -> tuple[int, bool] | None:
        """(keycode, whether it has to be mapped first); None when the layout leaves no keycode free."""
        for keycode, given in self._given.items():
            if given == keysym:
                self._given.move_to_end(keycode)
                return keycode, False
        if not self._given:
            return None
        keycode = next(iter(self._given))
        self._given[keycode] = keysym
        self._given.move_to_end(keycode)
        return keycode, True

    @property
    def mapped(self) -> list[int]:
        """Keycodes that have a meaning now."""
        return [keycode for keycode, given in self._given.items() if given]
