"""Which key gives a character, and regions that are joined."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.wire.input import keysym_of
from clients.desktop.regions import MAX_RECTS, Rect, merge
from clients.desktop.x11_keymap import Keymap, Place, SpareKeys, equals

Q, AT, OMEGA = 0x71, 0x40, 0x7D9
CYRILLIC_A, EURO = 0x6C1, 0x20AC
ROWS = [
    [Q, 0x51, Q, 0x51, AT, OMEGA],
    [CYRILLIC_A, 0x6E1, 0x61, 0x41],
    [0, 0, 0, 0],
    [0x65, 0x45, 0x65, 0x45, EURO],
]


def test_a_character_is_found_at_its_level_and_group() -> None:
    keymap = Keymap(8, ROWS)
    assert keymap.find(Q, group=0) == Place(8, 0)
    assert keymap.find(AT, group=0) == Place(8, 2)
    assert keymap.find(0x61, group=0) is None
    assert keymap.find(0x61, group=1) == Place(9, 0)
    assert keymap.keysym_at(8, group=0, level=3) == OMEGA
    assert keymap.keysym_at(11, group=0, level=3) == EURO
    assert keymap.keysym_at(200, group=0, level=0) == 0
    assert keymap.spare == [10]


def test_old_keysyms_of_a_character_are_found() -> None:
    keymap = Keymap(8, ROWS)
    assert keymap.find(keysym_of("а"), group=0) == Place(9, 0)
    assert keymap.find(keysym_of("€"), group=0) == Place(11, 2)
    assert 0x7E1 in equals(keysym_of("α"))
    assert 0x1B1 in equals(keysym_of("ą"))


def test_the_spare_key_unused_for_longest_is_given_next() -> None:
    spares = SpareKeys([10, 11])
    assert spares.take(1) == (10, True)
    assert spares.take(2) == (11, True)
    assert spares.take(1) == (10, False)
    assert spares.take(3) == (11, True)
    assert sorted(spares.mapped) == [10, 11]
    assert SpareKeys([]).take(1) is None


rects = st.builds(Rect, st.integers(0, 900), st.integers(0, 900), st.integers(1, 100), st.integers(1, 100))


@given(rects=st.lists(rects, max_size=60))
def test_joined_regions_are_few_and_cover_all(rects: list[Rect]) -> None:
    merged = merge(rects)
    assert len(merged) <= MAX_RECTS
    for rect in rects:
        assert any(rect.clip(other) == rect for other in merged)
