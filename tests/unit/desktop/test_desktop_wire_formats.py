"""The screen's and the input's messages, from honest and from hostile peers."""

from __future__ import annotations

import contextlib
import struct

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from appliance.wire import input as wire_input
from appliance.wire import screen
from appliance.wire.frames import ProtocolError
from appliance.wire.input import (
    MAX_LATE,
    Button,
    Event,
    Freshness,
    InputMessage,
    Key,
    Pointer,
    ReleaseAll,
    Verdict,
    Wheel,
    keysym_of,
    pack_input,
    read_input,
    with_epoch,
)
from appliance.wire.screen import MAX_PLAIN, Kind, Painted, pack_header, pack_painted, read_painted
from appliance.wire.screen_decoder import ScreenDecoder

u16 = st.integers(0, 0xFFFF)
events = st.one_of(
    st.builds(Key, st.integers(1, 0x1FFFFFFF), st.booleans(), u16, st.booleans()),
    st.builds(Pointer, u16, u16),
    st.builds(Button, st.sampled_from([1, 2, 3, 8, 9]), st.booleans()),
    st.builds(Wheel, st.integers(-32768, 32767), st.integers(-32768, 32767)),
    st.just(ReleaseAll()),
)


@given(events=st.lists(events, max_size=20), at=st.integers(0, 2**40), epoch=st.integers(0, 2**32 - 1))
def test_input_comes_back_as_it_was_sent(events: list[Event], at: int, epoch: int) -> None:
    packed = pack_input(events, at=at)
    assert read_input(packed).epoch == 0
    assert read_input(with_epoch(packed, epoch)) == InputMessage(epoch, at & 0xFFFFFFFF, tuple(events))


@given(data=st.binary(max_size=60))
def test_hostile_input_is_read_or_refused(data: bytes) -> None:
    for message in (data, bytes(8) + data):
        with contextlib.suppress(ProtocolError):
            read_input(message)


def test_an_unknown_button_is_refused() -> None:
    with pytest.raises(ProtocolError):
        read_input(bytes(8) + bytes([3, 77, 1]))


@pytest.mark.parametrize(
    ("character", "keysym"),
    [("a", 0x61), ("ä", 0xE4), ("€", 0x10020AC), ("😀", 0x101F600), ("\n", 0xFF0D), ("\t", 0xFF09)],
)
def test_characters_have_x11s_keysyms(character: str, keysym: int) -> None:
    assert keysym_of(character) == keysym


class Receiver:
    def __init__(self) -> None:
        self.freshness = Freshness()

    def judge(self, sent: float, arrived: float, epoch: int = 1) -> Verdict:
        message = InputMessage(epoch, round(sent * 1000) & 0xFFFFFFFF, ())
        return self.freshness.judge(message, arrived)


def test_only_messages_that_were_stuck_are_late() -> None:
    receiver = Receiver()
    # The two clocks have nothing to do with each other.
    assert receiver.judge(100.0, 5000.05) is Verdict.RELEASE_AND_APPLY
    assert receiver.judge(101.0, 5001.02) is Verdict.APPLY
    assert receiver.judge(102.0, 5003.0) is Verdict.APPLY
    assert receiver.judge(103.0, 5003.02 + MAX_LATE + 0.1) is Verdict.RELEASE_AND_DROP
    assert receiver.judge(106.0, 5006.02) is Verdict.APPLY


def test_a_new_epoch_has_a_clock_of_its_own_and_ends_the_old_one() -> None:
    receiver = Receiver()
    receiver.judge(100.0, 50.0)
    assert receiver.judge(7.0, 51.0, epoch=2) is Verdict.RELEASE_AND_APPLY
    assert receiver.judge(101.0, 51.0, epoch=1) is Verdict.DROP


def test_drifting_clocks_do_not_make_a_long_session_late() -> None:
    receiver = Receiver()
    receiver.judge(0.0, 0.0)
    for minute in range(1, 24 * 60):
        # 200 ppm: 17 s in a day.
        assert receiver.judge(minute * 60.0, minute * 60.0 * 1.0002) is Verdict.APPLY


def test_the_senders_clock_may_wrap_around() -> None:
    receiver = Receiver()
    receiver.judge(2**32 / 1000 - 1, 10.0)
    assert receiver.judge(2**32 / 1000 + 1, 12.01) is Verdict.APPLY
    assert receiver.judge(2**32 / 1000 + 2, 16.0) is Verdict.RELEASE_AND_DROP


# -- the screen -------------------------------------------------------------------------------------------------


def compressed(plain: bytes, kind: Kind = Kind.RESTART) -> bytes:
    zstd = zstandard.ZstdCompressor(level=1).compressobj()
    data = zstd.compress(plain) + zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return pack_header(kind, 1) + data


geometry = screen.op_geometry(16, 16, ())


@given(data=st.binary(max_size=80))
def test_hostile_operations_are_read_or_refused(data: bytes) -> None:
    for message in (data, compressed(data), compressed(geometry + data), compressed(data, Kind.UPDATE)):
        with contextlib.suppress(ProtocolError):
            ScreenDecoder().feed(message)


@pytest.mark.parametrize(
    "plain",
    [
        struct.pack(">BHHB", 1, 0, 16, 0),
        struct.pack(">BHHB", 1, 16384, 16384, 0),
        geometry + geometry,
        geometry + screen.op_fill(15, 0, 2, 1, bytes(4)),
        geometry + screen.op_fill(0, 0, 0, 1, bytes(4)),
        geometry + screen.op_copy(0, 0, 8, 8, 9, 0),
        geometry + screen.op_pixels(0, 0, 4, 4) + bytes(63),
        geometry + screen.op_palette(0, 0, 4, 4, 3, bytes(8), bytes(6)),
        geometry + screen.op_palette(0, 0, 4, 4, 1, bytes(12), bytes(2)),
        geometry + screen.op_palette(0, 0, 4, 4, 2, bytes(8), b"\xff" * 4),
        geometry + screen.op_cursor(0, 0, 300, 1, bytes(1200)),
        geometry + screen.op_rate(0, 1),
        geometry + b"\x77",
    ],
)
def test_what_the_format_does_not_allow_is_refused(plain: bytes) -> None:
    with pytest.raises(ProtocolError):
        ScreenDecoder().feed(compressed(plain))


def test_a_bomb_is_refused_before_it_fills_the_memory() -> None:
    import tracemalloc

    bomb = compressed(bytes(256 * 1024 * 1024))
    assert len(bomb) < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="too_large"):
            ScreenDecoder().feed(bomb)
        assert tracemalloc.get_traced_memory()[1] < 10 * MAX_PLAIN
    finally:
        tracemalloc.stop()


def test_a_window_larger_than_agreed_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    zstd = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = zstd.compress(geometry) + zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    with pytest.raises(ProtocolError):
        ScreenDecoder().feed(pack_header(Kind.RESTART, 1) + data)


def test_a_stream_begins_with_a_restart_and_unknown_kinds_are_skipped() -> None:
    decoder = ScreenDecoder()
    decoder.feed(b"\x7fsomething new")
    with pytest.raises(ProtocolError, match="not_started"):
        decoder.feed(compressed(b"", Kind.UPDATE))


def test_acknowledgements_come_back_and_unknown_ones_are_skipped() -> None:
    painted = Painted(0xFFFFFFFF, 0.0123)
    assert read_painted(pack_painted(painted)) == painted
    assert read_painted(b"\x55 from a later version") is None
    with pytest.raises(ProtocolError):
        read_painted(b"\x01\x00")


def test_every_event_and_operation_has_a_number_of_its_own() -> None:
    assert len(set(wire_input.EventKind)) == 5
    assert [op.value for op in screen.Op] == list(range(1, 10))
